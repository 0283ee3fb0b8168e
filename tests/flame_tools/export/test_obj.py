import dataclasses

import numpy as np
import pytest
import torch
import trimesh

from flame_tools import Appearance, Head, OutputError
from flame_tools.export import write_obj_sequence
from flame_tools.normals import vertex_normals
from flame_tools.posing import posed_frames
from tests.flame_tools.export.conftest import lively_track


def parse(path):
    rows = {"v": [], "vt": [], "vn": [], "f": []}
    for line in path.read_text().splitlines():
        key, *rest = line.split()
        if key == "f":
            rows["f"].append([[int(x) for x in corner.split("/")] for corner in rest])
        elif key in rows:
            rows[key].append([float(x) for x in rest])
    return {key: np.array(value) for key, value in rows.items()}


def test_every_frame_has_our_vertices(default_head, albedo, tmp_path):
    track = lively_track(default_head, 3, appearance=albedo)
    write_obj_sequence(track, default_head, tmp_path / "seq")
    names = sorted(p.name for p in (tmp_path / "seq").iterdir())
    assert names == ["frame_0001.obj", "frame_0002.obj", "frame_0003.obj", "head.mtl", "head.png"]
    for i, ours in enumerate(posed_frames(track, default_head), 1):
        read = parse(tmp_path / "seq" / f"frame_{i:04d}.obj")
        np.testing.assert_allclose(read["v"], ours, atol=6e-7)
        normals = vertex_normals(torch.as_tensor(ours), default_head.faces)
        np.testing.assert_allclose(read["vn"], normals, atol=2e-4)
        a = default_head.arrays
        assert len(read["f"]) == len(a.faces)
        order = np.argsort(a.face_material, kind="stable")
        np.testing.assert_array_equal(read["f"][..., 0] - 1, a.faces[order])
        np.testing.assert_array_equal(read["f"][..., 1] - 1, a.uv_faces[order])
        np.testing.assert_allclose(read["vt"], a.uv, atol=6e-7)
    materials = (tmp_path / "seq" / "head.mtl").read_text()
    assert "map_Kd head.png" in materials
    assert max(float(line[3:]) for line in materials.splitlines() if line.startswith("Ns ")) == 1000  # MTL's largest


def test_a_head_without_uv_wears_no_picture(arrays, tmp_path):
    head = Head(dataclasses.replace(arrays, uv=np.zeros((0, 2)), uv_faces=np.zeros((0, 3), np.int32)))
    painted = Appearance(albedo=np.zeros((8, 8, 3), np.uint8), detail=np.zeros((8, 8), np.float32))
    write_obj_sequence(lively_track(head, 1, appearance=painted), head, tmp_path / "seq")
    assert sorted(p.name for p in (tmp_path / "seq").iterdir()) == ["frame_0001.obj", "head.mtl"]
    assert "head" not in (tmp_path / "seq" / "head.mtl").read_text().split("newmtl", 1)[1]


def test_another_program_reads_it(default_head, albedo, tmp_path):
    write_obj_sequence(lively_track(default_head, 1, appearance=albedo), default_head, tmp_path / "seq")
    scene = trimesh.load(tmp_path / "seq" / "frame_0001.obj", force="scene")
    assert sum(len(g.faces) for g in scene.geometry.values()) == len(default_head.arrays.faces)


def test_a_rerun_replaces_its_own_frames_and_nobody_elses(arrays, tmp_path):
    head = Head(arrays)
    folder = tmp_path / "seq"
    write_obj_sequence(lively_track(head, 5), head, folder)
    write_obj_sequence(lively_track(head, 2), head, folder)
    assert sorted(p.name for p in folder.glob("*.obj")) == ["frame_0001.obj", "frame_0002.obj"]
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"thesis\.txt"):
        write_obj_sequence(lively_track(head, 3), head, folder)
    assert (folder / "thesis.txt").read_text() == "precious"
    assert len(list(folder.glob("*.obj"))) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["seq"]


def test_a_failure_half_way_leaves_nothing(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 3)
    broken = track.replace(params=track.params.replace(expression=track.params.expression[:, :-1]))
    with pytest.raises(ValueError, match="expression"):
        write_obj_sequence(broken, head, tmp_path / "seq")
    assert not list(tmp_path.iterdir())
