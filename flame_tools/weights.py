"""A small network's weights, and the sizes it is built by, as a file of our own, and back: half precision, strictly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from flame_tools.archive import read_npz, write_npz
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


def save_network(network: nn.Module, path: Path, kind: str, version: int) -> None:
    """To a file of a kind; the network says its sizes in `config`, a dataclass."""
    write_npz(path, arrays_of(network), {"format": kind, "version": version, "config": asdict(network.config)})


def load_network(build: Callable[..., Network], sizes: type, path: Path, kind: str, version: int) -> Network:
    """The network of such a file, strictly: `build(sizes(...))`. Raises FormatError for any other file."""
    arrays, header = read_npz(path, kind, version)
    config = {name: tuple(v) if isinstance(v, list) else v for name, v in header["config"].items()}
    return filled(build(sizes(**config)), arrays, path)
