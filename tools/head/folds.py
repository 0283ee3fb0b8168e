"""Softens shapes whose skin folds harder than the mesh can show.

The artist's smile moves the corner of the mouth 18 mm into a cheek that stays: over two edges, so that at weight 1 the
fold becomes a hook. The smile's offsets are averaged along the skin outside the lips; the lips keep theirs.
"""

from __future__ import annotations

import numpy as np

from flame_tools.surface.mesh_graph import edge_matrix, smooth
from tools.head.cut import Assembly
from tools.head.lips import Lips

STEPS = {"mouthSmileLeft": 3, "mouthSmileRight": 3}
NEAR, FAR = 0.003, 0.009  # metres from the lips where averaging starts, and where it is complete


def soften_folds(
    assembly: Assembly, template: np.ndarray, lips: Lips, shapes: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The shapes [V, 3] with the offsets of those in STEPS averaged over neighbours."""
    skin = assembly.ranges["skin"]
    adjacency = edge_matrix(assembly.cut.faces, skin.stop)
    distance = np.linalg.norm(template[skin, None] - template[np.unique(lips.grid)], axis=-1).min(1)
    share = np.clip((distance - NEAR) / (FAR - NEAR), 0.0, 1.0)
    share = (share * share * (3.0 - 2.0 * share))[:, None]
    softened = dict(shapes)
    for name, steps in STEPS.items():
        offsets = shapes[name].copy()
        offsets[skin] += share * (smooth(adjacency, offsets[skin], steps) - offsets[skin])
        softened[name] = offsets
    return softened
