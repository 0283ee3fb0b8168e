"""What FLAME's own files leave out and others bring: landmarks, the moving contour, regions, UV and eyelids.

Each published file is known by what it holds, not by its name:

- landmark_embedding.npy: 51 static, 79 x 17 contour and 68 full landmarks (DECA, SMIRK, EMOCA);
- flame_static_embedding.pkl and flame_dynamic_embedding.npy: the 51 and the contour (RingNet, FLAME_PyTorch, smplx);
- mediapipe_landmark_embedding.npz: 105 of MediaPipe's 468 points, with their numbers (EMOCA, SMIRK);
- FLAME_masks.pkl: vertices of regions;
- head_template.obj, and `vt` and `ft` in texture spaces: UV;
- l_eyelid.npy, r_eyelid.npy: how far each vertex goes when a lid shuts (metrical-tracker, SMIRK).
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from flame_tools.archive import member_names
from flame_tools.errors import FormatError
from flame_tools.files.data import read_data
from flame_tools.files.obj import Obj, read_obj
from flame_tools.types import Embedding, HeadArrays

_LID_M = 1e-6  # a vertex that goes less far is no part of a lid
_COUNTS = {51: 51, 53: 51, 68: 68, 70: 68, 105: 105}  # how many are kept: VHAP adds the two eyes at the end
_EMBEDDINGS = {  # keys of triangles and barycentrics
    "static_lmk_faces_idx": "static_lmk_bary_coords",
    "dynamic_lmk_faces_idx": "dynamic_lmk_bary_coords",
    "full_lmk_faces_idx": "full_lmk_bary_coords",
    "lmk_face_idx": "lmk_b_coords",
}
_ONLY = (*_EMBEDDINGS, *_EMBEDDINGS.values(), "landmark_indices", "vt", "ft")  # never the texture itself
_SAME_PLACE = {"ears": ("left_ear", "right_ear"), "eyes": ("left_eyeball", "right_eyeball")}


def add_part(head: HeadArrays, path: str | os.PathLike) -> HeadArrays:
    """`head` with what the file at `path` brings. Raises FormatError where it brings nothing, or nothing that fits."""
    path = Path(path)
    try:
        if path.suffix.lower() == ".obj":
            found = _with_uv(head, read_obj(path))
        else:
            found = _with_content(head, read_data(path, only=_ONLY if member_names(path) else None))
    except FormatError as error:
        message = str(error)
        raise FormatError(message if message.startswith(str(path)) else f"{path} {message}") from None
    files = [*head.provenance.get("files", ()), path.name]
    return dataclasses.replace(found, provenance={**head.provenance, "files": files})


def _with_content(head: HeadArrays, content: object) -> HeadArrays:
    if isinstance(content, np.ndarray):
        return _with_eyelid(head, content)
    if isinstance(content, dict):
        if any(key in content for key in _EMBEDDINGS):
            return _with_landmarks(head, content)
        if "vt" in content and "ft" in content:
            return _with_uv_rows(head, np.asarray(content["vt"]), np.asarray(content["ft"]))
        if content and all(_is_indices(value) for value in content.values()):
            return _with_regions(head, content)
    raise FormatError("holds no landmarks, regions, UV or eyelid; see docs/heads.md for what belongs to a head")


# --- landmarks --------------------------------------------------------------------------------------------------------


def _with_landmarks(head: HeadArrays, content: dict) -> HeadArrays:
    landmarks, contour = dict(head.landmarks), head.contour
    for key, beside in _EMBEDDINGS.items():
        if key not in content:
            continue
        faces, barycentrics = (_numbers(content.get(name), name) for name in (key, beside))
        if faces.ndim == 2 and len(faces) == 1:  # the full ones come as a batch of one
            faces, barycentrics = faces[0], barycentrics[0]
        if barycentrics.shape != (*faces.shape, 3):
            raise FormatError(f"has {list(faces.shape)} triangles in {key} and {list(barycentrics.shape)} barycentrics")
        if not _within(faces, len(head.faces)):
            raise FormatError(f"names triangles in {key} outside the head's {len(head.faces)}")
        if np.abs(barycentrics.sum(-1) - 1).max() > 1e-3:
            raise FormatError(f"has barycentrics in {beside} that do not sum to 1")
        if faces.shape == (79, 17):
            contour = Embedding(faces.astype(np.int32), barycentrics)
        elif faces.ndim == 1 and len(faces) in _COUNTS:
            index = _numbers(content.get("landmark_indices", np.zeros(0, int)), "landmark_indices").astype(np.int32)
            if len(index) not in (0, len(faces)) or not _within(index, 478):
                raise FormatError(f"has {len(index)} landmark_indices for {len(faces)} landmarks")
            kept = _COUNTS[len(faces)]
            landmarks[str(kept)] = Embedding(faces[:kept].astype(np.int32), barycentrics[:kept], index[:kept])
        else:
            raise FormatError(f"has landmarks {list(faces.shape)} in {key}; known are 51, 68, 105 and 79 x 17")
    return dataclasses.replace(head, landmarks=landmarks, contour=contour)


# --- regions ----------------------------------------------------------------------------------------------------------


def _with_regions(head: HeadArrays, content: dict) -> HeadArrays:
    count = len(head.v_template)
    regions = {}
    for name, indices in content.items():
        vertices = np.unique(np.asarray(indices).astype(np.int64))
        if not _within(vertices, count):
            raise FormatError(f"names vertices in {name!r} outside the head's {count}")
        regions[str(name)] = vertices.astype(np.int32)
    for name, parts in _SAME_PLACE.items():
        if all(part in regions for part in parts):
            regions.setdefault(name, np.unique(np.concatenate([regions[part] for part in parts])))
    return dataclasses.replace(head, regions={**head.regions, **regions})


def _is_indices(value: object) -> bool:
    array = np.asarray(value)
    whole = array.dtype.kind in "iu" or (
        array.dtype.kind == "f" and np.isfinite(array).all() and (array % 1 == 0).all()
    )
    return array.ndim == 1 and array.size > 0 and bool(whole)


# --- UV ---------------------------------------------------------------------------------------------------------------


def _with_uv(head: HeadArrays, mesh: Obj) -> HeadArrays:
    """Texture coordinates of a mesh with the same triangles, whatever their order and their first corner."""
    if not len(mesh.uv_faces):
        raise FormatError("has no texture coordinates")
    count = len(head.v_template)
    if len(mesh.vertices) != count:
        raise FormatError(f"has {len(mesh.vertices)} vertices, and the head {count}: another topology")
    order, names = zip(*(_sorted_corners(faces, count) for faces in (head.faces, mesh.faces)), strict=True)
    rows = np.argsort(names[1], kind="stable")
    found = rows[np.searchsorted(names[1][rows], names[0]).clip(0, len(rows) - 1)]
    if (names[1][found] != names[0]).any():
        raise FormatError("has other triangles than the head: another topology")
    corners = np.take_along_axis(mesh.uv_faces[found], order[1][found], 1)
    uv_faces = np.empty_like(corners)
    np.put_along_axis(uv_faces, order[0], corners, 1)
    return _replace_uv(head, mesh.uv, uv_faces)


def _sorted_corners(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """How to sort each triangle's corners, and one number for each triangle whatever their order."""
    order = np.argsort(faces, 1)
    a, b, c = np.take_along_axis(faces.astype(np.int64), order, 1).T
    return order, (a * count + b) * count + c


