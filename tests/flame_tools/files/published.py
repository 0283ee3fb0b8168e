"""Files as FLAME and its parts are published, filled with the default head: FLAME itself may not be given away."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from scipy import sparse

from assets import asset_path
from flame_tools import HeadArrays, read_head


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 wrote its strings; protocol 2."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        raw = value.encode("latin1") if isinstance(value, str) else value
        short = len(raw) < 256
        self.write(
            pickle.SHORT_BINSTRING + bytes([len(raw)]) if short else pickle.BINSTRING + struct.pack("<i", len(raw))
        )
        self.write(raw)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def python2_dumps(value: object) -> bytes:
    """`value` as Python 2.7 with its numpy and scipy pickled it."""
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    data = stream.getvalue()
    for new, old in ((b"numpy._core.", b"numpy.core."), (b"scipy.sparse._csc", b"scipy.sparse.csc")):
        data = data.replace(new, old)
    return data


@contextlib.contextmanager
def chumpy() -> Iterator[dict[str, type]]:
    """Modules named as chumpy's, so that pickle writes the same globals; yields the classes."""
    made = {}
    kept = dict(sys.modules)
    try:
        for module, names in {
            "chumpy": [], "chumpy.ch": ["Ch"], "chumpy.reordering": ["Select", "Reshape"], "chumpy.odd": ["Odd"],
        }.items():  # fmt: skip
            sys.modules[module] = types.ModuleType(module)
            for name in names:
                made[name] = type(name, (), {"__module__": module})
                setattr(sys.modules[module], name, made[name])
        yield made
    finally:
        for module in set(sys.modules) - set(kept):
            if module.startswith("chumpy"):
                del sys.modules[module]


def thing(kind: type, **state: object) -> object:
    """An object of one of chumpy's classes, with all that chumpy 0.70 keeps in one beside its value."""
    made = kind()
    about = {"_dirty_vars": {"x"}, "_itr": None, "_make_dense": False, "_make_sparse": False, "_depends_on_deps": {}}
    made.__dict__.update(about | state)
    return made


def skin_and_eyes() -> tuple[HeadArrays, np.ndarray, np.ndarray]:
    """The default head, and those of its vertices and triangles that FLAME has too."""
    head = read_head(asset_path("head"))
    wanted = [head.materials.index(name) for name in ("skin", "lips", "sclera", "iris", "pupil")]
    triangles = np.flatnonzero(np.isin(head.face_material, wanted))
    return head, np.unique(head.faces[triangles]), triangles


def flame_content(identity: int = 100, expression: int = 50, dtype: str = "f4") -> dict:
    """The dict of a FLAME model: the default head's skin and eyes, its components first among the directions."""
    head, vertices, triangles = skin_and_eyes()
    row = np.full(len(head.v_template), -1)
    row[vertices] = np.arange(len(vertices))
    shapedirs = np.zeros((len(vertices), 3, identity + expression), dtype)
    own = min(identity, len(head.shape_names))
    shapedirs[..., :own] = head.shapedirs[vertices][..., :own]
    own = min(expression, len(head.expression_names))
    shapedirs[..., identity : identity + own] = head.expressiondirs[vertices][..., :own]
    joints = head.J_regressor[:, vertices]
    return {
        "f": row[head.faces[triangles]].astype("u4"),
        "v_template": head.v_template[vertices].astype(dtype),
        "shapedirs": shapedirs,
        "posedirs": head.posedirs[vertices].astype(dtype),
        "J_regressor": sparse.csc_matrix((joints / joints.sum(1, keepdims=True)).astype("f8")),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], "u4"),
        "weights": (head.weights[vertices] / head.weights[vertices].sum(1, keepdims=True)).astype(dtype),
        "J": (head.J_regressor @ head.v_template).astype("f8"),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def write_model(path: Path, content: dict) -> Path:
    """A model as it is published: a Python 2 pickle, arrays behind chumpy."""
    with chumpy() as kinds:
        shapes = content["shapedirs"].shape
        wrapped = {
            "v_template": thing(kinds["Ch"], x=content["v_template"]),
            "posedirs": thing(kinds["Reshape"], a=content["posedirs"].ravel(), newshape=content["posedirs"].shape),
            "shapedirs": thing(
                kinds["Select"],
                a=thing(kinds["Ch"], x=content["shapedirs"]),
                idxs=np.arange(content["shapedirs"].size),
                preferred_shape=shapes,
            ),
        }
        path.write_bytes(python2_dumps({**content, **wrapped}))
    return path


