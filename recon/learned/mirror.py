"""Left for right: what a mirror makes of faces."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from flame_tools.errors import InputError
from flame_tools.types import HeadArrays
from recon.learned.regressor import MARKS

_TOLERANCE_M = 1e-4


class Mirror(nn.Module):
    """A head's parameters in the order of a Layout, and its landmarks, as a mirror shows them.

    Raises InputError for a head whose components or landmarks a mirror does not turn into one another.
    """

    def __init__(self, head: HeadArrays):
        super().__init__()
        shape = head.shapedirs.shape[2]
        names = [*head.expression_names, "jawOpen", "jawTurn", "upLeft", "acrossLeft", "upRight", "acrossRight",
                 "lidLeft", "lidRight"]  # fmt: skip
        other = {"Left": "Right", "Right": "Left"}
        swapped = [next((n.replace(a, b) for a, b in other.items() if a in n), n) for n in names]
        order = torch.cat([torch.arange(shape), shape + torch.tensor([names.index(n) for n in swapped])])
        sign = torch.tensor([-1.0 if n in ("jawTurn", "acrossLeft", "acrossRight") else 1.0 for n in names])
        sign = torch.cat([torch.ones(shape), sign])  # of identities: one side against the other, or both alike
        basis = np.concatenate([head.shapedirs, head.expressiondirs], 2, dtype=np.float32)
        own = slice(basis.shape[2])
        seen, same = basis[head.mirror], basis[..., order[own].numpy()]
        seen[:, 0] *= -1
        odd = np.einsum("vci,vci->i", seen, same) < 0
        sign[own] = torch.as_tensor(np.where(odd, -1.0, 1.0))
        same[..., odd] *= -1
        if np.abs(np.subtract(seen, same, out=seen), out=seen).max() > _TOLERANCE_M:
            raise InputError(f"the components of head {head.id!r} have no mirror image; set `mirrored` to 0")
        self.register_buffer("order", order)
        self.register_buffer("sign", sign)
        self.register_buffer("marks", torch.as_tensor(_facing(head)))
        self.register_buffer("across", torch.tensor([-1.0, 1.0, 1.0]))

    def face(self, values: Tensor) -> Tensor:
        """Parameters [..., F], or their means in units of the head's priors."""
        return values[..., self.order] * self.sign

    def turn(self, matrices: Tensor) -> Tensor:
        """Rotations [..., 3, 3]."""
        return matrices * self.across[:, None] * self.across

    def points(self, places: Tensor) -> Tensor:
        """Landmarks, and irises where there are ten more, [..., L, 3], metres from the middle of the face."""
        return places[..., self.marks[: places.shape[-2]], :] * self.across

    def in_crop(self, places: Tensor) -> Tensor:
        """Such landmarks [..., L, 2 or 3] in crop units."""
        found = places[..., self.marks[: places.shape[-2]], :]
        return torch.cat([1 - found[..., :1], found[..., 1:]], -1)


def _facing(head: HeadArrays) -> np.ndarray:
    """[478] the landmark, or point of an iris, across the face."""
    found, start = np.zeros(MARKS, np.int64), 0
    for name in ("468", "iris"):
        marks = head.landmarks[name]
        places = np.einsum("lk,lkc->lc", marks.barycentrics, head.v_template[head.faces[marks.faces]])
        away = np.linalg.norm(places[:, None] * (-1, 1, 1) - places, axis=-1)
        if away.min(1).max() > _TOLERANCE_M:
            raise InputError(f"the landmarks {name!r} of head {head.id!r} have no mirror image; set `mirrored` to 0")
        found[start : start + len(places)] = start + away.argmin(1)
        start += len(places)
    return found
