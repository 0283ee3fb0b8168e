import tracemalloc

import numpy as np
import pytest

from flame_tools import Head, InputError, ShapeError
from flame_tools.export.pointcache import write_mdd, write_pc2
from flame_tools.posing import at_frames, posed_frames
from tests.flame_tools.export.conftest import assert_same_bytes_or_none, lively_track

PC2_HEADER = np.dtype(
    [("signature", "S12"), ("version", "<i4"), ("points", "<i4"), ("start", "<f4"), ("rate", "<f4"), ("samples", "<i4")]
)


def read_mdd(path):
    """Times [T] and positions [T, V, 3]; nothing may be left over."""
    data = path.read_bytes()
    frames, points = np.frombuffer(data, ">i4", 2)
    numbers = np.frombuffer(data, ">f4", offset=8)
    return numbers[:frames], numbers[frames:].reshape(frames, points, 3)


def read_pc2(path):
    """The header and positions [T, V, 3]; nothing may be left over."""
    data = path.read_bytes()
    header = np.frombuffer(data, PC2_HEADER, 1)[0]
    return header, np.frombuffer(data, "<f4", offset=32).reshape(header["samples"], header["points"], 3)


def test_an_mdd_has_our_times_and_vertices(arrays, tmp_path):
    head = Head(arrays)
    uneven = np.array([0.25, 0.3, 0.5, 1.75])
    track = lively_track(head, 4).replace(time_s=uneven, fps=None)
    write_mdd(track, head, tmp_path / "x.mdd")
    times, positions = read_mdd(tmp_path / "x.mdd")
    np.testing.assert_array_equal(times, uneven.astype(np.float32))
    np.testing.assert_array_equal(positions, list(posed_frames(track, head)))


def test_a_pc2_has_our_vertices_one_sample_a_frame(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 40)
    write_pc2(track.replace(time_s=track.time_s + 0.5), head, tmp_path / "x.pc2")
    header, positions = read_pc2(tmp_path / "x.pc2")
    assert header.item() == (b"POINTCACHE2", 1, len(arrays.v_template), 15.0, 1.0, 40)
    np.testing.assert_array_equal(positions, list(posed_frames(track, head)))


def test_pc2_cannot_tell_uneven_times(arrays, tmp_path):
    head = Head(arrays)
    uneven = lively_track(head, 3).replace(time_s=np.array([0.0, 0.1, 0.4]), fps=None)
    with pytest.raises(InputError, match="MDD"):
        write_pc2(uneven, head, tmp_path / "x.pc2")
    assert not list(tmp_path.iterdir())
    write_pc2(at_frames(uneven, [1]), head, tmp_path / "x.pc2")  # one frame needs no rate
    assert read_pc2(tmp_path / "x.pc2")[1].shape == (1, len(arrays.v_template), 3)


@pytest.mark.parametrize("write", [write_mdd, write_pc2])
def test_same_bytes_or_none(arrays, tmp_path, write):
    head = Head(arrays)
    track = lively_track(head, 3)
    assert_same_bytes_or_none(write, track, track.replace(head_id="other"), head, tmp_path, ShapeError, "'other'")


@pytest.mark.parametrize("write", [write_mdd, write_pc2])
def test_memory_is_flat(arrays, tmp_path, write):
    head = Head(arrays)
    track = lively_track(head, 2000)
    write(at_frames(track, range(32)).replace(fps=(30, 1)), head, tmp_path / "warm")
    tracemalloc.start()
    write(track, head, tmp_path / "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = (tmp_path / "x").stat().st_size
    assert peak < size / 4, f"{peak} bytes were held to write {size}"
