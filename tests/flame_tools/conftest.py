"""A small random head that exercises every term of the model."""

import dataclasses

import numpy as np
import pytest

from flame_tools import Embedding, HeadArrays
from flame_tools.arkit import ARKIT_NAMES, EXPRESSION_OWNED
from flame_tools.characters.owners import Rigging, arkit_map


def random_arrays(seed: int = 0, *, vertices: int = 40, shapes: int = 6) -> HeadArrays:
    rng = np.random.default_rng(seed)
    v, s, e, n = vertices, shapes, len(EXPRESSION_OWNED), 9
    regressor, weights = rng.random((5, v)), rng.random((v, 5))
    faces = np.stack([rng.permutation(v)[:3] for _ in range(50)])
    return HeadArrays(
        v_template=rng.normal(size=(v, 3)) * 0.1,
        faces=faces.astype(np.int32),
        uv=rng.random((v, 2)),
        uv_faces=faces.astype(np.int32),
        materials=("skin",),
        face_material=np.zeros(len(faces), np.int32),
        shapedirs=rng.normal(size=(v, 3, s)) * 0.01,
        expressiondirs=rng.normal(size=(v, 3, e)) * 0.01,
        posedirs=rng.normal(size=(v, 3, 36)) * 0.01,
        J_regressor=regressor / regressor.sum(1, keepdims=True),
        weights=weights / weights.sum(1, keepdims=True),
        eyelid_vertices=rng.permutation(v)[:n].astype(np.int32),
        eyelid_dirs=rng.normal(size=(n, 3, 4)) * 0.01,
        eyelid_shapedirs=rng.normal(size=(n, 3, 4, s)) * 0.001,
        shape_names=tuple(f"shape{i}" for i in range(s)),
        expression_names=EXPRESSION_OWNED,
        expression_bounds=np.tile([0.0, 1.0], (e, 1)),
        expression_sd=np.full(e, 0.3),
        jaw_open_rad=0.4,
        jaw_side_rad=0.1,
        look_rad=np.array([0.4, 0.5, 0.6, 0.7]),
        landmarks={"68": Embedding(rng.integers(0, 50, 68).astype(np.int32), np.tile([0.2, 0.3, 0.5], (68, 1)))},
        regions={"face": np.arange(10, dtype=np.int32)},
        inner_lip_pairs=np.array([[0, 1], [2, 3]], np.int32),
        mirror=np.arange(v, dtype=np.int32),
        directions={"age": rng.normal(size=s)},
        id="random",
        licence="CC0-1.0",
    )


def as_character(arrays: HeadArrays, *lacking: str) -> HeadArrays:
    """The head as a character's file gives it: without components of the names `lacking`, and with a map."""
    names = tuple(f"own_{name}" if name in lacking else name for name in arrays.expression_names)
    rigging = Rigging(np.zeros((5, 3)), arrays.weights, arrays.jaw_open_rad, arrays.jaw_side_rad, arrays.look_rad)
    return dataclasses.replace(arrays, expression_names=names, arkit_map=arkit_map(names, ARKIT_NAMES, rigging))


@pytest.fixture(scope="session")
def arrays() -> HeadArrays:
    return random_arrays()
