"""FaceParams as the core computes with them: looked over, in one precision, leading dimensions laid out in a row."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from flame_tools.errors import ShapeError
from flame_tools.types import FaceParams

HALF = (torch.float16, torch.bfloat16)  # types that are computed with in float32
_ALL_BUT_SHAPE = ("expression", "global_rotation", "neck", "jaw", "eyes", "eyelids", "translation")


def checked(
    params: FaceParams,
    sizes: dict[str, tuple[int, ...]],  # the trailing dimensions of each field that matters
    own: torch.dtype,  # the head's
    head_id: str,
) -> FaceParams:
    """`params` in the precision that is computed in, after a look at their sizes and types."""
    changed = {}
    for name, tail in sizes.items():
        value = getattr(params, name)
        if tuple(value.shape[-len(tail) :]) != tail:
            wanted = ", ".join(map(str, tail))
            raise ShapeError(f"{name} is {list(value.shape)} but head {head_id!r} wants [..., {wanted}]")
        if value.dtype in HALF:
            changed[name] = value.to(own)
        elif value.dtype != own:
            raise ShapeError(
                f"{name} is {value.dtype} but head {head_id!r} is {own}; use params.to({own}) or head.to({value.dtype})"
            )
    return params.replace(**changed) if changed else params


def common_type(params: FaceParams) -> torch.dtype:
    """The type that a result has: half precision only where every moving parameter has it."""
    return functools.reduce(torch.promote_types, (getattr(params, name).dtype for name in _ALL_BUT_SHAPE))


def rows(value: Tensor, leading: torch.Size, tail: int = 1) -> Tensor:
    """[..., n] -> [B, n], broadcast to the leading dimensions and laid out in a row; `tail` dimensions stay."""
    return value.expand(*leading, *value.shape[-tail:]).reshape(math.prod(leading), *value.shape[-tail:])


def turns(params: FaceParams, leading: torch.Size) -> Tensor:
    """Axis-angles [B, 5, 3] of the joints."""
    single = [rows(getattr(params, name), leading) for name in ("global_rotation", "neck", "jaw")]
    return torch.cat([*single, rows(params.eyes, leading, 2).flatten(-2)], -1).unflatten(-1, (5, 3))
