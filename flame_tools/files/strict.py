"""Weights into a network, all of them or none: what is missing, what is too much and what has another size is told.

The published code loads without looking: since torch 2.1 the weight-normalised convolution of wav2vec 2.0 keeps its
tensors under other names than when the files were written, and a fine-tuned one is dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from flame_tools.errors import FormatError

# torch.nn.utils.weight_norm, and its successor in torch.nn.utils.parametrizations
_WEIGHT_NORM = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
_SHOWN = 4


def load_strictly(network: nn.Module, weights: Mapping[str, Tensor], what: str) -> None:
    """Put `weights` into `network`. Raises FormatError unless every tensor has its place and every place its tensor.

    Weight normalisation is taken in either naming. `what` names the file in messages.
    """
    wanted = network.state_dict()
    found = renamed(weights, wanted)
    missing, extra = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    sized = {name for name in wanted.keys() & found.keys() if wanted[name].shape != found[name].shape}
    told = [
        *_list("missing", missing, wanted),
        *_list("not of this network", extra, found),
        *(
            [f"{len(sized)} of another size: " + _named(f"{n} {_size(found[n])} for {_size(wanted[n])}" for n in sized)]
            if sized
            else []
        ),
    ]
    if told:
        raise FormatError(
            f"{what} does not fit {type(network).__name__}: {'; '.join(told)}; wanted its {len(wanted)} tensors and "
            "nothing else: give the published file of this model"
        )
    bad = {name for name, value in found.items() if value.is_floating_point() and not value.isfinite().all()}
    if bad:
        raise FormatError(f"{what} holds numbers that are NaN or infinite in {_named(bad)}; download it again")
    network.load_state_dict(found)


def renamed(weights: Mapping[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """The weights with the tensors of weight normalisation under the names that are wanted, old or new."""
    wanted, out = frozenset(wanted), {}
    for name, value in weights.items():
        other = _other_name(name)
        new = other if other in wanted and name not in wanted else name
        if new in out:
            raise FormatError(f"the weights hold {new} twice, under its old and its new name; keep one of them")
        out[new] = value
    return out


def _other_name(name: str) -> str | None:
    for old, new in _WEIGHT_NORM.items():
        if re.search(rf"(^|\.){old}$", name):
            return name.removesuffix(old) + new
        if name.endswith(new):
            return name.removesuffix(new) + old
    return None


def _list(what: str, names: Iterable[str], where: Mapping[str, Tensor]) -> list[str]:
    names = list(names)
    return [f"{len(names)} {what}: {_named(f'{n} {_size(where[n])}' for n in names)}"] if names else []


def _named(entries: Iterable[str]) -> str:
    entries = sorted(entries)
    more = len(entries) - _SHOWN
    return ", ".join(entries[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _size(tensor: Tensor) -> str:
    return str(list(tensor.shape))
