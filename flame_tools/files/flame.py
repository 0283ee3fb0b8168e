"""Official FLAME models: the published pickles, and npz files that hold the same arrays.

All versions from 2016 to 2023 Open share one layout: `f`, `v_template`, `shapedirs`, `posedirs`, `J_regressor`,
`kintree_table`, `weights`; identity and expression directions stand side by side in `shapedirs`. The version without
jaw rotation keeps the jaw joint and lets expressions open the mouth. Parameters of one version do not fit another, so
each file becomes a head with an id of its own. What the models come without (landmarks, regions, UV, lids) is in files
of their own: flame_parts.py.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import numpy as np

from flame_tools.errors import FormatError
from flame_tools.files.data import read_data
from flame_tools.types import PARENTS, HeadArrays

KEYS = ("f", "v_template", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights")
_EXPRESSIONS = "supr_expression_metadata"  # of 2023 Open: which of the directions are expressions
LICENCE = "FLAME model licence, non-commercial scientific research (https://flame.is.tue.mpg.de/modellicense.html)"
OPEN_LICENCE = "CC-BY-4.0, FLAME 2023 Open (https://flame.is.tue.mpg.de)"

_IDENTITY_OF = {
    400: 300,
    150: 100,
    20: 10,
}  # how many of all directions are identity: published, and cut by smplx users
# file names that say nothing about which FLAME they are
_VAGUE = re.compile(r"(generic|female|male|neutral|flame|model|_|-)+", re.IGNORECASE)
_CC_BY = re.compile(r"CC[\s-]*BY[\s-]*4\.0|Creative\s+Commons\s+Attribution\s+4\.0", re.IGNORECASE)


def read_flame(
    path: str | os.PathLike,
    *,
    identity: int | None = None,  # how many of the directions are identity; None: as the published files have it
    licence: str | None = None,  # None: FLAME's, or Open's where a text beside the file says so
) -> HeadArrays:
    """A published FLAME `.pkl`, or an `.npz` with the same keys, as HeadArrays in the file's own precision.

    FLAME has no lids, materials, UV or ARKit names of its own: those parts are empty. Raises FormatError where the file
    is no FLAME model.
    """
    path = Path(path)
    content = read_data(path, only=(*KEYS, _EXPRESSIONS))
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds a {type(content).__name__}, wanted the dict of a FLAME model")
    arrays = _checked(content, path)
    v, k = arrays["shapedirs"].shape[0], arrays["shapedirs"].shape[-1]
    if identity is None:
        identity = _identity_of(content, k, path)
    if not 0 <= identity <= k:
        raise FormatError(f"{path} has {k} directions; {identity} of them cannot be identity")
    faces = arrays["f"].astype(np.int32)
    return HeadArrays(
        v_template=arrays["v_template"],
        faces=faces,
        uv=np.zeros((0, 2), np.float32),
        uv_faces=np.zeros((0, 3), np.int32),
        materials=("skin",),
        face_material=np.zeros(len(faces), np.int32),
        shapedirs=arrays["shapedirs"][..., :identity],
        expressiondirs=arrays["shapedirs"][..., identity:],
        posedirs=arrays["posedirs"],
        J_regressor=arrays["J_regressor"],
        weights=arrays["weights"],
        eyelid_vertices=np.zeros(0, np.int32),
        eyelid_dirs=np.zeros((0, 3, 4), np.float32),
        eyelid_shapedirs=np.zeros((0, 3, 4, identity), np.float32),
        shape_names=tuple(f"shape_{i:03d}" for i in range(identity)),
        expression_names=tuple(f"expression_{i:03d}" for i in range(k - identity)),
        expression_bounds=np.tile(np.float32([-3, 3]), (k - identity, 1)),
        expression_sd=np.ones(k - identity, np.float32),
        jaw_open_rad=0.0,
        jaw_side_rad=0.0,
        look_rad=np.zeros(4, np.float32),
        landmarks={},
        regions={},
        inner_lip_pairs=np.zeros((0, 2), np.int32),
        mirror=np.arange(v, dtype=np.int32),
        directions={},
        id=_id(path, arrays),
        licence=licence or licence_beside(path),
        joints_follow_expression=True,
        provenance={"files": [path.name], "jaw_turns": bool((arrays["weights"][:, 2] > 1e-3).any())},
    )


def _identity_of(content: dict, directions: int, path: Path) -> int:
    """How many directions are identity, as the file says (2023 Open) or as such files have it."""
    told = content.get(_EXPRESSIONS)
    count = (
        told.get("n_expr")
        if isinstance(told, dict) and told.get("expr_components") == f"last_{told.get('n_expr')}"
        else 0
    )
    if isinstance(count, int) and 0 < count < directions:
        return directions - count
    if directions not in _IDENTITY_OF:
        raise FormatError(f"{path} has {directions} directions, and FLAME 400; say how many are identity: --identity N")
    return _IDENTITY_OF[directions]


def licence_beside(path: Path) -> str:
    """FLAME's licence, unless the file is named as the open version and a text beside it says CC BY 4.0."""
    if "open" in path.stem.lower():
        for text in sorted(path.parent.glob("*")):
            told = text.is_file() and re.match(r"(readme|licen[cs]e)", text.name, re.IGNORECASE)
            if told and _CC_BY.search(text.read_bytes()[: 1 << 16].decode("latin1")):
                return OPEN_LICENCE
    return LICENCE


