import numpy as np
import pytest

from flame_tools import FormatError
from flame_tools.files.obj import read_obj

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"


@pytest.mark.parametrize(
    "corners", ["1/1 2/2 3/3 4/4", "1/1/1 2/2/1 3/3/1 4/4/1", "-4/-4 -3/-3 -2/-2 -1/-1", "-4/1/-1 2/-3/1 3/3/9 -1/4/1"]
)
def test_polygons_become_fans_in_the_files_own_order(tmp_path, corners):
    path = tmp_path / "a.obj"
    path.write_text(f"# a square\nmtllib x.mtl\no thing\n{SQUARE}vn 0 0 1\ng g\nusemtl m\ns 1\nf {corners}\nl 1 2\n")
    mesh = read_obj(path)
    np.testing.assert_array_equal(mesh.vertices, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3]])
    np.testing.assert_array_equal(mesh.uv_faces, mesh.faces)
    np.testing.assert_array_equal(mesh.uv, mesh.vertices[:, :2])


def test_texture_coordinates_may_be_missing_and_vertices_may_have_colours(tmp_path):
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0 1 0 0\r\nv 1 0 0 0 1 0\r\nv 1 1 0 0 0 1\r\nf 1//1 2//1 3//1\r\n")
    mesh = read_obj(path)
    assert mesh.uv_faces.shape == (0, 3) and mesh.vertices.shape == (3, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 vertices and 0 triangles"),
        (SQUARE, "0 triangles"),
        ("v 0 0\nf 1 1 1", "not a readable OBJ"),
        (SQUARE + "f 1 2 5", "outside its 4 vertices"),
        (SQUARE + "f 1 2 -5", "outside its 4 vertices"),
        (SQUARE + "f 0 1 2", "outside its 4 vertices"),
        (SQUARE + "f 1/1 2/2 3/9", "outside its 4 vertices"),
        (SQUARE + "f a b c", "not a readable OBJ"),
        (SQUARE + "f 1 2 99999999999999999999", "not a readable OBJ|outside"),
        (SQUARE.replace("1 1 0", "nan 1 0") + "f 1 2 3", "wanted a mesh"),
    ],
)
def test_what_is_no_mesh_is_refused(tmp_path, text, message):
    (tmp_path / "a.obj").write_text(text)
    with pytest.raises(FormatError, match=rf"a\.obj.*({message})"):
        read_obj(tmp_path / "a.obj")
