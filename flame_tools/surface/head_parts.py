"""What the pieces of a head are, on any topology: skin, eyeballs, and what lies behind the lips."""

from __future__ import annotations

import numpy as np

from flame_tools.surface.mesh_graph import edge_matrix, pieces
from flame_tools.types import JAW, HeadArrays

SKIN, LEFT_EYE, RIGHT_EYE, UPPER_MOUTH, LOWER_MOUTH, TONGUE = range(6)
PARTS = ("skin", "left_eye", "right_eye", "upper_mouth", "lower_mouth", "tongue")
EYES = {LEFT_EYE: 3, RIGHT_EYE: 4}  # the joints that turn them


def parts_of(head: HeadArrays) -> np.ndarray:
    """[V] index into PARTS of each vertex.

    The piece of the mesh that bears the landmarks is the skin, with its sockets and the bag of the mouth; without
    landmarks it is the largest. Other pieces that turn with an eye are that eyeball; the rest, which on a bare head lie
    behind the lips, belong to the jaw or to the skull.
    """
    piece = pieces(edge_matrix(head.faces, len(head.v_template)))
    parts = np.full(len(piece), UPPER_MOUTH)
    weight = np.stack([np.bincount(piece, column) for column in head.weights.T], 1)  # [pieces, 5]
    share = weight / np.maximum(weight.sum(1, keepdims=True), 1e-9)
    parts[share[piece, JAW] > 0.5] = LOWER_MOUTH
    if "tongue" in head.materials:
        tongue = head.faces[head.face_material == head.materials.index("tongue")]
        parts[tongue.ravel()] = TONGUE
    parts[head.regions.get("tongue", np.zeros(0, int))] = TONGUE
    for part, joint in EYES.items():
        parts[share[piece, joint] > 0.5] = part
    marked = head.faces[head.landmarks["68"].faces, 0] if "68" in head.landmarks else np.arange(len(piece))
    parts[piece == np.bincount(piece[marked]).argmax()] = SKIN
    return parts
