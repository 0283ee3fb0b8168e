"""Files in the published layouts with weights that nobody trained, small on the disk whatever the network's size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from recon.networks.deca import Deca
from recon.networks.emica import Emica
from recon.networks.smirk import Smirk
from recon.networks.spectre import Spectre
from tests.recon.networks.golden import noise
from tests.recon.networks.test_checkpoints import as_inferno, grouped, lightning, training

CAMERA = (7.5, 0.01, 0.02)  # s, x, y: about what they say of a face in the middle of a crop


def shared_weights(build: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Weights under which signals neither die nor explode: rows are views of one row, each a number further on."""
    with torch.device("meta"):
        names = build().state_dict()
    out = {}
    for seed, (name, like) in enumerate(sorted(names.items())):
        if not like.is_floating_point():
            out[name] = torch.zeros_like(like, device="cpu")
        elif like.ndim > 1:
            row = like[0].numel()
            values = (noise(row + len(like), seed) - 0.5) * (24 / row) ** 0.5
            steps = like.stride()[1:]
            out[name] = torch.from_numpy(values).float().as_strided(like.shape, (1, *steps))
        else:
            values = noise(like.numel(), seed)
            near_one = name.endswith("running_var") or (name.endswith("weight") and like.numel() > 1)
            values = 0.5 + 0.5 * values if near_one else 0.2 * (values - 0.5)
            out[name] = torch.from_numpy(values).float()
    return out


def _says(weights: dict[str, Tensor], layer: str, at: int) -> dict[str, Tensor]:
    """`weights` whose layer says small numbers, and CAMERA in places at ... at + 3."""
    bias = weights[f"{layer}.bias"].clone()
    bias[at : at + 3] = torch.tensor(CAMERA)
    return weights | {f"{layer}.weight": 0.02 * weights[f"{layer}.weight"][:1].expand_as(weights[f"{layer}.weight"]),
                      f"{layer}.bias": bias}  # fmt: skip


def _says_smirk(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return _says(weights, "smirk_encoder.pose_encoder.pose_cam_layers.0", 3)


_FILES = {
    "DECA": (Deca, lambda w: training(_says(w, "E_flame.layers.2", 206))),
    "SPECTRE": (Spectre, lambda w: grouped(_says(w, "E_flame.layers.2", 206))),
    "EMICA": (Emica, lambda w: lightning(as_inferno(_says(w, "coarse.layers.2", 53)), "")),
    "SMIRK": (lambda: Smirk(shapes=100, generator=False), _says_smirk),
}


def write_published(system: str, path: Path) -> Path:
    """A file of a system's layout, in which every face is seen near the middle of its crop."""
    build, laid_out = _FILES[system]
    torch.save(laid_out(shared_weights(build)), path)
    return path
