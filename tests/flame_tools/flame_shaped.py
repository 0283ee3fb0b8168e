"""Random numbers in the shape of a FLAME model, as our HeadArrays and as the files that smplx reads."""

import dataclasses
import pickle
from pathlib import Path

import numpy as np

from flame_tools import Embedding, HeadArrays


def flame_shaped(
    seed: int = 0,
    *,
    vertices: int = 5023,
    faces: int = 9976,
    shapes: int = 300,
    expressions: int = 100,
    eyelids: bool = False,  # SMIRK's: two shapes over every vertex, straight
) -> HeadArrays:
    rng = np.random.default_rng(seed)
    v, e = vertices, expressions
    regressor, weights = rng.random((5, v)) ** 8, rng.random((v, 5)) ** 4
    triangles = rng.integers(0, v, (faces, 3)).astype(np.int32)
    lids = np.concatenate([rng.normal(size=(v, 3, 2)) * 0.003, np.zeros((v, 3, 2))], -1) if eyelids else None

    def embedding(*shape: int) -> Embedding:
        corners = rng.random((*shape, 3))
        return Embedding(rng.integers(0, faces, shape), corners / corners.sum(-1, keepdims=True))

    arrays = HeadArrays(
        v_template=rng.normal(size=(v, 3)) * 0.1,
        faces=triangles,
        uv=np.zeros((0, 2)),
        uv_faces=np.zeros((0, 3), np.int32),
        materials=("skin",),
        face_material=np.zeros(faces, np.int32),
        shapedirs=rng.normal(size=(v, 3, shapes)) * 0.001,
        expressiondirs=rng.normal(size=(v, 3, e)) * 0.001,
        posedirs=rng.normal(size=(v, 3, 36)) * 0.003,
        J_regressor=regressor / regressor.sum(1, keepdims=True),
        weights=weights / weights.sum(1, keepdims=True),
        eyelid_vertices=np.arange(v if eyelids else 0, dtype=np.int32),
        eyelid_dirs=np.zeros((0, 3, 4)) if lids is None else lids,
        eyelid_shapedirs=np.zeros((v if eyelids else 0, 3, 4, shapes)),
        shape_names=tuple(f"shape_{i}" for i in range(shapes)),
        expression_names=tuple(f"expression_{i}" for i in range(e)),
        expression_bounds=np.tile([-3.0, 3.0], (e, 1)),
        expression_sd=np.ones(e),
        jaw_open_rad=0.4,
        jaw_side_rad=0.1,
        look_rad=np.full(4, 0.5),
        landmarks={"51": embedding(51), "68": embedding(68)},
        regions={},
        inner_lip_pairs=np.zeros((0, 2), np.int32),
        mirror=np.arange(v, dtype=np.int32),
        directions={},
        contour=embedding(79, 17),
        id="flame_shaped",
        licence="CC0-1.0",
        joints_follow_expression=True,
    )
    # smplx rounds what it reads to float32, even for a model in float64; numbers that are float32 lose nothing there
    parts = ("v_template", "shapedirs", "expressiondirs", "posedirs", "J_regressor", "weights")
    rounded = {name: getattr(arrays, name).astype(np.float32).astype(np.float64) for name in parts}
    return dataclasses.replace(arrays, **rounded)


def flame_dict(head: HeadArrays) -> dict[str, np.ndarray]:
    """The arrays under the names that FLAME's own files have."""
    return {
        "f": head.faces.astype(np.uint32),
        "v_template": head.v_template,
        "shapedirs": np.concatenate([head.shapedirs, head.expressiondirs], -1),
        "posedirs": head.posedirs,
        "J_regressor": head.J_regressor,
        "weights": head.weights,
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
    }


def write_for_smplx(folder: Path, head: HeadArrays) -> None:
    """FLAME_NEUTRAL.npz and the two landmark files that smplx.FLAME opens in a folder."""
    np.savez(folder / "FLAME_NEUTRAL.npz", **flame_dict(head))
    static, moving = (
        {"lmk_face_idx": e.faces, "lmk_b_coords": e.barycentrics} for e in (head.landmarks["51"], head.contour)
    )
    (folder / "flame_static_embedding.pkl").write_bytes(pickle.dumps(static))
    np.save(folder / "flame_dynamic_embedding.npy", moving, allow_pickle=True)
