"""ARKit names on heads that do not carry them: what a face shows, said in the 52 weights, and the map to say it by."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from assets.locate import asset_path
from flame_tools.arkit_names import (
    ARKIT_NAMES,
    INDEX,
    JOINT_OWNED,
    LID_OWNED,
    params_by_name,
    says_names,
    weights_by_name,
)
from flame_tools.head import Head
from flame_tools.head_file import read_head
from flame_tools.kept import kept_with_head
from flame_tools.surface.correspondence import correspond
from flame_tools.transfer.bounded import solve_bounded
from flame_tools.transfer.carry import Carrier
from flame_tools.transfer.fit import Terms, Unknowns, Wanted, fit_motion
from flame_tools.transfer.motion import columns, motion_of, params_of
from flame_tools.transfer.perform import perform
from flame_tools.transfer.points import FacePoints
from flame_tools.transfer.samples import face_samples
from flame_tools.types import FaceParams, HeadArrays

_SAME = 1e-4  # shares of a column of a map that are one
_LITTLE = 2e-3  # weights and radians that may be left unsaid: the surface tells weights to 9e-3 at worst
_TURNED = [INDEX[name] for name in (*JOINT_OWNED, *LID_OWNED)]  # which have no weights below 0
_EYES = [i for i, name in enumerate(ARKIT_NAMES) if name.startswith("eyeLook")]
_TERMS = Terms(expected=1e-6, few=1e-4, coherence=0.0)
_BLOCK = 256  # frames posed together
_PULL = 1e-6  # square radians, of gaze weights that no rotation asks for


@dataclass(frozen=True)
class Explained:
    """Parameters said in ARKit weights."""

    weights: Tensor  # [..., 52] in [0, 1]
    residual_mm: Tensor  # [...] mean distance over the face between the parameters' pose and the weights'


def explain(params: FaceParams, head: Head) -> Explained:
    """ARKit weights within [0, 1] that come nearest to FaceParams, and how far the face is from them in mm.

    Identity, neck and head pose are left aside.
    """
    arrays = head.arrays
    motion = motion_of(params)
    leading, motion = motion.shape[:-1], motion.reshape(-1, motion.shape[-1])
    points, share = _face_of(arrays)
    if says_names(arrays):
        weights = weights_by_name(params, head).clamp(0, 1).reshape(-1, len(ARKIT_NAMES)).double().numpy()
        said = motion_of(params_by_name(torch.as_tensor(weights), head))
    else:
        weights = _told(motion, arrays, (points, share)).clip(0, 1)
        said = motion_of(params_by_map(torch.as_tensor(weights), head))
    residual = np.zeros(len(motion))
    for start in range(0, len(motion), _BLOCK):
        rows = slice(start, start + _BLOCK)
        distance = np.linalg.norm(points.place(said[rows]).points - points.place(motion[rows]).points, axis=-1)
        residual[rows] = 1e3 * distance @ (share / share.sum())
    like = params.expression
    return Explained(
        torch.as_tensor(weights).to(like).reshape(*leading, -1), torch.as_tensor(residual).to(like).reshape(leading)
    )


def weights_by_map(params: FaceParams, head: Head) -> Tensor:
    """ARKit weights [..., 52] of a head that does not say the names.

    Where each name moves components of its own, as on characters that lack some, frames whose motion is the names' but
    for how eyes roll are read off it: nothing bounds their weights. Of all others the surface tells, within [0, 1].
    """
    motion = motion_of(params)
    weights = _told(motion.reshape(-1, motion.shape[-1]), head.arrays)
    return torch.as_tensor(weights).to(params.expression).reshape(*motion.shape[:-1], -1)


def _told(motion: np.ndarray, head: HeadArrays, face: tuple[FacePoints, np.ndarray] | None = None) -> np.ndarray:
    """Weights [N, 52] for motions [N, E + 11]; `face` is `_face_of(head)`, where it is known."""
    if not _names_apart(head):
        return _from_surface(motion, head, *(face or _face_of(head)))
    weights, whole = _exactly(motion, head)
    if not whole.all():
        some = _from_surface(motion[~whole], head, *(face or _face_of(head)), expected=weights[~whole])
        weights[~whole] = some
    return weights


def _face_of(head: HeadArrays) -> tuple[FacePoints, np.ndarray]:
    """Vertices that stand for the face, of the mean identity, and how much each counts."""
    vertices, share = face_samples(head)
    return FacePoints(head, np.zeros(len(head.shape_names)), vertices), share


def _exactly(motion: np.ndarray, head: HeadArrays) -> tuple[np.ndarray, np.ndarray]:
    """What the head's map makes of motions [N, E + 11]: weights [N, 52], and whether they say all of a motion [N]."""
    table = map_of(head).astype(np.float64)
    length = (table**2).sum(1)
    weights = motion @ table.T / np.where(length > 0, length, 1.0)
    weights[:, _TURNED] = np.maximum(weights[:, _TURNED], 0.0)
    left = np.abs(motion - weights @ table)
    left[:, columns(head)["eyes"]] = 0.0  # gaze is read off the eyes' turns, whatever else they do
    return weights, left.max(1, initial=0.0) < _LITTLE


