"""A head seen only at its landmarks: a few hundred points with their analytic Jacobian, in numpy float64.

It follows `flame_tools.head.Head.forward` (a test holds the two together) for the parameters that one picture can
tell: the neck stays at 0, the jaw does not roll, the eyes do not roll.
"""

from __future__ import annotations

import copy
import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.types import JAW, LEFT_EYE, RIGHT_EYE, Embedding, HeadArrays
from recon.fitting.layout import Layout
from recon.fitting.priors import SIDES_SD, sides
from recon.fitting.rotation import rotation_derivatives, rotation_matrix

if TYPE_CHECKING:
    from recon.fitting.landmark_numba import Terms

_MOVED = (JAW, LEFT_EYE, RIGHT_EYE)


class LandmarkModel:
    """Landmarks of a head, several embeddings one after another, as a function of the unknowns of `Layout`.

    A landmark is a mean of three vertices, and skinning is linear in them: so template and bases are averaged once,
    as they are and times the weights of each joint that may turn (sets 0 to 3 below), and no vertex is posed.
    """

    def __init__(self, head: HeadArrays, names: tuple[str, ...] = ("468", "iris")):
        missing = [name for name in names if name not in head.landmarks]
        if missing:
            raise ShapeError(
                f"head {head.id!r} has no landmarks {', '.join(missing)}; it has {sorted(head.landmarks)}: "
                "emberface head add FILES carries them over from the default head (to FLAME by its "
                "landmark_embedding.npy), and then --head NAME; or fit with another head"
            )
        embeddings: list[Embedding] = [head.landmarks[name] for name in names]
        ends = np.cumsum([len(e.faces) for e in embeddings]).tolist()
        self.slices = {
            name: slice(end - len(e.faces), end) for name, e, end in zip(names, embeddings, ends, strict=True)
        }
        corners = head.faces[np.concatenate([e.faces for e in embeddings])]  # [L, 3]
        barycentrics = np.concatenate([e.barycentrics for e in embeddings]).astype(np.float64)
        order = np.argsort(barycentrics == 0, 1, kind="stable")[:, : (barycentrics != 0).sum(1).max(initial=1)]
        corners, barycentrics = (np.take_along_axis(a, order, 1) for a in (corners, barycentrics))  # vertices have one
        self.layout = Layout.of(head.shapedirs.shape[2], head.expressiondirs.shape[2])
        self.sides = sides(head)  # [n, 2] of the expression, and
        self.sides_sd = SIDES_SD * np.asarray(head.expression_sd, np.float64)[self.sides[:, 0]]  # [n] how far apart
        skin = head.weights[corners][..., _MOVED].astype(np.float64)  # [L, k, 3]
        self.share = np.einsum("lk,lkj->jl", barycentrics, skin)  # [3, L] of jaw and eyes; the rest does not turn
        sets = np.concatenate([barycentrics[..., None], barycentrics[..., None] * skin], -1)  # [L, k, 4]

        def averaged(values: np.ndarray) -> np.ndarray:
            """Values [V, 3, ...] at vertices -> [4, 3, L, ...] at landmarks."""
            tail = values.shape[2:]
            flat = values[corners].astype(np.float64).reshape(*corners.shape, 3, math.prod(tail))
            found = np.zeros((4, 3, len(corners), flat.shape[-1]))
            np.einsum("lk,lkcf->clf", sets[..., 0], flat, out=found[0])
            for s in range(1, 4):  # few landmarks turn with the eyes
                turned = np.flatnonzero(sets[..., s].any(1))
                found[s][:, turned] = np.einsum("lk,lkcf->clf", sets[turned, :, s], flat[turned])
            return found.reshape(4, 3, len(corners), *tail)

        self.template = averaged(head.v_template)  # [4, 3, L]
        self.basis = averaged(np.concatenate([head.shapedirs, head.expressiondirs], 2))  # [4, 3, L, S + E]
        poses = head.posedirs.reshape(len(head.posedirs), 3, 4, 9)[:, :, 1:]  # the neck stays
        self.poses = averaged(poses.reshape(len(poses), 3, 27))  # [4, 3, L, 27] of R - I of jaw and eyes, row by row
        regressor = head.J_regressor.astype(np.float64)
        self.joint_template = regressor @ head.v_template
        moved = np.concatenate([head.shapedirs, head.expressiondirs * float(head.joints_follow_expression)], 2)
        self.joint_basis = (regressor @ moved.reshape(len(moved), -1)).reshape(5, 3, -1)

        self.lid_marks = np.flatnonzero(np.isin(corners, head.eyelid_vertices).any(1))  # [n] landmarks on lids
        corners, sets = corners[self.lid_marks], sets[self.lid_marks]
        lids = np.zeros((len(head.v_template), 3, 4 + 4 * self.layout.shape.stop), np.float32)
        along = head.eyelid_shapedirs.reshape(len(head.eyelid_dirs), 3, 4 * self.layout.shape.stop)
        lids[head.eyelid_vertices] = np.concatenate([head.eyelid_dirs, along], 2)
        lids = averaged(lids)
        # Only the jaw turns what bases and lids move, eyes do not: sets without a motion are left out.
        self.bent = [j for j in range(3) if self.basis[1 + j].any() or lids[1 + j].any()]
        self.sets = [0, *(1 + j for j in self.bent)]  # [B]
        self.basis = np.ascontiguousarray(self.basis[self.sets])  # [B, 3, L, S + E]
        lids = lids[self.sets]
        self.lid_dirs = np.ascontiguousarray(lids[..., :4])  # [B, 3, n, 4]
        self.lid_shapedirs = lids[..., 4:].reshape(*lids.shape[:3], 4, self.layout.shape.stop)  # [B, 3, n, 4, S]

    def of_person(self, shape: np.ndarray) -> LandmarkModel:
        """The same landmarks on one person, shape [S]: a third of the work, since its layout has no identity."""
        own, shapes = copy.copy(self), len(shape)
        for kept in ("terms", "rest"):
            own.__dict__.pop(kept, None)
        own.layout = Layout.of(0, self.basis.shape[-1] - shapes)
        own.template = self.template.copy()
        own.template[self.sets] += self.basis[..., :shapes] @ shape
        own.basis = np.ascontiguousarray(self.basis[..., shapes:])
        own.joint_template = self.joint_template + self.joint_basis[..., :shapes] @ shape
        own.joint_basis = np.ascontiguousarray(self.joint_basis[..., shapes:])
        own.lid_dirs = self.lid_dirs + self.lid_shapedirs @ shape
        own.lid_shapedirs = self.lid_shapedirs[..., :0]
        return own

    def __len__(self) -> int:
        return self.template.shape[2]

    def points(self, unknowns: np.ndarray) -> np.ndarray:
        """Unknowns [K] -> landmarks [L, 3] in the world, metres."""
        from recon.fitting.landmark_numba import points_of

        return points_of(self.terms, np.ascontiguousarray(unknowns, np.float64))

    @functools.cached_property
    def terms(self) -> Terms:
        """The model as its kernels read it."""
        from recon.fitting.landmark_numba import pack

        return pack(self)

    @functools.cached_property
    def rest(self) -> np.ndarray:
        """[L, 3] landmarks where all unknowns are 0."""
        return self.points(np.zeros(self.layout.size))

    def points_and_jacobian(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks [L, 3] and their derivatives [L, 3, K]: plain numpy, the definition of the kernels."""
        lay = self.layout
        linear = slice(0, lay.expression.stop)
        coefficients = unknowns[linear]
        left, right = unknowns[lay.eyelids]
        feature = np.array([left, right, 4 * left * (1 - left), 4 * right * (1 - right)])
        turns, derivatives = self._local_turns(unknowns)
        less = turns - np.eye(3)

        lids = self.lid_dirs + self.lid_shapedirs @ unknowns[lay.shape]  # [B, 3, n, 4]
        moved = self.basis @ coefficients
        moved[:, :, self.lid_marks] += lids @ feature
        rest = self.template + self.poses @ less.ravel()  # [4, 3, L]
        rest[self.sets] += moved
        joints = self.joint_template + self.joint_basis @ coefficients  # [5, 3]
        held = joints[list(_MOVED)]
        away = -np.einsum("jab,jb->ja", less, held)
        local = _blended(rest, less) + away.T @ self.share  # [3, L]

        turn = rotation_matrix(unknowns[lay.rotation])
        away_from_root = local - joints[0][:, None]
        points = (turn @ away_from_root).T + joints[0] + unknowns[lay.translation]

        d_local = np.empty((3, len(self), lay.rotation.start))
        d_away = -less @ self.joint_basis[list(_MOVED)]  # [3, 3, S + E]
        bend = less[self.bent]
        d_local[..., linear] = _blended(self.basis, bend) + np.einsum("jl,jcf->clf", self.share, d_away)
        d_local[:, self.lid_marks, lay.shape] += _blended(np.einsum("scnfk,f->scnk", self.lid_shapedirs, feature), bend)
        for unknown, j, turned in derivatives:
            arm = turned @ (rest[1 + j] - held[j][:, None] * self.share[j])
            corrective = self.poses[..., 9 * j : 9 * j + 9] @ turned.ravel()
            d_local[..., unknown] = _blended(corrective, less) + arm
        d_local[..., lay.eyelids] = 0
        change = np.array([[1, 0], [0, 1], [4 - 8 * left, 0], [0, 4 - 8 * right]])
        d_local[:, self.lid_marks, lay.eyelids] = _blended(lids @ change, bend)

        full = np.zeros((3, len(self), lay.size))
        full[..., : lay.rotation.start] = np.tensordot(turn, d_local, 1)
        full[..., linear] += ((np.eye(3) - turn) @ self.joint_basis[0])[:, None]
        full[..., lay.rotation] = np.moveaxis(rotation_derivatives(unknowns[lay.rotation]) @ away_from_root, 0, -1)
        full[..., lay.translation] = np.eye(3)[:, None]
        return points, full.swapaxes(0, 1)

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


def _blended(values: np.ndarray, less: np.ndarray) -> np.ndarray:
    """Values [1 + J, 3, L, ...] of the sets, skinned with R - I [J, 3, 3] of the joints that turn them: [3, L, ...]."""
    flat = values.reshape(len(values), 3, -1)
    return (flat[0] + np.matmul(less, flat[1:]).sum(0)).reshape(values.shape[1:])
