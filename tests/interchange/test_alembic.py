"""bpy writes our Alembic, and opens it again with our vertices at our times."""

import shutil
import sys

import numpy as np
import pytest

from flame_tools import AssetError, Head, InputError, OutputError, load_head
from flame_tools.export.alembic import BLENDER_VARIABLE, need_alembic, write_alembic
from flame_tools.posing import at_frames, posed_frames
from tests.flame_tools.conftest import random_arrays
from tests.flame_tools.export.conftest import lively_track
from tests.interchange.performance import FRAMES, performance
from tests.interchange.programs import BLENDER, BPY, opened, our_axes

SAME_M = 1e-4


def bpy_python() -> str:
    BPY.run("--version")  # or skip
    return BPY.path


def test_ten_frames_come_back(tmp_path):
    head, folder = load_head(), tmp_path / "two words ünï"
    folder.mkdir()
    track = performance(head)
    early = track.replace(time_s=track.time_s - 2 / 30)
    ntsc = at_frames(track, range(30)).replace(time_s=np.arange(30) * 1001 / 30_000, fps=(30_000, 1001))
    for name, clip in {"early": early, "ntsc": ntsc}.items():
        write_alembic(clip, head, folder / f"{name} é.abc", blender=bpy_python())
    assert sorted(p.name for p in folder.iterdir()) == ["early é.abc", "ntsc é.abc"]
    jobs = {
        "early": {"path": folder / "early é.abc", "frames": list(FRAMES)},  # from 0, as all files do
        "ntsc": {"path": folder / "ntsc é.abc", "frames": [29]},
    }
    seen = opened(BPY, tmp_path, jobs)
    ours = np.stack(list(posed_frames(track, head)))
    apart = np.linalg.norm(our_axes(seen["early"]["positions"]) - ours[list(FRAMES)], axis=-1).max()
    assert apart < SAME_M, f"{1000 * apart:.4f} mm"
    # frame 29 of a scene of 30 frames a second is 29 / 1.001 frames into a clip of 29.97: the program goes between two
    at = 29 * 1000 / 1001
    between = ours[28] + (at - 28) * (ours[29] - ours[28])
    assert np.linalg.norm(our_axes(seen["ntsc"]["positions"][-1]) - between, axis=-1).max() < SAME_M
    assert seen["early"]["scene_span"][1] == 29  # the last frame of the file, at the rate of the scene
    arrays = head.arrays
    order = np.argsort(arrays.face_material, kind="stable")
    np.testing.assert_array_equal(seen["early"]["faces"], arrays.faces[order])
    np.testing.assert_allclose(seen["early"]["uv"].reshape(-1, 3, 2), arrays.uv[arrays.uv_faces[order]], atol=1e-6)
    assert set(seen["early"]["materials"]) == {arrays.materials[m] for m in np.unique(arrays.face_material)}
    text = (folder / "early é.abc").read_bytes()
    assert b"FramesPerTimeUnit=30.000000" in text and b"_ai_DateWritten=Thu Jan  1 00:00:00 1970" in text
    assert b"licences" in text and head.arrays.licence.encode() in text


def test_same_bytes(tmp_path):
    head = Head(random_arrays())
    for name in "ab":
        write_alembic(at_frames(lively_track(head, 3), [1]), head, tmp_path / name, blender=bpy_python())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_it_cannot_do(tmp_path, monkeypatch):
    head = Head(random_arrays())
    track = lively_track(head, 3)
    uneven = track.replace(time_s=np.array([0.0, 0.1, 0.4]), fps=None)
    with pytest.raises(InputError, match="no constant rate"):
        write_alembic(uneven, head, tmp_path / "x.abc")
    with pytest.raises(InputError, match="between two frames"):
        write_alembic(track.replace(time_s=track.time_s + 0.015), head, tmp_path / "x.abc")
    with pytest.raises(AssetError, match=r"no program nowhere.*pip install bpy"):
        write_alembic(track, head, tmp_path / "x.abc", blender="nowhere")
    monkeypatch.setenv(BLENDER_VARIABLE, "nobody")
    with pytest.raises(AssetError, match="no program nobody"):
        write_alembic(track, head, tmp_path / "x.abc")
    monkeypatch.delenv(BLENDER_VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AssetError, match=rf"neither bpy nor blender here.*{BLENDER_VARIABLE}"):
        write_alembic(track, head, tmp_path / "x.abc")
    assert not list(tmp_path.iterdir())


def test_a_program_without_alembic_or_bpy(tmp_path):
    head = Head(random_arrays())
    track = lively_track(head, 3)
    bare = shutil.which("python3")
    with pytest.raises(AssetError, match="a Python without bpy"):
        write_alembic(track, head, tmp_path / "x.abc", blender=bare)
    with pytest.raises(OutputError, match="choose a folder"):
        write_alembic(track, head, tmp_path / "nowhere" / "x.abc", blender=bare)
    if BLENDER.path:
        with pytest.raises(AssetError, match="without Alembic"):
            write_alembic(track, head, tmp_path / "x.abc", blender=BLENDER.path)
        with pytest.raises(AssetError, match="without Alembic"):
            need_alembic(blender=BLENDER.path)
    with pytest.raises(AssetError, match="a Python without bpy"):
        need_alembic(blender=bare)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no process's files")
def test_a_disk_that_fills_while_blender_writes(tmp_path):
    """Room for the cache that Blender reads, not for the file it makes of it: Alembic aborts."""
    import resource

    head = Head(random_arrays())
    track = lively_track(head, 200)
    python = bpy_python()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 + 12 * len(head.arrays.v_template) * 200, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*x\.abc.*free some space"):
            write_alembic(track, head, tmp_path / "x.abc", blender=python)
        with pytest.raises(OutputError, match=r"cannot write .*x\.abc: File too large"):
            write_alembic(lively_track(head, 400), head, tmp_path / "x.abc", blender=python)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())