def _id(path: Path, arrays: dict[str, np.ndarray]) -> str:
    """The file's name, or flame_ and eight digits of the content's hash where the name says nothing."""
    if not _VAGUE.fullmatch(path.stem):
        return path.stem
    content = hashlib.sha256()
    for key in ("v_template", "shapedirs"):
        content.update(np.ascontiguousarray(arrays[key], "<f4").tobytes())
    return f"flame_{content.hexdigest()[:8]}"


def _checked(content: dict, path: Path) -> dict[str, np.ndarray]:
    """The model's arrays, in numbers that fit together."""
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}; it is no FLAME model")
    arrays = {key: _numbers(content[key], key, path) for key in KEYS}
    v, k = len(arrays["v_template"]), arrays["shapedirs"].shape[-1]
    shapes = {
        "v_template": (v, 3),
        "shapedirs": (v, 3, k),
        "posedirs": (v, 3, 36),
        "J_regressor": (5, v),
        "weights": (v, 5),
    }
    for key, shape in shapes.items():
        if arrays[key].shape != shape:
            raise FormatError(f"{path}: {key} is {list(arrays[key].shape)}, wanted {list(shape)}")
        if arrays[key].dtype.kind != "f":
            raise FormatError(f"{path}: {key} has type {arrays[key].dtype}, wanted floating point")
    rows = arrays["weights"].sum(1)
    if np.abs(rows - 1).max() > 1e-2:
        raise FormatError(f"{path}: rows of weights sum to {rows.min():.3g} ... {rows.max():.3g}, wanted 1")
    faces = arrays["f"].astype(np.int64)
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces) or not (faces.min() >= 0 and faces.max() < v):
        raise FormatError(f"{path}: f is {list(faces.shape)} and must be triangles of vertices below {v}")
    tree = arrays["kintree_table"].astype(np.int64)
    if tree.shape != (2, 5) or tuple(tree[0, 1:]) != PARENTS[1:]:
        raise FormatError(f"{path}: the joints hang as {tree.tolist()}, wanted FLAME's {PARENTS[1:]} under the root")
    return arrays


def _numbers(value: object, key: str, path: Path) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise FormatError(f"{path}: {key} must be finite numbers, found {array.dtype}")
    wrong = array.size - int(np.isfinite(array).sum())
    if wrong:
        raise FormatError(f"{path}: {key} must be finite numbers; {wrong} of {array.size} are not")
    return array.astype(np.float32) if array.dtype == np.float16 else array
