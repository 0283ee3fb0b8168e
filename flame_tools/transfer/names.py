"""ARKit names on heads that do not carry them: what a face shows, said in the 52 weights, and the map to say it by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flame_tools import arkit
from flame_tools.head import Head
from flame_tools.load import load_head
from flame_tools.surface.correspondence import correspond
from flame_tools.transfer.bounded import solve_bounded
from flame_tools.transfer.carry import Carrier
from flame_tools.transfer.fit import Terms, Unknowns, Wanted, fit_motion
from flame_tools.transfer.motion import columns, motion_of
from flame_tools.transfer.points import FacePoints
from flame_tools.transfer.retarget import perform
from flame_tools.transfer.samples import face_samples
from flame_tools.types import FaceParams, HeadArrays

_EYES = [i for i, name in enumerate(arkit.ARKIT_NAMES) if name.startswith("eyeLook")]
_TERMS = Terms(expected=1e-6, few=1e-4, coherence=0.0)
_BLOCK = 256  # frames posed together
_PULL = 1e-6  # square radians, of gaze weights that no rotation asks for


@dataclass(frozen=True)
class Explained:
    """Parameters said in ARKit weights."""

    weights: Tensor  # [..., 52] in [0, 1]
    residual_mm: Tensor  # [...] mean distance over the face between the parameters' pose and the weights'


def explain(params: FaceParams, head: Head) -> Explained:
    """See `arkit.explain`. Identity, neck and head pose are left aside."""
    arrays = head.arrays
    motion = motion_of(params)
    leading, motion = motion.shape[:-1], motion.reshape(-1, motion.shape[-1])
    vertices, share = face_samples(arrays)
    points = FacePoints(arrays, np.zeros(head.shape_size), vertices)
    if arkit.says_names(arrays):
        weights = arkit.from_params(params, head).clamp(0, 1).reshape(-1, len(arkit.ARKIT_NAMES)).double().numpy()
    else:
        weights = _from_surface(motion, arrays, points, share)
    said = motion_of(arkit.to_params(torch.as_tensor(weights), head))
    residual = np.zeros(len(motion))
    for start in range(0, len(motion), _BLOCK):
        rows = slice(start, start + _BLOCK)
        distance = np.linalg.norm(points.place(said[rows]).points - points.place(motion[rows]).points, axis=-1)
        residual[rows] = 1e3 * distance @ (share / share.sum())
    like = params.expression
    return Explained(
        torch.as_tensor(weights).to(like).reshape(*leading, -1), torch.as_tensor(residual).to(like).reshape(leading)
    )


def _from_surface(motion: np.ndarray, head: HeadArrays, points: FacePoints, share: np.ndarray) -> np.ndarray:
    """Weights [N, 52] for motions [N, E + 11]: gaze from the eyes' rotations, the rest from where the face goes."""
    table = arkit.map_of(head).astype(np.float64)
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
        terms=_TERMS,
        coherent=False,
    )
    weights[:, others] = fit.x
    return weights


def solve_map(head: HeadArrays) -> np.ndarray:
    """See `arkit.solve_map`."""
    like = load_head("default")
    weights = torch.eye(len(arkit.ARKIT_NAMES), dtype=like.v_template.dtype)
    close, jaw = arkit.INDEX["mouthClose"], arkit.INDEX["jawOpen"]
    weights[close, jaw] = 1.0  # mouthClose says how far the lips shut over an open jaw
    motion = motion_of(arkit.to_params(weights, like))
    sizes = (len(like.arrays.shape_names), len(head.shape_names))
    carrier = Carrier(like.arrays, head, correspond(like.arrays, head), *map(np.zeros, sizes))
    table = perform(motion, carrier, coherent=False).motion
    table[close] -= table[jaw]
    return table.astype(np.float32)
