"""FLAME files are not redistributable: these tests write random ones in the published layout and size."""

import pickle

import numpy as np
import pytest
import torch
from scipy import sparse

from flame_tools import FaceParams, FormatError, load_head


def flame_content(vertices: int = 60) -> dict:
    rng = np.random.default_rng(0)
    regressor = rng.random((5, vertices))
    weights = rng.random((vertices, 5))
    return {
        "f": rng.integers(0, vertices, (90, 3)).astype(np.uint32),
        "v_template": rng.normal(size=(vertices, 3)) * 0.1,
        "shapedirs": rng.normal(size=(vertices, 3, 400)) * 1e-3,
        "posedirs": rng.normal(size=(vertices, 3, 36)) * 1e-3,
        "J_regressor": sparse.csc_matrix(regressor / regressor.sum(1, keepdims=True)),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
        "weights": weights / weights.sum(1, keepdims=True),
        "bs_style": "lbs",
    }


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        path = tmp_path / "generic_model.pkl"
        path.write_bytes(pickle.dumps({**flame_content(), **changes}, protocol=2))
        return path

    return write


def test_a_flame_pickle_becomes_a_head(write):
    head = load_head(write(), dtype=torch.float64)
    assert head.arrays.id.startswith("flame_")
    assert (head.shape_size, head.expression_size) == (300, 100)
    content = flame_content()
    params = FaceParams.neutral(head).replace(
        shape=torch.randn(300, dtype=torch.float64), expression=torch.randn(100, dtype=torch.float64)
    )
    wanted = content["v_template"] + content["shapedirs"] @ torch.cat([params.shape, params.expression]).numpy()
    posed = head(params)
    np.testing.assert_allclose(posed.vertices, wanted, atol=1e-12)
    # Official FLAME regresses its joints from the face with its expression.
    np.testing.assert_allclose(posed.joints, content["J_regressor"] @ wanted, atol=1e-12)


def test_the_same_arrays_from_an_npz(write, tmp_path):
    content = flame_content()
    np.savez(tmp_path / "flame.npz", **{**content, "J_regressor": content["J_regressor"].toarray()})
    one, other = load_head(write()), load_head(tmp_path / "flame.npz")
    torch.testing.assert_close(one.shape_basis, other.shape_basis)
    torch.testing.assert_close(one.joint_template, other.joint_template)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"posedirs": np.zeros((60, 3, 9))}, "posedirs is"),
        ({"weights": np.full((60, 5), np.nan)}, "weights must be finite"),
        ({"f": np.full((4, 3), 60)}, "f is"),
        ({"kintree_table": np.zeros((2, 5), np.uint32)}, "joints hang"),
    ],
)
def test_what_is_no_flame_model_is_refused(write, changes, message):
    with pytest.raises(FormatError, match=message):
        load_head(write(**changes))
