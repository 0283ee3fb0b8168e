"""Chosen vertices of one person's face, posed by a motion: positions, and how they change with every unknown.

Root and neck stay still, so the formula is the head's own with three joints: jaw, left eye, right eye. A vertex goes
from x to A x + b, where A and b blend the joints' turns and A is nearly a rotation. Pulled back by A', an offset is
what it would be on the face at rest, where expression moves a vertex the same way whatever the jaw does: that keeps the
large part of a least-squares problem constant over a clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.rotations import matrix_from_axis_angle
from flame_tools.transfer.motion import columns
from flame_tools.types import HeadArrays

_JOINTS = slice(2, 5)  # jaw, left eye, right eye
_TURN = 1e-4  # radians, of finite differences (float64: their error is far below a micrometre)


@dataclass(frozen=True)
class Placed:
    """Vertices of T frames where a motion puts them."""

    points: np.ndarray  # [T, n, 3] metres
    turn: np.ndarray  # [T, n, 3, 3] A
    rest: np.ndarray  # [T, n, 3] metres, x: before the joints turn

    def pulled_back(self, offsets: np.ndarray) -> np.ndarray:
        """A' applied to offsets [T, n, 3] of the posed face: what they are before the joints turn."""
        return (offsets[..., None, :] @ self.turn)[..., 0, :]


class FacePoints:
    """`vertices` of a head with identity `shape`: `place(motion)` poses them."""

    def __init__(
        self,
        arrays: HeadArrays,
        shape: np.ndarray,  # [S]
        vertices: np.ndarray,  # [n] indices
        *,
        offsets: np.ndarray | None = None,  # [V, 3] metres, added to the identity at rest
    ):
        at = np.asarray(vertices, np.int64)
        shape = np.asarray(shape, np.float64)
        person = arrays.v_template + arrays.shapedirs @ shape  # [V, 3]; float32 sums are exact to 1e-8 m
        joints = arrays.J_regressor.astype(np.float64) @ person
        self.columns = columns(arrays)
        self.template = (person if offsets is None else person + offsets)[at].astype(np.float64)
        self.expression = np.ascontiguousarray(arrays.expressiondirs[at], np.float64)  # [n, 3, E]
        self.correctives = np.ascontiguousarray(arrays.posedirs[at, :, 9:], np.float64)  # [n, 3, 27]
        self.weights = arrays.weights[at, _JOINTS].astype(np.float64)  # [n, 3]
        self.joints = joints[_JOINTS]  # [3, 3]
        self.joint_expression = np.zeros((3, 3, self.expression.shape[-1]))
        if arrays.joints_follow_expression:
            self.joint_expression = np.einsum("jv,vck->jck", arrays.J_regressor[_JOINTS], arrays.expressiondirs)
        self.lids = np.zeros((len(at), 3, 4))
        moved = {vertex: row for row, vertex in enumerate(arrays.eyelid_vertices.tolist())}
        mine = [(i, moved[v]) for i, v in enumerate(at.tolist()) if v in moved]
        if mine:
            here, there = map(list, zip(*mine, strict=True))
            self.lids[here] = arrays.eyelid_dirs[there] + arrays.eyelid_shapedirs[there] @ shape
        self._dirs = np.concatenate([self.expression, self.correctives, self.lids], 2).reshape(3 * len(at), -1).T
        self._jaw_correctives = slice(self.expression.shape[-1], self.expression.shape[-1] + 9)

    def place(self, motion: np.ndarray) -> Placed:
        """Posed vertices for a motion [T, E + 11]."""
        frames, n = len(motion), len(self.template)
        expression, lids = motion[:, self.columns["expression"]], motion[:, self.columns["eyelids"]]
        turns = self._rotations(motion).reshape(frames, 3, 3, 3) - np.eye(3)
        features = np.concatenate([expression, turns.reshape(frames, 27), lids, 4 * lids * (1 - lids)], 1)
        rest = self.template + (features @ self._dirs).reshape(frames, n, 3)
        turn = np.eye(3) + (self.weights @ turns.reshape(frames, 3, 9)).reshape(frames, n, 3, 3)
        joints = self._joints(expression)
        still = self.weights @ (turns @ joints[..., None])[..., 0]
        return Placed((turn @ rest[..., None])[..., 0] - still, turn, rest)

    def jaw_and_lids(self, motion: np.ndarray, placed: Placed) -> np.ndarray:
        """How jaw 3 and lids 2 move the vertices, pulled back: [T, 5, n, 3] per radian and per unit of lid."""
        frames, n = len(motion), len(self.template)
        columns = np.empty((frames, 5, n, 3))
        from_joint = placed.rest - self._joints(motion[:, self.columns["expression"]])[:, :1]
        for axis in range(3):
            nudge = np.zeros(motion.shape[1])
            nudge[self.columns["jaw"].start + axis] = _TURN
            change = (self._rotations(motion + nudge)[:, 0] - self._rotations(motion - nudge)[:, 0]) / (2 * _TURN)
            corrected = (change.reshape(frames, 9) @ self._dirs[self._jaw_correctives]).reshape(frames, n, 3)
            turned = self.weights[:, :1] * (from_joint @ change.transpose(0, 2, 1))
            columns[:, axis] = corrected + placed.pulled_back(turned)
        lids = motion[:, self.columns["eyelids"]]
        for side in range(2):
            straight, bulge = (self.lids[..., i].reshape(-1) for i in (side, side + 2))
            columns[:, 3 + side] = (straight + 4 * (1 - 2 * lids[:, side, None]) * bulge).reshape(frames, n, 3)
        return columns

    def _rotations(self, motion: np.ndarray) -> np.ndarray:
        """Rotation matrices [T, 3, 3, 3] of jaw, left eye, right eye."""
        turns = np.concatenate([motion[:, self.columns["jaw"]], motion[:, self.columns["eyes"]]], 1)
        return matrix_from_axis_angle(torch.from_numpy(turns).unflatten(-1, (3, 3))).numpy()

    def _joints(self, expression: np.ndarray) -> np.ndarray:
        """Places [T, 3, 3] of jaw, left eye, right eye before they turn."""
        return self.joints + np.tensordot(expression, self.joint_expression, (1, 2))
