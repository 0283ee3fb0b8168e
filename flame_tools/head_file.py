"""Heads in our own format: everything that HeadArrays holds in one npz."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError
from flame_tools.types import Embedding, HeadArrays

FORMAT, VERSION = "emberface.head", 1
MAX_BYTES = 1 << 30  # unpacked
_ARRAYS = (
    "v_template", "faces", "uv", "uv_faces", "face_material", "shapedirs", "expressiondirs", "posedirs",
    "J_regressor", "weights", "eyelid_vertices", "eyelid_dirs", "eyelid_shapedirs",
    "expression_bounds", "expression_sd", "look_rad", "inner_lip_pairs", "mirror",
)  # fmt: skip
_OPTIONAL = ("arkit_map", "people_mean")
_INTEGERS = {"faces", "uv_faces", "face_material", "eyelid_vertices", "inner_lip_pairs", "mirror"}
_SCALARS = ("jaw_open_rad", "jaw_side_rad", "id", "licence", "joints_follow_expression", "provenance")
_NAMES = ("materials", "shape_names", "expression_names")
_TYPES = {
    **dict.fromkeys(("jaw_open_rad", "jaw_side_rad"), int | float),
    **dict.fromkeys(("id", "licence"), str),
    **dict.fromkeys(_NAMES, list),
    "joints_follow_expression": bool,
    "provenance": dict,
}


def save_head(arrays: HeadArrays, path: str | os.PathLike) -> None:
    """Write a head; large bases may be float16 arrays and stay so in the file."""
    members = {name: getattr(arrays, name) for name in _ARRAYS}
    for name, embedding in arrays.landmarks.items():
        members[f"landmarks.{name}.faces"] = embedding.faces
        members[f"landmarks.{name}.barycentrics"] = embedding.barycentrics
        if len(embedding.index):
            members[f"landmarks.{name}.index"] = embedding.index
    if len(arrays.contour.faces):
        members |= {"contour.faces": arrays.contour.faces, "contour.barycentrics": arrays.contour.barycentrics}
    members |= {name: getattr(arrays, name) for name in _OPTIONAL if len(getattr(arrays, name))}
    members |= {f"regions.{name}": indices for name, indices in arrays.regions.items()}
    members |= {f"directions.{name}": direction for name, direction in arrays.directions.items()}
    header = {name: getattr(arrays, name) for name in _SCALARS} | {name: list(getattr(arrays, name)) for name in _NAMES}
    write_npz(path, members, {"format": FORMAT, "version": VERSION, **header})


def read_head(path: str | os.PathLike) -> HeadArrays:
    """Read and check a head. Raises FormatError where arrays are missing, misshapen, or not finite."""
    arrays, header = read_npz(path, FORMAT, VERSION, max_bytes=MAX_BYTES)
    missing = [name for name in _ARRAYS if name not in arrays] + [n for n in (*_SCALARS, *_NAMES) if n not in header]
    if missing:
        raise FormatError(f"{Path(path)} lacks {', '.join(missing)}; it is no complete head")
    for name, kind in _TYPES.items():
        if not isinstance(header[name], kind) or (kind is list and not all(isinstance(x, str) for x in header[name])):
            raise FormatError(f"{Path(path)}: {name} is {header[name]!r:.80}; it was damaged or made by hand")
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise FormatError(f"{Path(path)}: {name} has type {array.dtype}, wanted numbers")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise FormatError(f"{Path(path)}: {name} holds NaN or infinite values")
    fields = {name: arrays[name].astype(np.int32) if name in _INTEGERS else _real(arrays[name]) for name in _ARRAYS}
    if not fields["uv"].size:  # triangles of no UV, if the file has some, name nothing
        fields["uv_faces"] = np.zeros((0, 3), np.int32)
    head = HeadArrays(
        **fields,
        **{name: header[name] for name in _SCALARS},
        **{name: tuple(header[name]) for name in _NAMES},
        landmarks={
            name: Embedding(
                faces.astype(np.int32),
                _real(arrays.get(f"landmarks.{name}.barycentrics", np.zeros(0))),
                arrays.get(f"landmarks.{name}.index", np.zeros(0)).astype(np.int32),
            )
            for name, faces in _group(arrays, "landmarks.", ".faces").items()
        },
        regions={name: indices.astype(np.int32) for name, indices in _group(arrays, "regions.").items()},
        directions={name: _real(values) for name, values in _group(arrays, "directions.").items()},
    )
    if "contour.faces" in arrays:
        barycentrics = _real(arrays.get("contour.barycentrics", np.zeros(0)))
        contour = Embedding(arrays["contour.faces"].astype(np.int32), barycentrics)
        head = dataclasses.replace(head, contour=contour)
    head = dataclasses.replace(head, **{name: _real(arrays[name]) for name in _OPTIONAL if name in arrays})
    _check_shapes(head, Path(path))
    return head


def _real(array: np.ndarray) -> np.ndarray:
    """float64 as it is, anything else as float32."""
    return array if array.dtype == np.float64 else array.astype(np.float32)


def _group(arrays: dict[str, np.ndarray], prefix: str, suffix: str = "") -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix).removesuffix(suffix): array
        for name, array in arrays.items()
        if name.startswith(prefix) and name.endswith(suffix)
    }


def _check_shapes(head: HeadArrays, path: Path) -> None:
    v, s, e = len(head.v_template), len(head.shape_names), len(head.expression_names)
    f, n = len(head.faces), len(head.eyelid_vertices)
    wanted = {
        "v_template": (v, 3), "faces": (f, 3), "face_material": (f,),
        "uv": (len(head.uv), 2), "uv_faces": (f if len(head.uv) else 0, 3),
        "inner_lip_pairs": (len(head.inner_lip_pairs), 2), "eyelid_vertices": (n,),
        "shapedirs": (v, 3, s), "expressiondirs": (v, 3, e), "posedirs": (v, 3, 36),
        "J_regressor": (5, v), "weights": (v, 5), "eyelid_dirs": (n, 3, 4), "eyelid_shapedirs": (n, 3, 4, s),
        "expression_bounds": (e, 2), "expression_sd": (e,), "look_rad": (4,), "mirror": (v,),
    }  # fmt: skip
    for name, shape in wanted.items():
        if getattr(head, name).shape != shape:
            raise FormatError(f"{path}: {name} is {list(getattr(head, name).shape)}, wanted {list(shape)}")
    limits = {"faces": v, "uv_faces": len(head.uv), "eyelid_vertices": v, "inner_lip_pairs": v, "mirror": v}
    limits["face_material"] = len(head.materials)
    indices = {name: getattr(head, name) for name in limits} | {f"regions.{k}": a for k, a in head.regions.items()}
    for name, array in indices.items():
        limit = limits.get(name, v)
        if array.size and not (array.min() >= 0 and array.max() < limit):
            raise FormatError(f"{path}: {name} points outside [0, {limit})")
    if len(head.arkit_map) and head.arkit_map.shape != (52, e + 11):
        raise FormatError(f"{path}: arkit_map is {list(head.arkit_map.shape)}, wanted {[52, e + 11]}")
    if head.people_mean.shape not in ((0,), (s,)):
        raise FormatError(f"{path}: people_mean is {list(head.people_mean.shape)}, wanted {[s]}")
    if head.contour.faces.shape not in ((0, 17), (79, 17)):
        raise FormatError(f"{path}: contour is {list(head.contour.faces.shape)}, wanted [79, 17]")
    for name, embedding in {**head.landmarks, "contour": head.contour}.items():
        if embedding.barycentrics.shape != (*embedding.faces.shape, 3):
            raise FormatError(f"{path}: landmarks {name} have {list(embedding.barycentrics.shape)} barycentrics")
        if embedding.faces.size and not (embedding.faces.min() >= 0 and embedding.faces.max() < f):
            raise FormatError(f"{path}: landmarks {name} point outside [0, {f})")
