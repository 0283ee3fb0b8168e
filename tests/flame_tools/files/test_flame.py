"""FLAME files are not redistributable: these tests write random ones, and the default head, in the published layout."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from scipy import sparse

from flame_tools import Embedding, FaceParams, FormatError, HeadArrays, load_head, save_head
from flame_tools.files.flame import LICENCE, OPEN_LICENCE, read_flame
from flame_tools.load import head_arrays, read_files
from tests.flame_tools.files.published import chumpy, python2_dumps, thing
from tests.flame_tools.flame_shaped import flame_shaped, write_for_smplx

VERTICES = 60


def random_content(directions: int = 400) -> dict:
    rng = np.random.default_rng(0)
    regressor = rng.random((5, VERTICES))
    weights = rng.random((VERTICES, 5))
    return {
        "f": rng.integers(0, VERTICES, (90, 3)).astype(np.uint32),
        "v_template": rng.normal(size=(VERTICES, 3)) * 0.1,
        "shapedirs": rng.normal(size=(VERTICES, 3, directions)) * 1e-3,
        "posedirs": rng.normal(size=(VERTICES, 3, 36)) * 1e-3,
        "J_regressor": sparse.csc_matrix(regressor / regressor.sum(1, keepdims=True)),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
        "weights": weights / weights.sum(1, keepdims=True),
        "bs_style": "lbs",
    }


CONTENT = random_content()


@pytest.fixture
def write(tmp_path):
    def write(name="generic_model.pkl", **changes):
        path = tmp_path / name
        path.write_bytes(pickle.dumps({**CONTENT, **changes}, protocol=2))
        return path

    return write


def test_a_flame_pickle_becomes_a_head(write):
    head = load_head(write(), dtype=torch.float64)
    assert (head.shape_size, head.expression_size) == (300, 100)
    params = FaceParams.neutral(head).replace(
        shape=torch.randn(300, dtype=torch.float64), expression=torch.randn(100, dtype=torch.float64)
    )
    wanted = CONTENT["v_template"] + CONTENT["shapedirs"] @ torch.cat([params.shape, params.expression]).numpy()
    posed = head(params)
    np.testing.assert_allclose(posed.vertices, wanted, atol=1e-12)
    # Official FLAME regresses its joints from the face with its expression.
    np.testing.assert_allclose(posed.joints, CONTENT["J_regressor"] @ wanted, atol=1e-12)


def as_published(kinds: dict) -> dict:
    """The model with its arrays behind chumpy: plain, selected and reshaped."""
    directions = CONTENT["shapedirs"]
    return {
        **CONTENT,
        "v_template": thing(kinds["Ch"], x=CONTENT["v_template"]),
        "posedirs": thing(kinds["Reshape"], a=CONTENT["posedirs"].ravel(), newshape=(VERTICES, 3, 36)),
        "shapedirs": thing(
            kinds["Select"],
            a=thing(kinds["Ch"], x=directions),
            idxs=np.arange(directions.size),
            preferred_shape=directions.shape,
        ),
    }


@pytest.mark.parametrize("writer", ["python 2", *range(6)])
def test_every_way_of_writing_gives_the_same_head(tmp_path, writer):
    path = tmp_path / "flame2023.pkl"
    with chumpy() as kinds:
        content = as_published(kinds)
        data = python2_dumps(content) if writer == "python 2" else pickle.dumps(content, protocol=writer)
    path.write_bytes(data)
    head = read_flame(path)
    np.testing.assert_array_equal(head.v_template, CONTENT["v_template"])
    np.testing.assert_array_equal(np.concatenate([head.shapedirs, head.expressiondirs], 2), CONTENT["shapedirs"])
    np.testing.assert_array_equal(head.posedirs, CONTENT["posedirs"])
    np.testing.assert_array_equal(head.J_regressor, CONTENT["J_regressor"].toarray())
    np.testing.assert_array_equal(head.faces, CONTENT["f"])
    assert head.id == "flame2023"


@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dense", [True, False])
def test_npz_files_of_the_same_arrays(write, tmp_path, pack, dense):
    """Dense, or as numpy saves a published dict: the sparse regressor pickled into it."""
    regressor = CONTENT["J_regressor"].toarray() if dense else CONTENT["J_regressor"]
    pack(tmp_path / "flame.npz", **{**CONTENT, "J_regressor": regressor, "other": np.zeros(3)})
    one, other = load_head(write()), load_head(tmp_path / "flame.npz")
    torch.testing.assert_close(one.shape_basis, other.shape_basis)
    torch.testing.assert_close(one.joint_template, other.joint_template)


def test_the_folder_that_smplx_opens_gives_the_same_numbers(tmp_path):
    """tests/flame_tools/test_exactness.py holds what is made of these arrays against smplx itself."""
    arrays = flame_shaped(vertices=200, faces=300)
    write_for_smplx(tmp_path, arrays)
    head = read_files([tmp_path])
    for name in ("v_template", "faces", "shapedirs", "expressiondirs", "posedirs", "J_regressor", "weights"):
        np.testing.assert_array_equal(getattr(head, name), getattr(arrays, name), err_msg=name)
    for found, wanted in ((head.landmarks["51"], arrays.landmarks["51"]), (head.contour, arrays.contour)):
        np.testing.assert_array_equal(found.faces, wanted.faces)
        np.testing.assert_array_equal(found.barycentrics, wanted.barycentrics)
    save_head(head, tmp_path / "again.npz")
    assert_same(head_arrays(tmp_path / "again.npz"), head)


def assert_same(one: HeadArrays, other: HeadArrays) -> None:
    for field in dataclasses.fields(HeadArrays):
        wanted, found = getattr(other, field.name), getattr(one, field.name)
        if isinstance(wanted, Embedding):
            found, wanted = vars(found), vars(wanted)
        elif field.name == "landmarks":
            found, wanted = ({k: vars(v) for k, v in marks.items()} for marks in (found, wanted))
        np.testing.assert_equal(found, wanted, err_msg=field.name)


def test_the_version_without_jaw_rotation(write):
    weights = CONTENT["weights"].copy()
    weights[:, 1] += weights[:, 2]
    weights[:, 2] = 0
    path = write("flame2023_no_jaw.pkl", weights=weights)
    assert read_flame(path).provenance["jaw_turns"] is False
    assert read_flame(path).id == "flame2023_no_jaw"
    assert read_flame(write("flame2023.pkl")).provenance["jaw_turns"] is True
    head = load_head(path)
    still, open_ = FaceParams.neutral(head), FaceParams.neutral(head).replace(jaw=torch.tensor([0.4, 0, 0]))
    # What a published jaw turn adds is pose correctives alone.
    moved = (head.vertices(open_) - head.vertices(still)).numpy()
    turn = torch.linalg.matrix_exp(torch.tensor([[0, 0, 0], [0, 0, -0.4], [0, 0.4, 0]])) - torch.eye(3)
    np.testing.assert_allclose(moved, CONTENT["posedirs"][..., 9:18] @ turn.ravel().numpy(), atol=1e-6)


@pytest.mark.parametrize(("directions", "identity"), [(400, 300), (150, 100), (20, 10)])
def test_published_and_cut_numbers_of_directions(write, directions, identity):
    head = read_flame(write(shapedirs=random_content(directions)["shapedirs"]))
    assert (len(head.shape_names), len(head.expression_names)) == (identity, directions - identity)


def test_2023_open_says_which_directions_are_expressions(write):
    told = {"expr_source": np.str_("SUPR"), "expr_components": "last_30", "n_expr": 30, "supr_gender": np.array(["f"])}
    changes = {"shapedirs": random_content(100)["shapedirs"], "supr_expression_metadata": told}
    head = read_flame(write("flame2023_Open.pkl", **changes))
    assert (len(head.shape_names), len(head.expression_names)) == (70, 30)
    for odd in (
        {"n_expr": 30},
        {"expr_components": "last_101", "n_expr": 101},
        {"expr_components": "first_30", "n_expr": 30},
    ):
        with pytest.raises(FormatError, match="--identity N"):
            read_flame(write("flame2023_Open.pkl", **changes | {"supr_expression_metadata": odd}))


def test_what_a_model_has_beside_its_arrays_may_be_anything_that_can_be_parsed(write):
    odd = {"note": [None, {"deep": ("x", 1.5)}], "when": np.zeros(2, [("a", "f4")])}
    assert len(read_flame(write(other=odd, vert_sym_idxs=np.array([1, None], object))).shape_names) == 300


def test_other_numbers_of_directions_are_asked_for(write):
    path = write(shapedirs=random_content(100)["shapedirs"])
    with pytest.raises(FormatError, match=r"100 directions.*--identity N"):
        read_flame(path)
    assert len(read_flame(path, identity=60).expression_names) == 40
    with pytest.raises(FormatError, match="101 of them"):
        read_flame(path, identity=101)


def test_names_that_say_nothing_give_way_to_the_content(write):
    ids = {read_flame(write(name)).id for name in ("generic_model.pkl", "FLAME_NEUTRAL.pkl", "female_model.pkl")}
    other = read_flame(write(v_template=CONTENT["v_template"] + 0.01)).id
    assert len(ids) == 1 and other not in ids and all(name.startswith("flame_") for name in (*ids, other))
    assert read_flame(write("flame2020_mine.pkl")).id == "flame2020_mine"


def test_the_licence_is_flames_unless_a_text_beside_the_open_model_says_cc_by(write, tmp_path):
    open_model = write("flame2023_Open.pkl")
    assert read_flame(open_model).licence == LICENCE
    (tmp_path / "readme.txt").write_text("FLAME 2023 Open is released under the CC BY 4.0 licence.")
    assert read_flame(open_model).licence == OPEN_LICENCE
    assert read_flame(write("generic_model.pkl")).licence == LICENCE
    assert read_flame(open_model, licence="bought").licence == "bought"
    (tmp_path / "readme.txt").write_text("Not CC BY-NC 4.0 either.")
    assert read_flame(open_model).licence == LICENCE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"posedirs": np.zeros((VERTICES, 3, 9))}, "posedirs is"),
        ({"posedirs": np.zeros((VERTICES, 3, 36), int)}, "posedirs has type int64"),
        ({"weights": np.full((VERTICES, 5), np.nan)}, "weights must be finite"),
        ({"weights": np.ones((VERTICES, 5))}, "rows of weights sum"),
        ({"weights": "text"}, "weights must be finite numbers, found <U4"),
        ({"f": np.full((4, 3), VERTICES)}, "f is"),
        ({"f": np.full((4, 3), -1)}, "f is"),
        ({"f": np.zeros((0, 3), int)}, "f is"),
        ({"kintree_table": np.zeros((2, 5), np.uint32)}, "joints hang"),
        ({"kintree_table": np.zeros(5, np.uint32)}, "joints hang"),
        ({"shapedirs": np.zeros((VERTICES, 3, 400), complex)}, "shapedirs must be finite"),
    ],
)
def test_what_is_no_flame_model_is_refused(write, changes, message):
    with pytest.raises(FormatError, match=message):
        load_head(write(**changes))


def test_pickles_of_something_else(tmp_path):
    for content, message in [
        ([1, 2], "holds a list"),
        ({"a": 1}, "lacks f, v_template"),
        ("v_template", "holds a str"),
    ]:
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(FormatError, match=message):
            load_head(tmp_path / "a.pkl")
