"""Named regions, materials and lip pairs of ICT-FaceKit's mesh, from its vertex groups and its 68 landmarks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flame_tools.characters.ict_files import THROAT, TONGUE
from flame_tools.surface.eyeball import sphere_centre
from flame_tools.surface.mesh_graph import along_edges, edge_matrix, enclosed, reach
from flame_tools.surface.outline import within

MATERIALS = ("skin", "lips", "sclera", "iris", "teeth", "gums", "tongue", "mouth")
LID_REACH_M = 0.011  # skin within this of the eyes' opening belongs to the lids
BROW_REACH_M = 0.006
BROWS = (slice(17, 22), slice(22, 27))
# From the landmarks 27, 29, 30, 31 and 31 to the outline of the nose's right side, from the bridge to the base.
NOSE_SIDE = [[-0.007, 0.0, 0.0], [-0.013, 0.0, 0.0], [-0.019, 0.0, 0.0], [-0.007, 0.004, 0.0], [-0.004, -0.002, 0.0]]
FOREHEAD_M = 0.042  # the face ends this far above the brows
NECK_LEVEL_M, NECK_SLOPE = -0.042, 0.35  # y < level - slope z outside the face is neck, metres in ICT's frame
SCALP_FLOOR_M, SCALP_FRONT_M = 0.065, 0.0  # above, or behind this, skin that is nothing else is scalp
# Landmarks along the lids' margins, from the nasal corner to the temporal one.
MARGINS = {
    "left_upper": (42, 43, 44, 45),
    "left_lower": (42, 47, 46, 45),
    "right_upper": (39, 38, 37, 36),
    "right_lower": (39, 40, 41, 36),
}
IRIS_M = 0.00525
IRIS_AXIS = (0.118, 0.008, 0.993)  # of the left eye; the irises of the original look a little outwards
EAR_X_M, EAR_Z_M, EAR_Y_M = 0.0735, (-0.035, 0.025), (-0.02, 0.047)

Groups = Mapping[str, np.ndarray]  # name -> vertex indices


def ict_regions(
    vertices: np.ndarray,  # [V, 3] metres
    faces: np.ndarray,
    mirror: np.ndarray,  # [V] the vertex across the midline
    groups: Groups,
    marks: np.ndarray,  # [68] landmark vertices
) -> dict[str, np.ndarray]:
    """Vertex indices of each region, the same on both sides."""
    points = vertices[marks]
    skin = np.zeros(len(vertices), bool)
    skin[groups["face"]] = skin[groups["head_neck"]] = True
    front = skin & (vertices[:, 2] > 0.02)
    brow_top = points[17:27, 1].max() + FOREHEAD_M
    temple = points[[16, 0]] * [1.0, 0.0, 1.0] + [0.0, brow_top - 0.02, 0.0]
    top = np.array([[0.03, brow_top, 0.10], [-0.03, brow_top, 0.10]])
    oval = np.concatenate([points[:17], temple[:1], top, temple[1:]])
    ears = skin & (np.abs(vertices[:, 0]) > EAR_X_M)
    for axis, (low, high) in ((2, EAR_Z_M), (1, EAR_Y_M)):
        ears &= (vertices[:, axis] > low) & (vertices[:, axis] < high)
    face = front & _inside(vertices, oval) & ~ears
    side = [points[[27, 29, 30, 31, 31]] + np.array(NOSE_SIDE), points[[33]]]
    nose = np.concatenate([*side, side[0][::-1] * [-1.0, 1.0, 1.0]])
    neck = skin & ~face & ~ears & (vertices[:, 1] < NECK_LEVEL_M - NECK_SLOPE * vertices[:, 2])
    brows = np.concatenate([along_edges(vertices, faces, marks[stops]) for stops in BROWS])
    border = along_edges(vertices, faces, marks[[*range(48, 60), 48]])
    lips = enclosed(edge_matrix(faces, len(vertices)), border, marks[[62, 66]])
    rest = skin & ~face & ~ears & ~neck
    masks = {
        "face": face,
        "lips": lips & skin,
        "nose": front & _inside(vertices, nose),
        "brow": front & (reach(vertices, faces, brows, BROW_REACH_M) < BROW_REACH_M),
        "ears": ears,
        "neck": neck,
        "scalp": rest & ((vertices[:, 1] > SCALP_FLOOR_M) | (vertices[:, 2] < SCALP_FRONT_M)),
    }
    regions = {name: np.flatnonzero(mask | mask[mirror]) for name, mask in masks.items()}
    rim = _border(faces, groups["face"], groups["eye_socket_left"], len(vertices))
    lids = np.intersect1d(np.flatnonzero(reach(vertices, faces, rim, LID_REACH_M) < LID_REACH_M), groups["face"])
    ear = np.flatnonzero(ears & (vertices[:, 0] > 0))
    regions |= {"left_lids": lids, "right_lids": mirror[lids], "left_ear": ear, "right_ear": mirror[ear]}
    for side in ("left", "right"):
        regions[f"{side}_eyeball"] = np.setdiff1d(groups[f"eyeball_{side}"], groups[f"iris_{side}"])
    tongue, throat = np.arange(*TONGUE), np.arange(*THROAT)
    regions |= {
        "mouth": np.concatenate([groups["mouth_socket"], throat]),
        "gums": np.setdiff1d(groups["gums_tongue"], np.concatenate([tongue, throat])),
        "tongue": tongue,
        "teeth": groups["teeth"],
        "upper_teeth": groups["teeth_upper"],
        "lower_teeth": groups["teeth_lower"],
        "eyes": np.union1d(regions["left_eyeball"], regions["right_eyeball"]),
    }
    regions = {name: np.sort(members) for name, members in regions.items()}
    for lid, stops in MARGINS.items():
        regions[f"{lid}_lid_margin"] = along_edges(vertices, faces, marks[list(stops)])
    return {name: regions[name].astype(np.int32) for name in sorted(regions)}


def ict_materials(vertices: np.ndarray, faces: np.ndarray, groups: Groups, regions: Groups) -> np.ndarray:
    """Index [F] into MATERIALS."""
    material = np.zeros(len(vertices), int)
    for name in ("mouth", "gums", "tongue", "teeth"):
        material[regions[name]] = MATERIALS.index(name)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        ball = groups[f"eyeball_{side}"]
        out = vertices[ball] - sphere_centre(vertices[regions[f"{side}_eyeball"]])
        axis = np.array(IRIS_AXIS) * [sign, 1.0, 1.0]
        aside = np.linalg.norm(np.cross(out, axis), axis=1)
        iris = (out @ axis > 0) & (aside <= IRIS_M)
        material[ball] = np.where(iris, MATERIALS.index("iris"), MATERIALS.index("sclera"))
    corners = material[faces]
    chosen = np.where((corners == corners[:, :1]).all(1), corners[:, 0], corners.max(1))
    sclera = MATERIALS.index("sclera")
    chosen[corners.min(1) == sclera] = sclera  # a triangle at the iris' rim
    lips = np.zeros(len(vertices), bool)
    lips[regions["lips"]] = True
    return np.where((chosen == 0) & lips[faces].all(1), MATERIALS.index("lips"), chosen).astype(np.int32)


def lip_pairs(vertices: np.ndarray, faces: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Facing vertices [P, 2] (upper, lower) of the inner lips from the right corner to the left, corners left out."""
    upper = along_edges(vertices, faces, marks[[60, 61, 62, 63, 64]])
    lower = along_edges(vertices, faces, marks[[60, 67, 66, 65, 64]])
    inside = np.abs(vertices[upper, 0]) < 0.95 * np.abs(vertices[marks[60], 0])
    upper = upper[inside]
    apart = np.abs(vertices[upper, None, 0] - vertices[None, lower, 0])
    return np.stack([upper, lower[apart.argmin(1)]], 1).astype(np.int32)


def _border(faces: np.ndarray, of: np.ndarray, beside: np.ndarray, count: int) -> np.ndarray:
    """Vertices of one group that share a triangle with the other."""
    a, b = np.zeros((2, count), bool)
    a[of], b[beside] = True, True
    mixed = faces[a[faces].any(1) & b[faces].any(1)]
    return np.unique(mixed[a[mixed]])


def _inside(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Mask [V] of the points inside an outline [n, 3], both unrolled from a cylinder round the head."""
    return within(_unrolled(points), _unrolled(outline))


def _unrolled(points: np.ndarray) -> np.ndarray:
    """Angle about the vertical axis behind the face, and height [n, 2]."""
    return np.stack([np.arctan2(points[:, 0], points[:, 2]) * 0.1, points[:, 1]], -1)
