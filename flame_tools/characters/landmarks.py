"""Landmarks of a character that has none: where its face is, and moves, like the default head's.

Both heads are posed with ARKit's names. Eyes, lips, nose and chin, found on both by what they are, align them; a
landmark goes to the place that lies nearest and answers to the shapes most alike.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.head import Head
from flame_tools.surface.alignment import align
from flame_tools.surface.embedding import carry
from flame_tools.surface.mesh_graph import edge_matrix, pieces
from flame_tools.types import LEFT_EYE, RIGHT_EYE, HeadArrays

NEAR_M = 0.01  # so far apart is as unlike as
ALIKE = 1.0  # ... moving by this share of a shape's largest motion otherwise
SMALLEST_M = 1e-4  # shapes that move nothing this far tell nothing
TELLING = (
    "jawOpen", "jawLeft", "jawRight", "mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPucker", "noseSneerLeft", "noseSneerRight", "browInnerUp",
    "browOuterUpLeft", "browOuterUpRight", "eyeBlinkLeft", "eyeBlinkRight",
)  # fmt: skip


def with_landmarks(arrays: HeadArrays, guide: HeadArrays) -> HeadArrays:
    """`arrays` with the 68 landmarks of `guide`, as well as they can be found; unchanged where it has some.

    A head whose lips, nose or chin cannot be found gets none.
    """
    if "68" in arrays.landmarks or not len(arrays.inner_lip_pairs):
        return arrays
    own, others = _Moves.of(guide), _Moves.of(arrays)
    used = [i for i in range(len(TELLING)) if min(own.reach[i], others.reach[i]) > SMALLEST_M]
    places = own.places(), others.places()
    if not used or places[0] is None or places[1] is None:
        return arrays
    aligned = align(*places)
    found = carry(
        _told(aligned(own.rest), own.offsets[used] @ aligned.linear.T),
        guide.faces,
        _told(others.rest, others.offsets[used]),
        others.faces,
    )(guide.landmarks["68"])
    triangles = others.triangles[found.faces].astype(np.int32)
    return dataclasses.replace(
        arrays, landmarks={**arrays.landmarks, "68": dataclasses.replace(found, faces=triangles)}
    )


def with_dense_landmarks(arrays: HeadArrays, guide: HeadArrays) -> HeadArrays:
    """`arrays`, which has the 68, with the other landmarks of `guide` (MediaPipe's 468, the irises) as well.

    By dense correspondence (seconds, then from the cache). Lips that touch are told apart with the mouth half open.
    """
    from flame_tools.surface.correspondence import correspond

    wanted = [name for name in guide.landmarks if name not in arrays.landmarks]
    if not wanted or "68" not in arrays.landmarks:
        return arrays
    head = Head(arrays)
    weights = torch.zeros(2, len(ARKIT_NAMES)).to(head.v_template)
    weights[1, INDEX["jawOpen"]] = 0.5
    poses = head.vertices(to_params(weights, head)).numpy().astype(np.float64)
    laid = correspond(arrays, guide).values(poses)  # the guide's vertices on this head
    carried = carry(laid, guide.faces, poses, arrays.faces)
    found = {name: carried(guide.landmarks[name]) for name in wanted}
    return dataclasses.replace(arrays, landmarks={**arrays.landmarks, **found})


@dataclass(frozen=True, eq=False)
class _Moves:
    """A head's skin at rest and under the telling shapes."""

    rest: np.ndarray  # [V, 3] metres
    offsets: np.ndarray  # [N, V, 3] at weight 1
    reach: np.ndarray  # [N] metres: how far each moves the skin at most
    faces: np.ndarray  # [F, 3] the skin's triangles
    triangles: np.ndarray  # [F] their numbers in the head
    eyes: np.ndarray  # [2, 3] left, right
    lips: np.ndarray  # [P, 3] between facing lip vertices, right to left

    @staticmethod
    def of(arrays: HeadArrays) -> _Moves:
        head = Head(arrays)
        weights = torch.eye(len(ARKIT_NAMES))[[INDEX[name] for name in TELLING]].to(head.v_template)
        rest = arrays.v_template.astype(np.float64)
        offsets = head.vertices(to_params(weights, head)).numpy() - rest
        triangles = _skin_triangles(arrays)
        skin = np.unique(arrays.faces[triangles])
        return _Moves(
            rest,
            offsets,
            np.linalg.norm(offsets[:, skin], axis=2).max(1),
            arrays.faces[triangles],
            triangles,
            (arrays.J_regressor.astype(np.float64) @ rest)[[LEFT_EYE, RIGHT_EYE]],
            rest[arrays.inner_lip_pairs].mean(1),
        )

    def places(self) -> np.ndarray | None:
        """Eyes, corners and middle of the lips, tip of the nose and of the chin, [7, 3]; None where one is missing."""
        skin = np.unique(self.faces)
        points = self.rest[skin]
        middle, apart = self.eyes.mean(0), np.linalg.norm(self.eyes[0] - self.eyes[1])
        mouth = np.median(self.lips, axis=0)
        central = np.abs(points[:, 0] - middle[0]) < 0.15 * apart
        nose = points[central & (points[:, 1] < middle[1]) & (points[:, 1] > mouth[1])]
        dropped = np.linalg.norm(self.offsets[TELLING.index("jawOpen")][skin], axis=1)
        chin = points[central & (points[:, 1] < mouth[1]) & (dropped > 0.8 * dropped.max())]
        if not len(nose) or not len(chin):
            return None
        front = chin[chin[:, 2] > chin[:, 2].max() - 0.15 * apart]
        tips = [nose[nose[:, 2].argmax()], front[front[:, 1].argmin()]]
        return np.stack([*self.eyes, self.lips[0], self.lips[-1], mouth, *tips])


def _skin_triangles(arrays: HeadArrays) -> np.ndarray:
    """Triangles [F] of skin or lips that hang together with the lids."""
    looks = [i for i, name in enumerate(arrays.materials) if name in ("skin", "lips")]
    skin = np.isin(arrays.face_material, looks)
    labels = pieces(edge_matrix(arrays.faces, len(arrays.v_template)))
    lids = [arrays.regions[name] for name in ("left_lids", "right_lids") if name in arrays.regions]
    if lids:
        skin &= np.isin(labels[arrays.faces[:, 0]], np.unique(labels[np.concatenate(lids)]))
    return np.flatnonzero(skin)


def _told(rest: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """What tells places of a face apart, as stacked points [1 + N, V, 3]."""
    largest = np.linalg.norm(offsets, axis=2).max(1)
    return np.concatenate([rest[None] / NEAR_M, offsets / largest[:, None, None] / ALIKE])
