"""A head seen only at its landmarks: a few hundred points with their analytic Jacobian, in numpy float64.

It follows `flame_tools.head.Head.forward` (a test holds the two together) for the parameters that one picture can
tell: the neck stays at 0, the jaw does not roll, the eyes do not roll.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.types import Embedding, HeadArrays

JAW, LEFT_EYE, RIGHT_EYE = 2, 3, 4
_MOVED = (JAW, LEFT_EYE, RIGHT_EYE)


@dataclass(frozen=True)
class Layout:
    """Where each part lies in the vector of unknowns."""

    shape: slice
    expression: slice
    jaw: slice  # 2: +x opens, +y to the subject's left; radians
    eyes: slice  # 4: left x, y, right x, y; radians
    eyelids: slice  # 2: left, right
    rotation: slice  # 3: global axis-angle
    translation: slice  # 3: metres
    log_focal: slice  # 1: log of pixels
    size: int

    @staticmethod
    def of(shape: int, expression: int) -> Layout:
        sizes = (shape, expression, 2, 4, 2, 3, 3, 1)
        ends = np.cumsum(sizes).tolist()
        return Layout(*(slice(end - size, end) for size, end in zip(sizes, ends, strict=True)), size=ends[-1])


def rotation_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """[3] radians -> [3, 3] by Rodrigues' formula."""
    angle = float(np.linalg.norm(axis_angle))
    k = cross_matrix(axis_angle)
    return np.eye(3) + np.sinc(angle / np.pi) * k + 0.5 * np.sinc(angle / (2 * np.pi)) ** 2 * (k @ k)


def cross_matrix(v: np.ndarray) -> np.ndarray:
    """[3] -> [3, 3] so that cross_matrix(a) @ b = a x b."""
    x, y, z = v
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def rotation_derivatives(axis_angle: np.ndarray) -> np.ndarray:
    """[3, 3, 3]: the derivative of `rotation_matrix` by each of the three entries, first index.

    d exp(r) / d r_k = [J e_k]x exp(r) with the left Jacobian J of SO(3) (Eq. 145 f., Sola et al. 2018).
    """
    angle = float(np.linalg.norm(axis_angle))
    k = cross_matrix(axis_angle)
    third = (1 - np.sinc(angle / np.pi)) / angle**2 if angle > 1e-4 else 1 / 6
    left = np.eye(3) + 0.5 * np.sinc(angle / (2 * np.pi)) ** 2 * k + third * (k @ k)
    rotation = rotation_matrix(axis_angle)
    return np.stack([cross_matrix(left[:, i]) @ rotation for i in range(3)])


