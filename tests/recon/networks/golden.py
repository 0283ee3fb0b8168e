"""Numbers that are the same everywhere, so that what the authors' own code made of them can be written down here.

The peers were run once, outside of this repository, on these weights and pictures: torchvision 0.28 (BSD-3-Clause),
timm 1.0.31 (Apache-2.0), SMIRK's encoder and generator (MIT), insightface's iresnet100 (MIT); `regressor` is
torchvision's ResNet-50 with two linear layers instead of its classifier. peers.json holds what they said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

PEERS = json.loads((Path(__file__).parent / "peers.json").read_text())


def noise(count: int, seed: int) -> np.ndarray:
    """[count] float64 in [0, 1), as good as random: the fraction of a large sine, again and again after 65,537."""
    return np.resize(_period(count, seed), count)


def _period(count: int, seed: int) -> np.ndarray:
    value = np.sin(np.arange(min(count, 65_537), dtype=np.float64) * 12.9898 + seed * 78.233) * 43758.5453
    return value - np.floor(value)


def weights(wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights for the names and sizes of a state_dict under which signals neither die nor explode."""
    out = {}
    for seed, (name, like) in enumerate(sorted(wanted.items())):
        values = _period(like.numel(), seed)
        if not like.is_floating_point():
            out[name] = torch.zeros_like(like)
            continue
        if name.endswith("running_var"):
            values = 0.5 + values
        elif like.ndim > 1:
            values = (values - 0.5) * (24 / like[0].numel()) ** 0.5
        elif name.endswith("weight"):
            values = 0.3 + 0.4 * values
        else:
            values = 0.2 * (values - 0.5)
        values = np.resize(values.astype(np.float32), tuple(like.shape))
        out[name] = torch.from_numpy(values).to(like.dtype)
    return out


def filled(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """A network with such weights, in eval mode."""
    with torch.device("meta"):
        network = build()
    network = network.to_empty(device="cpu")
    network.load_state_dict(weights(network.state_dict()))
    return network.eval()


def pictures(*shape: int, seed: int = 999) -> Tensor:
    """Numbers in [0, 1) of any shape, float32."""
    return torch.from_numpy(noise(int(np.prod(shape)), seed).reshape(shape)).float()


def digest(names: Mapping[str, Tensor]) -> str:
    """16 hex digits of the names and sizes of a state_dict."""
    lines = (f"{name} {list(value.shape)}" for name, value in sorted(names.items()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def sketch(values: Tensor) -> list[float]:
    """Mean, spread, and five numbers of a tensor."""
    flat = values.detach().double().flatten()
    at = torch.linspace(0, len(flat) - 1, 5).long()
    return [float(flat.mean()), float(flat.std()), *flat[at].tolist()]


def said(network: str, what: str):
    """The peer's sketch, to compare with."""
    # numbers below 1 in float32, whose sums differ by machine; here the peers and ours agreed to the bit
    return pytest.approx(PEERS[network]["said"][what], rel=1e-4, abs=1e-4)
