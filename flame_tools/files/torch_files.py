"""Weights that somebody published: the tensors of a .pth, .pt, .ckpt or .tar that torch.save made, read as data.

A training program leaves more in such a file than weights (the optimiser, callbacks, paths). Only the weights are made
into tensors; what else the pickle mentions of a training program becomes an inert stand-in, and any other global is
refused by its name. Nothing is executed.
"""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from flame_tools.archive import member_names, opened_zip
from flame_tools.errors import FormatError
from flame_tools.files.data import _Storages
from flame_tools.files.pickles import Reader, _Parser
from flame_tools.files.stand_ins import TABLE, StandIn, _Marker, _ordered

MAX_BYTES = 4 << 30  # of a file, and of the tensors made of it
# Programs whose leftovers lie beside weights: their names are taken note of, and stand for nothing.
_BYSTANDERS = ("pytorch_lightning", "lightning", "lightning_fabric", "omegaconf", "pathlib", "typing", "argparse")


def read_weights(
    path: str | os.PathLike,
    *,
    under: tuple[str, ...] = ("state_dict",),  # entries that may hold the weights, the first that is there
) -> dict[str, Tensor]:
    """Names and tensors of a file that torch.save made; the top level where no entry of `under` is there.

    Raises FormatError for another kind of file, a broken one, code inside it, and entries that are no tensors.
    """
    path = Path(path)
    weights = read_content(path, lambda found: _chosen(found, under))
    if not isinstance(weights, dict) or not weights:
        raise FormatError(f"{path} holds no weights: {described(weights)}; wanted names and tensors")
    odd = sorted(str(name) for name, value in weights.items() if not isinstance(value, np.ndarray | Tensor))
    if odd:
        raise FormatError(
            f"{path} holds no weights: {len(odd)} of its {len(weights)} entries are no tensors ({', '.join(odd[:4])}); "
            "give the file with the trained weights"
        )
    return {str(name): torch.as_tensor(value) for name, value in weights.items()}


def read_content(path: Path, choose: Callable[[object], object]) -> object:
    """What `choose` takes of a file of torch.save, its tensors as arrays; no other tensor is made of a zip's.

    `choose` is given what was parsed: dicts, lists, and a `StandIn` or a tensor for all else. Raises FormatError as
    `read_weights`.
    """
    if not path.is_file():
        raise FormatError(f"{path} is not a file; check the name")
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(f"{path} has {path.stat().st_size >> 20} MiB; the limit is {MAX_BYTES >> 20}")
    with open(path, "rb") as stream:
        zipped = stream.read(4) == b"PK\x03\x04"
    return _read_zip(path, choose) if zipped else choose(_read_old(path))


def _chosen(content: object, under: tuple[str, ...]) -> object:
    if isinstance(content, dict):
        for entry in under:
            if isinstance(content.get(entry), dict):
                return content[entry]
    return content


def described(content: object) -> str:
    if isinstance(content, dict):
        names = ", ".join(sorted(map(str, content))[:4])
        return f"a dict of {len(content)} entries ({names})" if content else "an empty dict"
    return f"a {type(content).__name__.lstrip('_')}"


def _read_zip(path: Path, choose: Callable[[object], object]) -> object:
    """What torch.save has written since 1.6: a pickle and, beside it, the numbers of each tensor."""
    pickled = [name for name in member_names(path) if name.endswith("/data.pkl") and name.count("/") == 1]
    with opened_zip(path, "file of torch.save", MAX_BYTES) as archive:
        if len(pickled) != 1:
            raise FormatError(f"{path} is a zip that torch.save did not make; wanted a .pth, .pt, .ckpt or .tar")
        folder = pickled[0].removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise FormatError(f"{path} was saved on a big-endian machine, which is not read")
        with archive.open(pickled[0]) as stream:
            try:
                content = choose(_WeightsParser(stream, encoding="utf-8").load())
                return _WeightsReader(_Storages(archive, f"{folder}data/")).plain(content)
            except FormatError as error:
                raise FormatError(f"{path}: {error}") from None
            except RecursionError:
                raise FormatError(f"{path} nests too deeply to hold weights") from None
            except Exception as error:  # a malformed stream can make the parser raise almost anything
                raise FormatError(f"{path} is not readable ({error}); it may be truncated") from error


def _read_old(path: Path) -> object:
    """What torch.save wrote before 1.6: torch's own reader of tensors alone, which refuses all else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        why = str(error).strip().splitlines() or ["it ends too early"]
        told = [line for line in why if "GLOBAL" in line or "Unsupported" in line] or why
        raise FormatError(
            f"{path} is not a file of weights that torch.save made, or is truncated, or names code "
            f"({told[0].strip()[:160]}); nothing was executed"
        ) from None


class _Bystander(StandIn):
    """Something of a training program beside the weights."""


class _WeightsReader(Reader):
    def __init__(self, storages):
        super().__init__(storages)
        self._left = MAX_BYTES

    def spend(self, size: int) -> None:
        self._left -= size
        if size < 0 or self._left < 0:
            raise FormatError(f"its tensors take more than {MAX_BYTES >> 20} MiB")


class _WeightsParser(_Parser):
    dispatch: ClassVar[dict] = dict(_Parser.dispatch)

    def find_class(self, module: str, name: str) -> object:
        known = _ALSO.get((module, name)) or TABLE.get((module, name))
        if known is not None:
            return known
        if module.split(".")[0] in _BYSTANDERS:
            return _Bystander
        raise FormatError(f"it names {module}.{name}, which no weights need; refused, nothing was executed")

    def load_build(self) -> None:
        """As torch writes an OrderedDict with the attribute _metadata, which says nothing that is needed."""
        if type(self.stack[-2]) is dict:
            self.stack.pop()
        else:
            super().load_build()

    dispatch[pickle.BUILD[0]] = load_build


def _default(kind: object = None) -> dict:
    """collections.defaultdict, a plain dict here."""
    return {}


_ALSO: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): _ordered,
    ("collections", "defaultdict"): _default,
    **{(module, kind): _Marker for module in ("__builtin__", "builtins") for kind in ("dict", "list", "int", "float")},
    **{("torch", name): _Marker for name in ("float32", "float16", "float64", "bfloat16", "int64", "Size", "device")},
}