@kept_with_head
def _names_apart(head: HeadArrays) -> bool:
    """Whether no column of the head's map belongs to two names, but for a turn's two opposite ways."""
    table = map_of(head).astype(np.float64)
    length = np.linalg.norm(table, axis=1)
    ways = table[length > 0] / length[length > 0, None]
    alike = ways @ ways.T - np.eye(len(ways))
    return bool((np.minimum(np.abs(alike), np.abs(alike + 1)) < _SAME).all())


def _from_surface(
    motion: np.ndarray,
    head: HeadArrays,
    points: FacePoints,
    share: np.ndarray,
    *,
    expected: np.ndarray | None = None,  # [N, 52] where the surface does not tell
) -> np.ndarray:
    """Weights [N, 52] for motions [N, E + 11]: gaze from the eyes' rotations, the rest from where the face goes."""
    table = map_of(head).astype(np.float64)
    weights = np.zeros((len(motion), len(table)))
    turns = table[_EYES, columns(head)["eyes"]]  # [8, 6]
    hessian = np.broadcast_to(turns @ turns.T + _PULL * np.eye(len(turns)), (len(motion), len(turns), len(turns)))
    weights[:, _EYES] = solve_bounded(hessian, motion[:, columns(head)["eyes"]] @ turns.T, 0.0, 1.0)
    others = [i for i in range(len(table)) if i not in _EYES and np.abs(table[i]).max() > 0]
    count = len(others)
    fit = fit_motion(
        points,
        lambda rows: Wanted(points.place(motion[rows]).points, *np.zeros((2, rows.stop - rows.start, 0, 3))),
        Unknowns(table[others], np.zeros(count), np.ones(count), np.full(count, 0.25)),
        weights @ table,
        weights=share,
        pairs=np.zeros((0, 2), int),
        expected=None if expected is None else expected[:, others],
        terms=_TERMS,
        coherent=False,
    )
    weights[:, others] = fit.x
    return weights


def params_by_map(weights: Tensor, head: Head) -> FaceParams:
    """ARKit weights [..., 52] to the parameters of a head that does not say the names, by its map."""
    return params_of(weights @ torch.as_tensor(map_of(head.arrays)).to(weights), head)


def map_of(head: HeadArrays) -> np.ndarray:
    """The head's own `arkit_map`, or the one that is solved for it (seconds, once)."""
    return head.arkit_map if len(head.arkit_map) else _solved(_Same(head))


def solve_map(head: HeadArrays) -> np.ndarray:
    """An `arkit_map` [52, E + 11] for a head without the names: the default head's 52 poses on it."""
    like = Head(read_head(asset_path("head")))
    weights = torch.eye(len(ARKIT_NAMES), dtype=like.v_template.dtype)
    close, jaw = INDEX["mouthClose"], INDEX["jawOpen"]
    weights[close, jaw] = 1.0  # mouthClose says how far the lips shut over an open jaw
    motion = motion_of(params_by_name(weights, like))
    sizes = (len(like.arrays.shape_names), len(head.shape_names))
    carrier = Carrier(like.arrays, head, correspond(like.arrays, head), *map(np.zeros, sizes))
    table = perform(motion, carrier, coherent=False).motion
    table[close] -= table[jaw]
    return table.astype(np.float32)


class _Same:
    """A head as a key: the very arrays, not their values."""

    def __init__(self, head: HeadArrays):
        self.head = head

    def __eq__(self, other) -> bool:
        return isinstance(other, _Same) and self.head is other.head

    def __hash__(self) -> int:
        return id(self.head)


@functools.lru_cache(maxsize=4)
def _solved(key: _Same) -> np.ndarray:
    return solve_map(key.head)
