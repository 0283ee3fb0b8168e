"""Curves and turns at other times than their own."""

from __future__ import annotations

import numpy as np
import torch

from flame_tools.rotations import matrix_from_axis_angle, quaternion_from_matrix

_SAME = 1e-9


def linear(times: np.ndarray, own: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values` [N, ...] at the increasing times `own` [N] as straight lines at `times` [T]; the ends are held.

    A NaN reaches the frames on both sides of it, but none that is there itself.
    """
    if len(own) == 1 or np.array_equal(times, own):
        return np.broadcast_to(values, (len(times), *values.shape[1:])) if len(own) == 1 else values
    at, share = _between(times, own)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    between = values[at] * (1 - share) + values[at + 1] * share
    return np.where(share == 0, values[at], np.where(share == 1, values[at + 1], between))


def turned(times: np.ndarray, own: np.ndarray, quaternions: np.ndarray) -> np.ndarray:
    """Unit quaternions [N, ..., 4] (x, y, z, w) at `times`, the short way and evenly between two."""
    if len(own) == 1 or np.array_equal(times, own):
        return linear(times, own, quaternions)
    at, share = _between(times, own)
    share = share.reshape(-1, *[1] * (quaternions.ndim - 1))
    return slerp(quaternions[at], quaternions[at + 1], share)


def slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """From unit quaternions a [..., 4] to b by share [..., 1] in [0, 1] (Shoemake 1985)."""
    dot = (a * b).sum(-1, keepdims=True)
    b, dot = np.where(dot < 0, -b, b), np.clip(np.abs(dot), 0, 1)
    angle = np.arccos(dot)
    sine = np.sin(angle)
    near = sine < 1e-6
    safe = np.where(near, 1.0, sine)
    first = np.where(near, 1 - share, np.sin((1 - share) * angle) / safe)
    second = np.where(near, share, np.sin(share * angle) / safe)
    mixed = first * a + second * b
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)


def quaternions_of(axis_angle: torch.Tensor) -> np.ndarray:
    """Axis-angles [..., 3] as unit quaternions [..., 4] (x, y, z, w), float64."""
    return quaternion_from_matrix(matrix_from_axis_angle(axis_angle.detach().cpu().double())).numpy()


def axis_angle_of(quaternions: np.ndarray) -> torch.Tensor:
    """Unit quaternions [..., 4] (x, y, z, w) as axis-angles [..., 3], float64, angles in [0, pi]."""
    q = np.asarray(quaternions, np.float64)
    vector, w = np.where(q[..., 3:] < 0, -q[..., :3], q[..., :3]), np.abs(q[..., 3:])
    sine = np.linalg.norm(vector, axis=-1, keepdims=True)
    small = sine < 1e-9
    return torch.from_numpy(vector * np.where(small, 2.0, 2 * np.arctan2(sine, w) / np.where(small, 1.0, sine)))


def _between(times: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval that each time lies in, and how far along, in [0, 1]."""
    at = np.clip(np.searchsorted(own, times, "right") - 1, 0, len(own) - 2)
    share = np.clip((times - own[at]) / (own[at + 1] - own[at]), 0.0, 1.0)
    whole = np.rint(share)  # the same moment as a frame's, but for rounding
    return at, np.where(np.abs(share - whole) < _SAME, whole, share)
