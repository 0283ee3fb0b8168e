"""Named regions of the head: by the mesh's loops, the targets' reach, and outlines drawn through landmarks.

Skin regions may overlap where anatomy does (lips and nose are part of the face). Every region is symmetric.
"""

from __future__ import annotations

import numpy as np

from flame_tools.surface.outline import within
from flame_tools.types import Embedding
from tools.head.cut import NOSE_TIP, Assembly
from tools.head.lid_rings import trace_rings
from tools.head.lips import contact_ring
from tools.head.topology import enclosed, mouth_bag

VERMILION_RING = 455  # source vertex on the upper midline; the ring through it is the border of the lips
LID_LOOPS = 8  # of LidRings.skin, from the eyeball outwards: to the fold above, as far below
EAR_TARGETS = ("ear-wing-incr", "ear-flap-incr")  # what turns outwards with the ear
EAR_SHARE = 0.12  # of the largest movement: what moves less is the head beside the ear
# Outlines of the left half, in MediaPipe's landmarks; the right half is the mirror image.
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152)
NOSE = (168, 417, 465, 412, 343, 277, 371, 358, 423, 391, 326, 2)
BROW = (285, 295, 282, 283, 276, 300, 293, 334, 296, 336)
BROW_MARGIN = 0.4  # the brow's outline is grown by this share about its centre
# Below this plane (y < level - slope z, metres in the head's frame) skin outside the face is neck.
NECK_LEVEL, NECK_SLOPE = -0.075, 0.35
SCALP_FLOOR, SCALP_FRONT = 0.03, -0.05  # above, or behind this, skin that is nothing else is scalp


def build_regions(assembly: Assembly, template: np.ndarray, landmarks: dict[str, Embedding]) -> dict[str, np.ndarray]:
    """Vertex indices of each region, sorted; `template` [V, 3] is the mean head, `landmarks` holds "468"."""
    cut, source = assembly.cut, assembly.source
    skin = template[: len(cut.source)]
    embedding = landmarks["468"]
    points = np.einsum("lc,lcd->ld", embedding.barycentrics, skin[cut.faces[embedding.faces]])

    def mask(indices: np.ndarray) -> np.ndarray:
        found = np.zeros(len(skin), bool)
        found[indices] = True
        return found

    rings = trace_rings(source, cut)
    bag, behind_lids = mask(mouth_bag(cut)), mask(np.concatenate([rings.bag, rings.inner.ravel()]))
    behind_lids |= behind_lids[cut.mirror]
    outer = ~bag & ~behind_lids
    front = outer & (skin[:, 2] > -0.05)
    left_lids = mask(rings.skin[:LID_LOOPS].ravel())
    left_ear = _reach(assembly, EAR_TARGETS)
    ears = left_ear | left_ear[cut.mirror]
    vermilion = contact_ring(cut, VERMILION_RING)
    inside_lips = enclosed(cut.quads, len(skin), vermilion, int(cut.skin_index(np.array([NOSE_TIP]))[0]))
    brow = _grown(points[list(BROW)], BROW_MARGIN)
    left_brow = front & _inside(skin, brow)
    face = front & _inside(skin, _whole(points, OVAL)) & ~ears
    neck = outer & ~face & ~ears & (skin[:, 1] < NECK_LEVEL - NECK_SLOPE * skin[:, 2])
    rest = outer & ~face & ~ears & ~neck
    found = {
        "face": face,
        "lips": (mask(inside_lips) | mask(vermilion)) & ~bag,
        "nose": front & _inside(skin, _whole(points, NOSE)),
        "left_lids": left_lids,
        "right_lids": left_lids[cut.mirror],
        "brow": left_brow | left_brow[cut.mirror],
        "left_ear": left_ear,
        "right_ear": left_ear[cut.mirror],
        "ears": ears,
        "scalp": rest & ((skin[:, 1] > SCALP_FLOOR) | (skin[:, 2] < SCALP_FRONT)),
        "neck": neck,
        "mouth": bag,
    }
    regions = {name: np.flatnonzero(values) for name, values in found.items()}
    for part in assembly.parts:
        start = assembly.ranges[part.name].start
        if part.name not in part.regions:
            regions[part.name] = np.arange(start, start + len(part.vertices))
        for name, local in part.regions.items():
            placed = np.asarray(local) + start
            regions[name] = np.union1d(regions[name], placed) if name in regions else np.sort(placed)
    regions["eyes"] = np.union1d(regions["left_eyeball"], regions["right_eyeball"])
    if "teeth" not in regions:
        regions["teeth"] = np.union1d(regions["upper_teeth"], regions["lower_teeth"])
    return {name: regions[name].astype(np.int32) for name in sorted(regions)}


def _reach(assembly: Assembly, targets: tuple[str, ...]) -> np.ndarray:
    """Mask [Vs] of the skin that the left ear's targets move clearly."""
    cut, reached = assembly.cut, False
    for name in targets:
        moved = np.linalg.norm(assembly.source.target(f"ears/l-{name}")[cut.source], axis=1)
        reached = reached | (moved > EAR_SHARE * moved.max())
    nose = int(cut.skin_index(np.array([NOSE_TIP]))[0])
    reached[enclosed(cut.quads, len(cut.source), np.flatnonzero(reached), nose)] = True  # the concha hardly moves
    return reached


def _whole(points: np.ndarray, left: tuple[int, ...]) -> np.ndarray:
    """A closed outline [n, 3] from its left half, which starts and ends on the midline."""
    half = points[list(left)]
    return np.concatenate([half, half[-2:0:-1] * [-1.0, 1.0, 1.0]])


def _grown(outline: np.ndarray, share: float) -> np.ndarray:
    centre = outline.mean(0)
    return centre + (1.0 + share) * (outline - centre)


def _inside(skin: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Mask [Vs] of the skin inside an outline [n, 3], both unrolled from a cylinder round the head."""
    return within(_unrolled(skin), _unrolled(outline))


def _unrolled(points: np.ndarray) -> np.ndarray:
    """Angle about the vertical axis behind the face, and height [n, 2]."""
    return np.stack([np.arctan2(points[:, 0], points[:, 2] + 0.04) * 0.1, points[:, 1]], -1)
