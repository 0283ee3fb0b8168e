"""What the triangles and vertices of any character are, from its names and from what its shapes move."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from flame_tools.characters.parts import Face
from flame_tools.surface.eyeball import sphere_centre
from flame_tools.surface.mesh_graph import edge_matrix, pieces

MATERIALS = ("skin", "lips", "sclera", "iris", "pupil", "teeth", "gums", "tongue", "mouth", "hair", "other")
# The first that a name contains, looked for in the material's name and then in the mesh's.
_WORDS = (
    (r"lash|brow|hair|beard|scalp", "hair"),
    (r"tongue", "tongue"),
    (r"teeth|tooth|dent", "teeth"),
    (r"gum", "gums"),
    (r"pupil", "pupil"),
    (r"iris", "iris"),
    (r"eye|sclera|cornea", "sclera"),
    (r"mouth|oral", "mouth"),
    (r"lips?\b", "lips"),
    (r"skin|head|face|body", "skin"),
    (r"cloth|shirt|glass|hat|outfit|shoe", "other"),
)
IRIS = 0.49  # radius of an iris as a share of the eyeball's
MOVED = 0.02  # what some shape moves by this share of the largest motion is face
LID_MOVED = 0.15  # the same for lids and eyeBlink
LIPS_APART_M = 0.004  # inner lips that touch at rest lie within this
STAYS, FOLLOWS = (
    0.2,
    0.4,
)  # of the largest drop in jawOpen: the upper lip stays below the one, the lower beyond the other
COLUMN_M = 0.0015  # of lip pairs nearer to each other than this across, the closest is taken


def face_materials(face: Face, eyeballs: tuple[np.ndarray, np.ndarray]) -> tuple[tuple[str, ...], np.ndarray]:
    """Those of MATERIALS that the face has, and the index [F] into them."""
    chosen = np.array([MATERIALS.index(_material(name)) for name in face.materials] or [0])
    material = chosen[face.face_material]
    ball = np.zeros(len(face.vertices), bool)
    for members in eyeballs:
        ball[members] = True
    eye, iris = MATERIALS.index("sclera"), MATERIALS.index("iris")
    material[(material == eye) & ~ball[face.faces].all(1)] = MATERIALS.index("skin")
    if not (material == iris).any():
        material[ball[face.faces].all(1)] = eye
        for members in eyeballs:
            if len(members):
                material[_iris(face, members)] = iris
    used, index = np.unique(material, return_inverse=True)
    return tuple(MATERIALS[i] for i in used), index.reshape(-1).astype(np.int32)


def _material(name: str) -> str:
    mesh, _, own = name.rpartition(" ")
    for text in (own, mesh):
        for pattern, material in _WORDS:
            if re.search(pattern, text.lower()):
                return material
    return "skin"


def _iris(face: Face, ball: np.ndarray) -> np.ndarray:
    """Triangles of an eyeball round its front."""
    out = face.vertices - sphere_centre(face.vertices[ball])
    radius = np.median(np.linalg.norm(out[ball], axis=1))
    inside = np.zeros(len(out), bool)
    inside[ball] = (np.linalg.norm(out[ball, :2], axis=1) < IRIS * radius) & (out[ball, 2] > 0)
    return np.flatnonzero(inside[face.faces].all(1))


def face_regions(shapes: Mapping[str, np.ndarray], eyeballs: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """face, lids and eyeballs as vertex indices; a region that the shapes do not show is left out."""
    largest = np.max([np.linalg.norm(offsets, axis=1) for offsets in shapes.values()], axis=0)
    balls = np.concatenate(eyeballs)
    regions = {"face": np.setdiff1d(np.flatnonzero(largest > MOVED * largest.max()), balls)}
    for side, ball in zip(("left", "right"), eyeballs, strict=True):
        if len(ball):
            regions[f"{side}_eyeball"] = ball
        if f"eyeBlink{side.title()}" in shapes:
            moved = np.linalg.norm(shapes[f"eyeBlink{side.title()}"], axis=1)
            regions[f"{side}_lids"] = np.setdiff1d(np.flatnonzero(moved > LID_MOVED * moved.max()), balls)
    if len(balls):
        regions["eyes"] = np.sort(balls)
    return {name: regions[name].astype(np.int32) for name in sorted(regions)}


def lip_pairs(vertices: np.ndarray, faces: np.ndarray, shapes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Facing vertices [P, 2] (upper, lower) of the inner lips, from the right corner to the left one.

    Lips are what touches at rest and parts in jawOpen: vertices that are each other's nearest, the closest in each
    column. Empty where nothing does.
    """
    from scipy.spatial import cKDTree

    none = np.zeros((0, 2), np.int32)
    opened = shapes.get("jawOpen")
    if opened is None or not np.abs(opened[:, 1]).max() > 0:
        return none
    skin = _skin(vertices, faces, shapes)
    drop = -opened[:, 1] / np.abs(opened[:, 1]).max()
    upper, lower = np.flatnonzero(skin & (drop < STAYS)), np.flatnonzero(skin & (drop > FOLLOWS))
    if not len(upper) or not len(lower):
        return none
    distance, below = cKDTree(vertices[lower]).query(vertices[upper])
    above = cKDTree(vertices[upper]).query(vertices[lower])[1]
    facing = (above[below] == np.arange(len(upper))) & (distance < LIPS_APART_M)
    pairs = np.stack([upper[facing], lower[below[facing]]], 1)
    if len(pairs) < 3:
        return none
    x = vertices[pairs, 0].mean(1)
    kept: list[int] = []
    for i in np.argsort(distance[facing], kind="stable"):
        if all(abs(x[i] - x[k]) > COLUMN_M for k in kept):
            kept.append(int(i))
    return pairs[sorted(kept, key=lambda i: x[i])].astype(np.int32)


def _skin(vertices: np.ndarray, faces: np.ndarray, shapes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mask [V] of the pieces of the mesh that blink or smile; teeth, tongue and eyes are pieces apart."""
    labels = pieces(edge_matrix(faces, len(vertices)))
    mask = np.zeros(len(vertices), bool)
    for name in ("eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthSmileRight"):
        if name in shapes:
            moved = np.linalg.norm(shapes[name], axis=1)
            mask |= labels == labels[moved.argmax()]
    return mask