class LandmarkModel:
    """Landmarks of a head, several embeddings one after another, as a function of the unknowns of `Layout`."""

    def __init__(self, head: HeadArrays, names: tuple[str, ...] = ("468", "iris")):
        missing = [name for name in names if name not in head.landmarks]
        if missing:
            raise ShapeError(
                f"head {head.id!r} has no landmarks {', '.join(missing)}; it has {sorted(head.landmarks)}: "
                "embed them first, or fit with another head"
            )
        embeddings: list[Embedding] = [head.landmarks[name] for name in names]
        ends = np.cumsum([len(e.faces) for e in embeddings]).tolist()
        self.slices = {
            name: slice(end - len(e.faces), end) for name, e, end in zip(names, embeddings, ends, strict=True)
        }
        corners = head.faces[np.concatenate([e.faces for e in embeddings])]  # [L, 3]
        used, self.corners = np.unique(corners, return_inverse=True)
        self.corners = self.corners.reshape(corners.shape)
        self.barycentrics = np.concatenate([e.barycentrics for e in embeddings]).astype(np.float64)
        self.layout = Layout.of(head.shapedirs.shape[2], head.expressiondirs.shape[2])

        self.template = head.v_template[used].astype(np.float64)
        self.basis = np.concatenate([head.shapedirs[used], head.expressiondirs[used]], 2).astype(np.float64)
        self.posedirs = head.posedirs[used].astype(np.float64).reshape(len(used), 3, 4, 3, 3)
        self.weights = head.weights[used].astype(np.float64)
        regressor = head.J_regressor.astype(np.float64)
        self.joint_template = regressor @ head.v_template
        moved = np.concatenate([head.shapedirs, head.expressiondirs * float(head.joints_follow_expression)], 2)
        self.joint_basis = (regressor @ moved.reshape(len(moved), -1)).reshape(5, 3, -1)

        row = np.full(len(head.v_template), -1)
        row[used] = np.arange(len(used))
        lids = row[head.eyelid_vertices]
        kept = lids >= 0
        self.lid_rows = lids[kept]
        self.lid_dirs = head.eyelid_dirs[kept].astype(np.float64)  # [m, 3, 4]
        self.lid_shapedirs = head.eyelid_shapedirs[kept].astype(np.float64)  # [m, 3, 4, S]

    def __len__(self) -> int:
        return len(self.corners)

    def points(self, unknowns: np.ndarray) -> np.ndarray:
        """Unknowns [K] -> landmarks [L, 3] in the world, metres."""
        return self._evaluate(unknowns, jacobian=False)[0]

    def points_and_jacobian(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks [L, 3] and their derivatives [L, 3, K]."""
        return self._evaluate(unknowns, jacobian=True)

    def joints(self, unknowns: np.ndarray) -> np.ndarray:
        """Joints [5, 3] in the world; jaw and eyes do not move them."""
        lay = self.layout
        joints = self.joint_template + self.joint_basis @ unknowns[: lay.expression.stop]
        turn = rotation_matrix(unknowns[lay.rotation])
        return (joints - joints[0]) @ turn.T + joints[0] + unknowns[lay.translation]

    def _local_turns(self, unknowns: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int, np.ndarray]]]:
        """Rotations [3, 3, 3] of jaw and eyes, and (unknown, joint 0..2, dR [3, 3]) for each of their unknowns."""
        lay = self.layout
        jaw, eyes = unknowns[lay.jaw], unknowns[lay.eyes]
        turns, derivatives = [], []
        for j, (xy, start) in enumerate(
            ((jaw, lay.jaw.start), (eyes[:2], lay.eyes.start), (eyes[2:], lay.eyes.start + 2))
        ):
            axis_angle = np.array([xy[0], xy[1], 0.0])
            turns.append(rotation_matrix(axis_angle))
            change = rotation_derivatives(axis_angle)
            derivatives += [(start, j, change[0]), (start + 1, j, change[1])]
        return np.stack(turns), derivatives

    def _evaluate(self, unknowns: np.ndarray, *, jacobian: bool):
        lay = self.layout
        linear = slice(0, lay.expression.stop)
        coefficients = unknowns[linear]
        left, right = unknowns[lay.eyelids]
        feature = np.array([left, right, 4 * left * (1 - left), 4 * right * (1 - right)])
        turns, derivatives = self._local_turns(unknowns)

        lids = self.lid_dirs + self.lid_shapedirs @ unknowns[lay.shape]  # [m, 3, 4]
        rest = self.template + self.basis @ coefficients
        rest[self.lid_rows] += lids @ feature
        rest += np.einsum("ncjab,jab->nc", self.posedirs[:, :, 1:], turns - np.eye(3))
        joints = self.joint_template + self.joint_basis @ coefficients  # [5, 3]

        moved = self.weights[:, _MOVED]  # [n, 3]; root and neck stay, so their share is the identity
        blend = np.eye(3) + np.einsum("nj,jab->nab", moved, turns - np.eye(3))
        away = joints[list(_MOVED)] - np.einsum("jab,jb->ja", turns, joints[list(_MOVED)])
        posed = np.einsum("nab,nb->na", blend, rest) + moved @ away

        turn = rotation_matrix(unknowns[lay.rotation])
        local = self._embed(posed)  # [L, 3]
        points = (local - joints[0]) @ turn.T + joints[0] + unknowns[lay.translation]
        if not jacobian:
            return points, None

        d_rest = np.zeros((len(rest), 3, lay.rotation.start))
        d_rest[:, :, linear] = self.basis
        d_rest[self.lid_rows, :, lay.shape] += np.einsum("ncfs,f->ncs", self.lid_shapedirs, feature)
        change = np.array([[1, 0], [0, 1], [4 - 8 * left, 0], [0, 4 - 8 * right]])
        d_rest[self.lid_rows, :, lay.eyelids] = lids @ change
        for unknown, j, turned in derivatives:
            d_rest[:, :, unknown] = np.einsum("ncab,ab->nc", self.posedirs[:, :, 1 + j], turned)
        d_posed = blend @ d_rest
        d_joints = self.joint_basis[list(_MOVED)]
        d_away = d_joints - turns @ d_joints  # [3, 3, S + E]
        d_posed[:, :, linear] += (moved @ d_away.reshape(3, -1)).reshape(len(rest), 3, -1)
        for unknown, j, turned in derivatives:
            arm = (rest - joints[_MOVED[j]]) @ turned.T
            d_posed[:, :, unknown] += moved[:, j : j + 1] * arm

        full = np.zeros((len(self), 3, lay.size))
        full[:, :, : lay.rotation.start] = turn @ self._embed(d_posed)
        full[:, :, linear] += (np.eye(3) - turn) @ self.joint_basis[0]
        full[:, :, lay.rotation] = np.einsum(
            "kab,lb->lak", rotation_derivatives(unknowns[lay.rotation]), local - joints[0]
        )
        full[:, :, lay.translation] = np.eye(3)
        return points, full

    def _embed(self, values: np.ndarray) -> np.ndarray:
        """Values [n, ...] at vertices -> [L, ...] at landmarks."""
        tail = (slice(None),) + (None,) * (values.ndim - 1)
        return sum(values[self.corners[:, k]] * self.barycentrics[:, k][tail] for k in range(3))
