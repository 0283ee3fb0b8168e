"""One face crop to a head's parameters, batch 1: python benchmarks/recon_forward.py [--threads N] [--rounds N]

The published architectures with random weights, from pixels [1, 3, 224, 224] to named codes (no detection, no mesh, no
detail), and recon-base from its crop and landmarks, in one process. All are timed once in each round, in an order drawn
anew, and medians are compared, so that a busy machine is busy for all.

Prints one JSON object on its last line: `base_ms`, `deca_ms`, `emoca_ms`, `smirk_ms`, each one's `*_parameters`, and
`threads`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from recon.learned.crop import CUT
from recon.learned.regressed import base_of
from recon.learned.regressor import MARKS
from recon.networks.crop import SIZE
from recon.networks.deca import Deca
from recon.networks.emoca import Emoca
from recon.networks.smirk import SmirkEncoder

NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "base": lambda: base_of("default"), "deca": Deca, "emoca": Emoca, "smirk": SmirkEncoder,
}  # fmt: skip
WARM_UP = 3


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    crop = torch.rand(1, 3, SIZE, SIZE)
    networks = {name: build().eval() for name, build in NETWORKS.items()}
    given = {name: (crop,) for name in networks} | {"base": (torch.rand(1, 3, CUT, CUT), torch.rand(1, MARKS, 3))}
    for name, network in networks.items():
        for _ in range(WARM_UP):
            network(*given[name])
    order, taken = random.Random(0), {name: [] for name in networks}
    for _ in range(options.rounds):
        for name in order.sample(sorted(networks), len(networks)):
            start = time.perf_counter()
            networks[name](*given[name])
            taken[name].append(1e3 * (time.perf_counter() - start))
    result: dict[str, float] = {"threads": options.threads}
    for name, network in networks.items():
        result[f"{name}_ms"] = round(statistics.median(taken[name]), 2)
        result[f"{name}_parameters"] = sum(p.numel() for p in network.parameters())
        print(f"{name:8} {result[f'{name}_ms']:8.2f} ms  {result[f'{name}_parameters'] / 1e6:6.1f} M parameters")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
