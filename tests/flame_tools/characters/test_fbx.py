"""The FBX reader on what files say in other ways, and on damaged ones. Blender and ufbx: tests/interchange."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.characters.fbx import read_fbx
from flame_tools.characters.fbx_nodes import Node, read_nodes, write_nodes
from flame_tools.errors import FormatError
from tests.flame_tools.characters.damage import damage
from tests.flame_tools.characters.made import mesh_fbx

POINTS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1.0]])
FACES = np.array([[0, 1, 2], [0, 2, 4]])
SMILE = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0, 0], [0, 0, -0.25], [0, 0, 0]])
BONES = [("Neck", -1, np.array([0.0, 1.0, 0.0])), ("Head", 0, np.array([0.5, 2.0, 0.0]))]
SKIN = np.array([[1, 0], [0, 1], [0.5, 0.5], [0, 0], [0, 2.0]])
MILLIMETRE = 0.1  # in centimetres, as FBX counts


def read(tmp_path, data: bytes):
    (tmp_path / "a.fbx").write_bytes(data)
    return read_fbx(tmp_path / "a.fbx")


def changed(data: bytes, change) -> bytes:
    """The file after `change` has had its geometry's record."""
    root = read_nodes(data, "made")
    change(root.first("Objects").first("Geometry"))
    return write_nodes(root)


def test_units_axes_and_shapes(tmp_path):
    settings_ = {"UnitScaleFactor": [MILLIMETRE], "UpAxis": [2], "FrontAxis": [1], "FrontAxisSign": [-1]}
    scene = read(tmp_path, mesh_fbx(POINTS, FACES, {"smile": SMILE}, settings=settings_))
    part = scene.parts[0]
    np.testing.assert_allclose(part.vertices, 1e-3 * POINTS[:, [0, 2, 1]] * [1, 1, -1])
    np.testing.assert_allclose(part.shapes["smile"], 1e-3 * SMILE[:, [0, 2, 1]] * [1, 1, -1])
    np.testing.assert_array_equal(part.faces, FACES)


def test_a_left_handed_file_keeps_its_outside(tmp_path):
    part = read(tmp_path, mesh_fbx(POINTS, FACES, {}, settings={"CoordAxisSign": [-1]})).parts[0]
    np.testing.assert_allclose(part.vertices, 1e-2 * POINTS * [-1, 1, 1])
    np.testing.assert_array_equal(part.faces, FACES[:, ::-1])


def test_skin_and_bones(tmp_path):
    scene = read(tmp_path, mesh_fbx(POINTS, FACES, {}, bones=BONES, weights=SKIN))
    assert scene.bones == ("Neck", "Head") and scene.parents == (-1, 0)
    np.testing.assert_allclose(scene.places, [[0, 0.01, 0], [0.005, 0.02, 0]])
    np.testing.assert_allclose(scene.parts[0].weights, [[1, 0], [0, 1], [0.5, 0.5], [0, 0], [0, 1]])
    np.testing.assert_allclose(scene.parts[0].vertices, 0.01 * POINTS)  # bound where the bones stand


def test_polygons_uv_and_materials(tmp_path):
    def change(geometry):
        geometry.first("PolygonVertexIndex").properties[:] = [np.array([0, 1, 2, -4, 0, 2, -5, 1, -3], np.int32)]
        uv = [Node("MappingInformationType", ["ByPolygonVertex"]), Node("ReferenceInformationType", ["IndexToDirect"])]
        uv += [
            Node("UV", [np.array([0, 0, 1, 0, 1, 1.0])]),
            Node("UVIndex", [np.array([0, 1, 2, 0, 0, 1, 2, 0, 0], np.int32)]),
        ]
        geometry.children.append(Node("LayerElementUV", [0], uv))

    part = read(tmp_path, changed(mesh_fbx(POINTS, FACES, {}), change)).parts[0]
    assert part.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 2, 4]]  # a quad, a triangle, and an edge that is none
    assert part.uv.tolist() == [[0, 0], [1, 0], [1, 1]] and part.uv_faces.tolist() == [[0, 1, 2], [0, 2, 0], [0, 1, 2]]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda g: g.first("PolygonVertexIndex").properties.__setitem__(0, np.array([0, 1, -99], np.int32)), "98"),
        (lambda g: g.first("Vertices").properties.__setitem__(0, np.zeros(4)), "threes"),
        (lambda g: g.first("Vertices").properties.__setitem__(0, np.full(15, np.nan)), "NaN"),
        (lambda g: g.first("PolygonVertexIndex").properties.__setitem__(0, np.zeros(3)), "polygons of type"),
    ],
)
def test_broken_meshes_are_refused(tmp_path, change, match):
    with pytest.raises(FormatError, match=match):
        read(tmp_path, changed(mesh_fbx(POINTS, FACES, {}), change))


@pytest.mark.parametrize(
    "settings_", [{"UnitScaleFactor": [0.0]}, {"UpAxis": [7]}, {"UpAxis": [0]}, {"UnitScaleFactor": [1e300]}]
)
def test_impossible_frames_are_refused(tmp_path, settings_):
    with pytest.raises(FormatError):
        read(tmp_path, mesh_fbx(POINTS, FACES, {}, settings=settings_))


def test_models_in_a_circle_are_refused(tmp_path):
    root = read_nodes(mesh_fbx(POINTS, FACES, {}), "made")
    root.first("Connections").children[:0] = [Node("C", ["OO", 2, 2])]
    with pytest.raises(FormatError, match="circle"):
        read(tmp_path, write_nodes(root))


VALUES = st.sampled_from(
    [0, 1, 2, -1, 10**15, 0.5, float("nan"), 1e300, True, "", "OO", "Mesh", b"x", np.zeros(0), np.arange(3.0),
     np.full(16, np.inf), np.arange(-4, 4, dtype=np.int32), np.array([2**62])]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_tree_is_read_or_refused(tmp_path_factory, data):
    """Records lost, moved, or with other values than they should have: a Scene or a FormatError, nothing else."""
    root = read_nodes(mesh_fbx(POINTS, FACES, {"smile": SMILE}, bones=BONES, weights=SKIN), "made")
    damage(root, data, VALUES)
    path = tmp_path_factory.getbasetemp() / "changed.fbx"
    path.write_bytes(write_nodes(root))
    with contextlib.suppress(FormatError), np.errstate(all="ignore"):
        read_fbx(path)
