"""A small network's weights as the arrays of a file of our own, and back: half precision, strictly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from flame_tools.files.strict import load_strictly

Network = TypeVar("Network", bound=nn.Module)


def arrays_of(network: nn.Module, kind: type = np.float16) -> dict[str, np.ndarray]:
    """Every weight and buffer by name; those of floating point as `kind`."""
    values = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    return {name: v.astype(kind) if v.dtype.kind == "f" else v for name, v in values.items()}


def filled(network: Network, arrays: Mapping[str, np.ndarray], path: Path) -> Network:
    """The network, set to evaluate, with the arrays of the file `path`: every one must be there, fit and be finite."""
    load_strictly(network, {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}, str(path))
    return network.eval()
