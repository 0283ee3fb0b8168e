"""Where each loss of recon_ablation pulls the encoder: towards the true expression, or elsewhere?

    python benchmarks/recon_gradients.py ABLATION/begin-painting/synthesis.npz CROPS [--batches 30]

For batches of eight crops that were held out, the gradient of each loss at its weight there with respect to the
encoder: its norm, its cosine with the gradient of the true expression error (mm at the 468 landmarks), with the half
width of its 95 % interval over batches, and its cosine with the gradient of the landmarks. A loss whose cosine with the
truth is about 0 cannot teach expressions from where the network stands. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.recon_ablation import ADDED, SHARED, SIZE
from flame_tools.load import load_head
from flame_tools.types import FaceParams
from recon.networks.synthesis import load_synthesis
from recon.synthetic.shards import read_shards
from recon.train.base import Landmarks468
from recon.train.paths import Paths, SynthesisTraining
from recon.train.synthesis import SynthesisSource

BATCH = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("crops", type=Path)
    parser.add_argument("--batches", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    head, crops = load_head(), read_shards(options.crops)
    net, marks = load_synthesis(options.network, head.arrays).train(), Landmarks468(head)
    weights = dict(SHARED)
    for _, more in ADDED:
        weights |= more
    paths = Paths(head, SynthesisTraining(batch=BATCH, pretrain=0, **weights))
    source = SynthesisSource(crops, 0, SIZE, head)
    moved = torch.as_tensor(crops.expressed - crops.neutral)
    encoder, found = list(net.encoder.parameters()), []
    batches = min(options.batches, (len(crops) - source.count) // BATCH)
    if batches < 2:
        parser.error(f"{len(crops) - source.count} crops are held out of {options.crops}; wanted {2 * BATCH} or more")
    for i in range(batches):
        rows = source.count + BATCH * i + np.arange(BATCH)
        batch = source.rows(rows)
        parts = paths.losses(net, batch, 1, torch.Generator().manual_seed(i))  # odd: the cycle teaches the encoder
        del parts["total"]
        parts["landmarks"] = sum(parts.pop(name) for name in ("form", "marks", "distances", "prior"))
        face = net.read(batch.picture).face.in_head_frame()
        rest = FaceParams.neutral(head, BATCH).replace(shape=face.shape)
        apart = marks(face) - marks(rest) - moved[rows]
        parts["truth"] = 1000 * (apart.square().sum(-1) + 1e-10).sqrt().mean()
        found.append({name: gradient(loss, encoder) for name, loss in parts.items()})
    result = {}
    for name in found[0]:
        cosines = {
            other: np.array([float(torch.cosine_similarity(each[name], each[other], 0)) for each in found])
            for other in ("truth", "landmarks")
        }
        result[name] = {
            "norm": float(np.mean([float(each[name].norm()) for each in found])),
            "truth": float(cosines["truth"].mean()),
            "truth_half": float(2 * cosines["truth"].std(ddof=1) / np.sqrt(len(found))),
            "landmarks": float(cosines["landmarks"].mean()),
        }
        print(name, {key: round(value, 3) for key, value in result[name].items()}, flush=True)
    print(json.dumps(result))
    return 0


def gradient(loss: Tensor, values: list[Tensor]) -> Tensor:
    """Of all values together."""
    each = torch.autograd.grad(loss, values, retain_graph=True, allow_unused=True)
    return torch.cat([torch.zeros(v.numel()) if g is None else g.flatten() for g, v in zip(each, values, strict=True)])


if __name__ == "__main__":
    sys.exit(main())