def write_flame(folder: Path) -> Path:
    """A model and all its parts as they are unpacked, in a folder that is there."""
    content = flame_content()
    write_model(folder / "generic_model.pkl", content)
    write_parts(folder, content)
    return folder


def write_parts(folder: Path, content: dict) -> None:
    """Every file of parts, for the model in `content`, under its published name."""
    head, vertices, triangles = skin_and_eyes()
    place = np.full(len(head.faces), -1)
    place[triangles] = np.arange(len(triangles))
    row = np.full(len(head.v_template), -1)
    row[vertices] = np.arange(len(vertices))

    full = head.landmarks["68"]
    faces, weights = place[full.faces].astype(np.int64), full.barycentrics.astype(np.float64)
    dynamic = torch.as_tensor(np.tile(faces[:17], (79, 1))), torch.as_tensor(np.tile(weights[:17], (79, 1, 1)))
    embedding = {
        "static_lmk_faces_idx": faces[17:],
        "static_lmk_bary_coords": weights[17:],
        "dynamic_lmk_faces_idx": dynamic[0],
        "dynamic_lmk_bary_coords": dynamic[1],
        "full_lmk_faces_idx": faces[None],
        "full_lmk_bary_coords": weights[None],
    }
    np.save(folder / "landmark_embedding.npy", embedding, allow_pickle=True)
    static = {"lmk_face_idx": faces[17:].astype("u4"), "lmk_b_coords": weights[17:]}
    (folder / "flame_static_embedding.pkl").write_bytes(python2_dumps(static))
    contour = {"lmk_face_idx": dynamic[0].numpy(), "lmk_b_coords": dynamic[1].numpy()}
    np.save(folder / "flame_dynamic_embedding.npy", contour, allow_pickle=True)

    points = head.landmarks["468"]
    chosen = np.flatnonzero(place[points.faces] >= 0)[::4][:105]
    np.savez(
        folder / "mediapipe_landmark_embedding.npz",
        lmk_face_idx=place[points.faces[chosen]],
        lmk_b_coords=points.barycentrics[chosen],
        landmark_indices=chosen,
    )

    masks = {}
    for name in ("face", "scalp", "neck", "nose", "lips", "left_ear", "right_ear", "left_eyeball", "right_eyeball"):
        masks[name] = row[head.regions[name]]
    (folder / "FLAME_masks.pkl").write_bytes(python2_dumps({k: v[v >= 0].astype("i8") for k, v in masks.items()}))

    used, corner = np.unique(head.uv_faces[triangles], return_inverse=True)
    corner = corner.reshape(-1, 3)
    lines = ["# head"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in content["v_template"]]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in head.uv[used]]
    order = np.random.default_rng(0).permutation(len(triangles))  # the template lists its triangles in its own order
    for f, t in zip(content["f"][order], corner[order], strict=True):
        lines.append("f " + " ".join(f"{int(f[k]) + 1}/{t[k] + 1}" for k in (1, 2, 0)))
    (folder / "head_template.obj").write_text("\n".join(lines) + "\n")

    for column, name in enumerate(("l_eyelid.npy", "r_eyelid.npy")):
        lid = np.zeros((len(head.v_template), 3))
        lid[head.eyelid_vertices] = head.eyelid_dirs[..., column]
        np.save(folder / name, lid[vertices])
