import dataclasses

import numpy as np
import pytest
import torch
import trimesh

from flame_tools import Head, InputError
from flame_tools.export.ply import with_seams_last, write_ply, write_ply_sequence
from flame_tools.normals import vertex_normals
from flame_tools.posing import at_frames, posed_frames
from tests.flame_tools.export.conftest import lively_track


def read(path):
    return trimesh.load(path, process=False)


def assert_same_surface(mesh, vertices, head):
    """`mesh` as another program read it: our vertices first, then seams' copies; our corners and their UV."""
    a = head.arrays
    np.testing.assert_array_equal(np.float32(mesh.vertices[: len(vertices)]), vertices)
    np.testing.assert_array_equal(np.float32(mesh.vertices[mesh.faces]), vertices[a.faces])
    normals = vertex_normals(torch.as_tensor(vertices), head.faces).numpy()
    np.testing.assert_allclose(mesh.vertex_normals[mesh.faces], normals[a.faces], atol=2e-4)
    np.testing.assert_allclose(mesh.visual.uv[mesh.faces], a.uv[a.uv_faces], atol=1e-7)


def test_a_still_comes_back(default_head, tmp_path):
    track = at_frames(lively_track(default_head, 3), [2])
    write_ply(track, default_head, tmp_path / "x.ply")
    assert_same_surface(read(tmp_path / "x.ply"), next(posed_frames(track, default_head)), default_head)
    header = (tmp_path / "x.ply").read_bytes().split(b"end_header")[0].decode()
    assert "comment licence CC0-1.0\n" in header and f"comment head {default_head.arrays.id}\n" in header


def test_every_frame_of_a_sequence_comes_back(arrays, albedo, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 3, appearance=albedo)
    write_ply_sequence(track, head, tmp_path / "seq")
    names = sorted(p.name for p in (tmp_path / "seq").iterdir())
    assert names == ["frame_0001.ply", "frame_0002.ply", "frame_0003.ply", "head.png"]
    for i, ours in enumerate(posed_frames(track, head), 1):
        mesh = read(tmp_path / "seq" / f"frame_{i:04d}.ply")
        assert_same_surface(mesh, ours, head)
        np.testing.assert_array_equal(np.array(mesh.visual.material.image), albedo.albedo)


def test_seams_are_the_only_copies(default_head):
    a = default_head.arrays
    corners = with_seams_last(a)
    pairs = {(v, u) for v, u in zip(a.faces.ravel(), a.uv_faces.ravel(), strict=True)}
    untouched = set(range(len(a.v_template))) - set(a.faces.ravel())
    assert len(a.v_template) < len(corners.vertices) == len(pairs) + len(untouched)
    np.testing.assert_array_equal(corners.vertices[corners.triangles], a.faces)


def test_a_head_without_uv(arrays, tmp_path):
    bare = dataclasses.replace(arrays, uv=np.zeros((0, 2)), uv_faces=np.zeros((0, 3), np.int32))
    head = Head(bare)
    track = lively_track(head, 1)
    write_ply(track, head, tmp_path / "x.ply")
    mesh = read(tmp_path / "x.ply")
    np.testing.assert_array_equal(np.float32(mesh.vertices), next(posed_frames(track, head)))
    np.testing.assert_array_equal(mesh.faces, arrays.faces)
    assert b"property float s" not in (tmp_path / "x.ply").read_bytes()


def test_more_frames_are_a_sequence(arrays, tmp_path):
    head = Head(arrays)
    with pytest.raises(InputError, match=r"5 frames.*at_frames.*write_ply_sequence"):
        write_ply(lively_track(head, 5), head, tmp_path / "x.ply")
    assert not list(tmp_path.iterdir())


def test_a_header_stays_a_header(arrays, tmp_path):
    """A name in another script or a licence of several lines breaks no reader."""
    head = Head(dataclasses.replace(arrays, id="tête", licence="line one\nproperty float w\nline two"))
    track = lively_track(head, 1)
    write_ply(track, head, tmp_path / "x.ply")
    np.testing.assert_array_equal(
        np.float32(read(tmp_path / "x.ply").vertices[: len(arrays.v_template)]), next(posed_frames(track, head))
    )
    assert b"comment head t?te\n" in (tmp_path / "x.ply").read_bytes()
