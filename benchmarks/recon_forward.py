"""One face crop to FLAME's parameters, batch 1: python benchmarks/recon_forward.py [--threads N] [--rounds N]

The published architectures with random weights, from pixels [1, 3, 224, 224] to named codes (no detection, no mesh, no
detail), in one process. All are timed once in each round, in an order drawn anew, and medians are compared, so that a
busy machine is busy for all.

Prints one JSON object on its last line: `deca_ms`, `emoca_ms`, `smirk_ms`, each one's `*_parameters`, and `threads`.
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

from recon.networks.crop import SIZE
from recon.networks.deca import Deca
from recon.networks.emoca import Emoca
from recon.networks.smirk import SmirkEncoder

NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {"deca": Deca, "emoca": Emoca, "smirk": SmirkEncoder}
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
    for network in networks.values():
        for _ in range(WARM_UP):
            network(crop)
    order, taken = random.Random(0), {name: [] for name in networks}
    for _ in range(options.rounds):
        for name in order.sample(sorted(networks), len(networks)):
            start = time.perf_counter()
            networks[name](crop)
            taken[name].append(1e3 * (time.perf_counter() - start))
    result: dict[str, float] = {"threads": options.threads}
    for name, network in networks.items():
        result[f"{name}_ms"] = round(statistics.median(taken[name]), 2)
        result[f"{name}_parameters"] = sum(p.numel() for p in network.parameters())
        print(f"{name:8} {result[f'{name}_ms']:8.2f} ms  {result[f'{name}_parameters'] / 1e6:6.1f} M parameters")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