def _with_uv_rows(head: HeadArrays, uv: np.ndarray, uv_faces: np.ndarray) -> HeadArrays:
    """Texture coordinates whose rows follow the head's own triangles."""
    uv, uv_faces = _numbers(uv, "vt"), _numbers(uv_faces, "ft")
    if uv.ndim != 2 or uv.shape[1] < 2 or uv_faces.shape != head.faces.shape:
        raise FormatError(
            f"has vt {list(uv.shape)} and ft {list(uv_faces.shape)}, the head {len(head.faces)} triangles"
        )
    pairs = np.unique(np.stack([head.faces.ravel(), uv_faces.ravel().astype(np.int64)], 1), axis=0)
    if len(pairs) > 2 * len(np.unique(pairs[:, 1])):  # rows in another order tear every vertex into many
        raise FormatError("has texture coordinates in an order that is not the head's; give the template's OBJ instead")
    return _replace_uv(head, uv[:, :2], uv_faces.astype(np.int32))


def _replace_uv(head: HeadArrays, uv: np.ndarray, uv_faces: np.ndarray) -> HeadArrays:
    if not _within(uv_faces, len(uv)) or uv.min() < -0.01 or uv.max() > 1.01:
        raise FormatError(f"has texture coordinates from {uv.min():.3g} to {uv.max():.3g}, wanted [0, 1]")
    return dataclasses.replace(head, uv=uv.clip(0, 1), uv_faces=uv_faces.astype(np.int32))


# --- eyelids ----------------------------------------------------------------------------------------------------------


def _with_eyelid(head: HeadArrays, offsets: np.ndarray) -> HeadArrays:
    """Offsets [V, 3] (or [1, V, 3]) of one shut lid. Which one, is where they are: +x is the subject's left."""
    offsets = _numbers(offsets, "the array")
    if offsets.shape == (1, *head.v_template.shape):
        offsets = offsets[0]
    if offsets.shape != head.v_template.shape:
        raise FormatError(f"holds an array {list(offsets.shape)}; an eyelid is {list(head.v_template.shape)}")
    far = np.linalg.norm(offsets, axis=1)
    if not _LID_M < far.max() < 0.03:
        raise FormatError(f"moves a vertex by {far.max():.3g} m at most; a lid goes about 0.01 m")
    side = float(far @ head.v_template[:, 0] / far.sum())
    if abs(side) < 0.01:
        raise FormatError("moves both sides of the face; wanted one file for each lid")
    column = 0 if side > 0 else 1
    moved = np.union1d(head.eyelid_vertices, np.flatnonzero(far > _LID_M)).astype(np.int32)
    dirs = np.zeros((len(moved), 3, 4))
    dirs[np.searchsorted(moved, head.eyelid_vertices)] = head.eyelid_dirs
    dirs[:, :, column] = offsets[moved]
    dirs[:, :, column + 2] = 0  # straight: these files say nothing of the arc
    name = ("left_lids", "right_lids")[column]
    own = (far > 0.05 * far.max()) & (head.v_template[:, 0] * side > 0)
    return dataclasses.replace(
        head,
        eyelid_vertices=moved,
        eyelid_dirs=dirs,
        eyelid_shapedirs=np.zeros((len(moved), 3, 4, len(head.shape_names)), np.float32),
        regions={**head.regions, name: np.flatnonzero(own).astype(np.int32)},
    )


# --- checks -----------------------------------------------------------------------------------------------------------


def _numbers(value: object, name: str) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise FormatError(f"holds {name} of type {array.dtype}, wanted finite numbers")
    return array


def _within(indices: np.ndarray, count: int) -> bool:
    return bool(indices.size == 0 or (indices.min() >= 0 and indices.max() < count))
