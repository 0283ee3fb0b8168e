"""Official FLAME models: the published pickles, and npz files that hold the same arrays.

All versions from 2016 to 2023 Open share one layout (`f`, `v_template`, `shapedirs`, `posedirs`, `J_regressor`,
`kintree_table`, `weights`); identity and expression directions stand side by side in `shapedirs`. Parameters of one
version do not fit another, so each file becomes a head with an id of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from flame_tools.errors import FormatError
from flame_tools.pickles import read_pickle
from flame_tools.types import PARENTS, HeadArrays

LICENCE = "FLAME model licence of the file's publisher; see https://flame.is.tue.mpg.de"
IDENTITY_COMPONENTS = 300  # of the 400 that every published version has; the rest are expressions


def read_flame(path: str | os.PathLike, *, identity: int = IDENTITY_COMPONENTS) -> HeadArrays:
    """A published FLAME `.pkl`, or an `.npz` with the same keys, as HeadArrays named after the file.

    `identity` is how many of the directions are identity. FLAME has no lids, materials, UV or ARKit names of its own:
    those parts are empty. Raises FormatError where the file is no FLAME model.
    """
    path = Path(path)
    content = _content(path)
    wanted = ("f", "v_template", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights")
    missing = [key for key in wanted if key not in content]
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}; it is no FLAME model")
    arrays = {key: _numbers(content[key], key, path) for key in wanted}
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
    faces = arrays["f"].astype(np.int64)
    if faces.ndim != 2 or faces.shape[1] != 3 or not (faces.min() >= 0 and faces.max() < v):
        raise FormatError(f"{path}: f is {list(faces.shape)} and must be triangles of vertices below {v}")
    parents = tuple(arrays["kintree_table"].astype(np.int64)[0, 1:])
    if parents != PARENTS[1:]:
        raise FormatError(f"{path}: the joints hang as {parents}, wanted FLAME's {PARENTS[1:]}")
    identity = min(identity, k)
    expressions = k - identity
    return HeadArrays(
        v_template=arrays["v_template"],
        faces=faces.astype(np.int32),
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
        expression_names=tuple(f"expression_{i:03d}" for i in range(expressions)),
        expression_bounds=np.tile(np.float32([-3, 3]), (expressions, 1)),
        expression_sd=np.ones(expressions, np.float32),
        jaw_open_rad=0.0,
        jaw_side_rad=0.0,
        look_rad=np.zeros(4, np.float32),
        landmarks={},
        regions={},
        inner_lip_pairs=np.zeros((0, 2), np.int32),
        mirror=np.arange(v, dtype=np.int32),
        directions={},
        id=path.stem,
        licence=LICENCE,
        joints_follow_expression=True,
        provenance={"file": path.name},
    )


def _content(path: Path) -> dict:
    if path.suffix.lower() == ".npz":
        try:
            with np.load(path, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}
        except (ValueError, OSError, EOFError) as error:
            raise FormatError(f"{path} is not a readable npz of plain arrays ({error})") from error
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds a {type(content).__name__}, wanted the dict of a FLAME model")
    return content


def _numbers(value: object, key: str, path: Path) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise FormatError(f"{path}: {key} must be finite numbers, found {array.dtype}")
    return array
