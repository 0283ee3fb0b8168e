"""Weights of several networks in one file of torch.save: which names belong where, and which have no use.

Training programs keep their networks as dicts in a dict (DECA's `E_flame`), as one flat state_dict with a prefix for
each (SMIRK's `smirk_encoder.`), or as Lightning's state_dict beside much else. Here all become flat names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import FormatError
from flame_tools.files.torch_files import described, read_content

_DEEPEST = 3  # dicts in dicts
_MOST = 100_000  # names


@dataclass(frozen=True)
class Parts:
    """What was taken from a file, and what was not."""

    weights: dict[str, Tensor]
    unused: tuple[str, ...]  # names in the file, sorted; a dict of anything but names and values counts as one


def read_parts(
    path: str | os.PathLike,
    places: Callable[[Collection[str]], Mapping[str, str]],
) -> Parts:
    """The tensors whose names begin as `places` says, under other beginnings.

    `places` is given all names of the file and returns what each beginning becomes ({"deca.E_flame.": "E_flame."});
    what begins otherwise is not made a tensor, and reported. It may raise FormatError for a file that it does not know.
    Raises FormatError as `flame_tools.files.torch_files.read_weights`.
    """
    path, unused = Path(path), []

    def choose(content: object) -> dict[str, object]:
        flat: dict[str, object] = {}
        if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
            unused.extend(f"{name}" for name in content if name != "state_dict")
            content = content["state_dict"]
        if not isinstance(content, dict) or not content:
            raise FormatError(f"it holds no weights: {described(content)}; wanted names and tensors")
        _flatten(content, "", flat, 1)
        beginnings = places(flat.keys())
        taken: dict[str, object] = {}
        for name, value in flat.items():
            found = [old for old in beginnings if name.startswith(old)]
            if not found:
                unused.append(name)
                continue
            old = max(found, key=len)
            new = beginnings[old] + name.removeprefix(old)
            if new in taken:
                raise FormatError(f"it holds {new} twice; keep one of them")
            taken[new] = value
        return taken

    try:
        weights = read_content(path, choose)
    except FormatError as error:
        said = str(error)
        raise error if said.startswith(str(path)) else FormatError(f"{path}: {said}") from None
    odd = sorted(name for name, value in weights.items() if not isinstance(value, np.ndarray | Tensor))
    if odd:
        raise FormatError(f"{path}: {len(odd)} of its weights are no tensors ({', '.join(odd[:4])})")
    return Parts({name: torch.as_tensor(value) for name, value in weights.items()}, tuple(sorted(unused)))


def _flatten(content: dict, before: str, out: dict[str, object], depth: int) -> None:
    for name, value in content.items():
        full = f"{before}{name}"
        if isinstance(value, dict) and value and depth < _DEEPEST and all(isinstance(key, str) for key in value):
            _flatten(value, f"{full}.", out, depth + 1)
        else:
            if full in out:
                raise FormatError(f"it holds {full} twice; keep one of them")
            out[full] = value
        if len(out) > _MOST:
            raise FormatError(f"it holds more than {_MOST:,} names, which no network has")
