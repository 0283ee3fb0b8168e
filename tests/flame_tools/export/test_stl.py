import numpy as np
import pytest
import trimesh

from flame_tools import Head, InputError
from flame_tools.export.stl import write_stl
from flame_tools.posing import posed_frames
from tests.flame_tools.export.conftest import lively_track


def test_a_head_stands_on_the_plate_in_millimetres(default_head, tmp_path):
    track = lively_track(default_head, 1)
    write_stl(track, default_head, tmp_path / "x.stl")
    mesh = trimesh.load(tmp_path / "x.stl", process=False)
    x, y, z = np.moveaxis(next(posed_frames(track, default_head))[default_head.arrays.faces].astype(float), -1, 0)
    wanted = 1000 * np.stack([x, -z, y], -1)
    np.testing.assert_allclose(mesh.triangles, wanted, atol=1e-4)  # float32 at 500 mm: steps of 3e-5
    assert 150 < np.ptp(wanted.reshape(-1, 3), axis=0).max() < 600  # a head, in mm
    crossed = np.cross(wanted[:, 1] - wanted[:, 0], wanted[:, 2] - wanted[:, 0])
    with open(tmp_path / "x.stl", "rb") as file:
        stored = trimesh.exchange.stl.load_stl_binary(file)["face_normals"]
    size = np.linalg.norm(crossed, axis=1)
    whole = size > 1e-3  # mm^2; slivers have no direction worth the name in float32
    assert whole.mean() > 0.99
    assert ((crossed * stored).sum(1)[whole] / size[whole]).min() > 0.999
    assert b"emberface" in (tmp_path / "x.stl").read_bytes()[:80]


def test_more_frames_are_refused(arrays, tmp_path):
    head = Head(arrays)
    with pytest.raises(InputError, match=r"4 frames.*at_frames"):
        write_stl(lively_track(head, 4), head, tmp_path / "x.stl")
    assert not list(tmp_path.iterdir())


def test_same_bytes_and_no_more_than_the_format_says(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 1).replace(licences=("CC-BY-4.0 by somebody with a very long name " * 4,))
    for name in "ab":
        write_stl(track, head, tmp_path / name)
    data = (tmp_path / "a").read_bytes()
    assert data == (tmp_path / "b").read_bytes()
    assert len(data) == 84 + 50 * len(arrays.faces)
    assert not data.startswith(b"solid")  # which readers take for the text form
