"""Scans from files that are not trusted."""

import json

import numpy as np
import pytest
import trimesh

from flame_tools.errors import FormatError, InputError
from recon.scan.file import Scan, checked, numbered_vertices, read_scan, scan_files, vertex_count


@pytest.fixture(scope="module")
def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(4, 0.1)


@pytest.mark.parametrize("ending", ["obj", "ply", "stl", "glb"])
def test_every_format_gives_the_same_surface(ball, tmp_path, ending):
    ball.export(tmp_path / f"a.{ending}")
    scan = read_scan(tmp_path / f"a.{ending}")
    corners = scan.vertices[scan.faces]
    assert np.abs(corners - ball.vertices[ball.faces]).max() < 1e-6  # float32 in STL and GLB
    assert not scan.is_cloud


def test_points_without_faces_and_their_colours(ball, tmp_path):
    colours = np.tile(np.arange(len(ball.vertices))[:, None] % 256, (1, 4)).astype(np.uint8)
    trimesh.PointCloud(ball.vertices, colors=colours).export(tmp_path / "a.ply")
    scan = read_scan(tmp_path / "a.ply")
    assert scan.is_cloud
    assert np.abs(scan.vertices - ball.vertices).max() < 1e-6
    assert (scan.colours == colours[:, :3]).all()


def test_parts_of_a_scene_are_put_in_their_places(ball, tmp_path):
    scene = trimesh.Scene()
    scene.add_geometry(ball)
    move = np.eye(4)
    move[:3, 3] = 0, 1, 0
    scene.add_geometry(ball.copy(), transform=move)
    scene.export(tmp_path / "a.glb")
    scan = read_scan(tmp_path / "a.glb")
    assert len(scan.vertices) == 2 * len(ball.vertices)
    assert np.allclose([scan.vertices[:, 1].min(), scan.vertices[:, 1].max()], [-0.1, 1.1], atol=1e-5)


def test_textures_are_kept_and_joined(ball, tmp_path):
    from PIL import Image

    scene = trimesh.Scene()
    for k, tone in enumerate(((200, 30, 30), (30, 30, 200))):
        part = ball.copy()
        part.apply_translation((0, k, 0))
        uv = np.random.default_rng(k).random((len(part.vertices), 2))
        image = Image.new("RGB", (16 + 8 * k, 16), tone)
        part.visual = trimesh.visual.TextureVisuals(uv=uv, image=image)
        scene.add_geometry(part)
    scene.export(tmp_path / "a.glb")
    scan = read_scan(tmp_path / "a.glb")
    height, width = scan.texture.shape[:2]
    row = np.clip(((1 - scan.uv[:, 1]) * height).astype(int), 0, height - 1)
    column = np.clip((scan.uv[:, 0] * width).astype(int), 0, width - 1)
    red = scan.texture[row, column, 0] > 100
    assert (red == (scan.vertices[:, 1] < 0.5)).all()  # each part keeps its own picture


def test_nan_vertices_are_left_out_with_their_triangles():
    ball = trimesh.creation.icosphere(4, 0.1)
    vertices = ball.vertices.copy()
    vertices[7] = np.nan
    scan = checked(Scan(vertices, ball.faces))
    assert np.isfinite(scan.vertices).all()
    assert len(scan.faces) == np.sum((ball.faces != 7).all(1))


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("a.ply", b"", FormatError, "empty"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 5\n", FormatError, "PLY"),
        ("a.obj", b"\x00\xff" * 500, FormatError, "a.obj"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", InputError, "too few"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", FormatError, "a.obj"),
        ("a.stl", b"solid\n" * 3, FormatError, "a.stl"),
        ("a.glb", b"glTF" + b"\x00" * 40, FormatError, "glTF"),
        ("a.gltf", b"[" * 100_000, FormatError, "glTF"),
        ("a.dae", b"<xml/>", InputError, r"\.obj"),
        (
            "a.ply",
            b"ply\nformat binary_little_endian 1.0\nelement vertex 9000000000\nproperty float x\nproperty float y\n"
            b"property float z\nend_header\n",
            FormatError,
            "a.ply",
        ),
    ],
)
def test_hostile_files_are_refused_in_one_line(tmp_path, name, content, error, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=says) as caught:
        read_scan(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("uri", ["http://example.org/a.bin", "../secret.bin", "/etc/passwd", "a/../../secret.bin"])
def test_a_gltf_reaches_nothing_outside_its_folder(tmp_path, uri):
    (tmp_path / "secret.bin").write_bytes(b"x" * 64)
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "a.gltf").write_text(
        json.dumps({"asset": {"version": "2.0"}, "buffers": [{"uri": uri, "byteLength": 64}]})
    )
    with pytest.raises(FormatError, match="outside its folder"):
        read_scan(folder / "a.gltf")


def test_an_obj_reaches_nothing_outside_its_folder(ball, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    ball.export(folder / "a.obj")
    (tmp_path / "secret.mtl").write_text("newmtl x\n")
    text = (folder / "a.obj").read_text()
    (folder / "a.obj").write_text("mtllib ../secret.mtl\nusemtl x\n" + text)
    with pytest.raises(FormatError, match="outside its folder"):
        read_scan(folder / "a.obj")


def test_huge_and_flat_and_broken_arrays_are_refused():
    flat = np.zeros((1000, 3))
    flat[:, 0] = np.arange(1000)
    with pytest.raises(InputError, match="no head"):
        checked(Scan(flat, np.zeros((0, 3), np.int32)))
    with pytest.raises(FormatError, match="not finite"):
        checked(Scan(np.full((1000, 3), np.nan), np.zeros((0, 3), np.int32)))
    with pytest.raises(FormatError, match="outside"):
        checked(Scan(np.random.default_rng(0).random((1000, 3)), np.array([[0, 1, 1000]])))


def test_an_obj_keeps_its_own_numbering(tmp_path):
    # texture seams make readers split vertices; the file's own list counts
    lines = [f"v {i} {i * i % 7} {i % 3}" for i in range(600)] + ["vt 0 0", "vt 1 0", "vt 0 1"]
    lines += ["f 1/1 2/2 3/3", "f 3/1 2/3 4/2"]
    (tmp_path / "a.obj").write_text("\n".join(lines))
    vertices = numbered_vertices(tmp_path / "a.obj")
    assert vertices.shape == (600, 3)
    assert (vertices[:, 0] == np.arange(600)).all()
    assert vertex_count(tmp_path / "a.obj") == 600


def test_a_few_vertices_that_are_not_finite_are_left_out(ball, tmp_path):
    ball.export(tmp_path / "a.obj")
    (tmp_path / "a.obj").write_text((tmp_path / "a.obj").read_text() + "\nv nan nan nan\nv inf 0 0\n")
    assert vertex_count(tmp_path / "a.obj") == len(ball.vertices) + 2
    assert len(read_scan(tmp_path / "a.obj").vertices) == len(ball.vertices)


def test_a_folder_of_scans_is_taken_by_name(ball, tmp_path):
    for name in ("b", "a"):
        ball.export(tmp_path / f"{name}.ply")
    (tmp_path / "notes.txt").write_text("x")
    assert [file.name for file in scan_files(tmp_path)] == ["a.ply", "b.ply"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no scan"):
        scan_files(empty)
