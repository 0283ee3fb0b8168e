"""How the shut lids follow identity on ICT-FaceKit, whose eyeBlink shapes are the same for everyone.

In some identities the eyeballs come forward more than the lids do and would show through them. So where the lids are
when shut is tied to the eyeball: it moves, turns and grows as the ball does. Towards the corners of the eye, and away
from the margins, the skin keeps its own identity.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flame_tools.characters.owners import Owned
from flame_tools.smooth import smooth_step
from flame_tools.surface.mesh_graph import reach

FADE_M = 0.014  # from the margin outwards
CORNER_M = 0.007  # from the corners towards the middle


def lid_shapedirs(
    template: np.ndarray,
    faces: np.ndarray,
    identity: np.ndarray,  # [V, 3, S] metres per SD
    owned: Owned,
    regions: Mapping[str, np.ndarray],
) -> np.ndarray:
    """eyelid_shapedirs [N, 3, 4, S] for the lids of `owned`; the bulge (features 2 and 3) does not follow identity."""
    lids = owned.eyelid_vertices
    result = np.zeros((len(lids), 3, 4, identity.shape[-1]), np.float32)
    for feature, side in enumerate(("left", "right")):
        moved = np.flatnonzero(np.abs(owned.eyelid_dirs[..., feature]).max(1) > 0)
        vertices = lids[moved]
        shut = template[vertices] + owned.eyelid_dirs[moved, :, feature]
        share = _share(template, faces, [regions[f"{side}_{lid}_lid_margin"] for lid in ("upper", "lower")], vertices)
        ball = regions[f"{side}_eyeball"]
        followed = _affine(template[ball], identity[ball], shut)
        result[moved, :, feature] = share[:, None, None] * (followed - identity[vertices])
    return result


def _share(template: np.ndarray, faces: np.ndarray, margins: list[np.ndarray], vertices: np.ndarray) -> np.ndarray:
    """How much vertices follow the ball [n]: 1 at the margins' middle, 0 at the corners and away from the lids."""
    low, high = np.sort(template[margins[0][[0, -1]], 0])
    x = template[vertices, 0]
    along = smooth_step(np.minimum(x - low, high - x) / CORNER_M)
    away = reach(template, faces, np.concatenate(margins), FADE_M)[vertices]
    return along * smooth_step(1.0 - np.minimum(away / FADE_M, 1.0))


def _affine(before: np.ndarray, offsets: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Offsets [m, 3, S] at places [m, 3] of the affine motions nearest to `offsets` [n, 3, S] of points [n, 3]."""
    middle = before.mean(0)
    rows = np.concatenate([before - middle, np.ones((len(before), 1))], 1)
    moved = np.linalg.lstsq(rows, offsets.reshape(len(offsets), -1), rcond=None)[0]
    places = np.concatenate([at - middle, np.ones((len(at), 1))], 1)
    return (places @ moved).reshape(len(at), *offsets.shape[1:])
