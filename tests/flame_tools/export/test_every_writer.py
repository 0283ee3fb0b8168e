"""What holds for every writer, whatever its format: any name, one frame or many, no sound, and where it cannot write.

Where a writer fails, it says so as a FaceError that names the place, and leaves no file or folder.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from flame_tools import Head, InputError, OutputError, ShapeError, Track
from flame_tools.posing import at_frames
from tests.flame_tools.export.conftest import lively_track
from tests.flame_tools.export.every_writer import BESIDE, EVERY, STILLS, fitting

ROOT = Path(__file__).parents[3]
FOLDERS = ("", " ply sequence")
every = pytest.mark.parametrize("ending", EVERY)


@pytest.fixture(scope="module")
def head(arrays):
    return Head(arrays)


def content(path: Path) -> dict[str, bytes]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return {file.name if path.is_dir() else "": file.read_bytes() for file in files}


@every
def test_any_name_and_the_same_bytes(ending, head, tmp_path):
    write, track = EVERY[ending], fitting(ending, head)
    places = [tmp_path / f"plain{ending}", tmp_path / "two words, ünï 顔 😀" / f"it's a “naïve” 100% #1 頭{ending}"]
    places[1].parent.mkdir()
    for place in places:
        write(track, head, place)
        beside = [f"{place.name}.wav"] if ending in BESIDE else []
        others = [places[1].parent.name] if place is places[0] else []
        assert sorted(p.name for p in place.parent.iterdir()) == sorted([place.name, *beside, *others])
    if ending in BESIDE:  # the layer holds its own name: the same one elsewhere
        places[1] = places[1].with_name(places[0].name)
        write(track, head, places[1])
    assert content(places[0]) == content(places[1])
    assert places[0].stat().st_mode & 0o777 == (0o755 if ending in FOLDERS else 0o644) & ~_umask()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@every
def test_a_second_run_takes_the_place_of_the_first(ending, head, tmp_path):
    path = tmp_path / f"x{ending}"
    write, track = EVERY[ending], fitting(ending, head)
    other = track.replace(params=track.params.replace(shape=-track.params.shape), audio=-track.audio
                          if track.audio is not None else None)  # fmt: skip
    for one in (other, track):
        write(one, head, path)
    write(track, head, tmp_path / f"again{ending}")
    if ending not in BESIDE:
        assert content(path) == content(tmp_path / f"again{ending}")
    assert len(list(tmp_path.iterdir())) == (4 if ending in BESIDE else 2)


@every
def test_one_frame(ending, head, tmp_path):
    EVERY[ending](fitting(ending, head, 1), head, tmp_path / f"x{ending}")
    frames = [name for name in content(tmp_path / f"x{ending}") if name.startswith("frame_")]
    assert len(frames) == (ending in FOLDERS)


@pytest.mark.parametrize("ending", [ending for ending in EVERY if ending != ".face.npz"])
def test_a_track_that_begins_before_0_s_leaves_as_if_it_began_there(ending, head, tmp_path):
    """All files of a track are in step with each other, and none loses what comes before 0 s."""
    track = fitting(ending, head)
    places = tmp_path / "at 0" / f"x{ending}", tmp_path / "before" / f"x{ending}"
    for place, one in zip(places, (track, moved(track, -0.1)), strict=True):
        place.parent.mkdir()
        EVERY[ending](one, head, place)
    at_0, before = ({path.name: content(path) for path in place.parent.iterdir()} for place in places)
    assert at_0 == before


def moved(track: Track, by_s: float) -> Track:
    tiers = {
        name: dataclasses.replace(tier, start_s=tier.start_s + by_s, end_s=tier.end_s + by_s)
        for name, tier in track.intervals.items()
    }
    return track.replace(time_s=track.time_s + by_s, audio_start_s=track.audio_start_s + by_s, intervals=tiers)


@pytest.mark.parametrize("ending", STILLS)
def test_formats_of_one_frame_refuse_two(ending, head, tmp_path):
    with pytest.raises(InputError, match="2 frames"):
        EVERY[ending](lively_track(head, 2), head, tmp_path / f"x{ending}")
    assert not list(tmp_path.iterdir())


@every
def test_without_sound(ending, head, tmp_path):
    track = fitting(ending, head).replace(audio=None, audio_rate=0)
    path = tmp_path / f"x{ending}"
    if ending == ".wav":
        with pytest.raises(InputError, match="no sound"):
            EVERY[ending](track, head, path)
        assert not list(tmp_path.iterdir())
    else:
        EVERY[ending](track, head, path)
        assert path.exists()


@pytest.mark.parametrize("worth", [float("nan"), float("inf")])
@every
def test_frames_that_are_no_numbers_are_refused(ending, worth, head, tmp_path):
    track = fitting(ending, head)
    jaw = track.params.jaw.clone()
    jaw[-1, 0] = worth
    with pytest.raises(ShapeError, match="jaw holds NaN or infinite"):
        EVERY[ending](track.replace(params=track.params.replace(jaw=jaw)), head, tmp_path / f"x{ending}")
    assert not list(tmp_path.iterdir())


@every
def test_no_folder(ending, head, tmp_path):
    path = tmp_path / "nowhere" / f"x{ending}"
    with pytest.raises(OutputError, match=rf"cannot write .*nowhere.x{ending}: No such file"):
        EVERY[ending](fitting(ending, head), head, path)
    assert not list(tmp_path.iterdir())


@contextlib.contextmanager
def powerless():
    """Without root's right to write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def read_only():
    """A folder that everyone may read and nobody write, outside pytest's own, which others may not enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@every
def test_a_read_only_folder(ending, head, read_only, tmp_path):
    track = fitting(ending, head)
    EVERY[ending](track, head, tmp_path / f"x{ending}")  # all is imported now: nobody may read root's packages
    path = read_only / f"x{ending}"
    with powerless(), pytest.raises(OutputError, match="Permission denied") as refused:
        EVERY[ending](track, head, path)
    assert str(path) in str(refused.value)
    assert not list(read_only.iterdir())


@pytest.fixture(scope="module")
def where_files_cannot_grow(tmp_path_factory):
    """A folder, and what the writers say there under a limit and, where one may be made, on a full file system."""
    if sys.platform == "win32":
        pytest.skip("Windows limits no process's files")
    folder = tmp_path_factory.mktemp("small")
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
              'mount -t tmpfs -o size=64k none "$0" && exec "$@"', folder]  # fmt: skip
    mounts = shutil.which("unshare") and not subprocess.run([*inside, "true"], capture_output=True).returncode
    ways = ("limited", "full") if mounts else ("limited",)
    done = subprocess.run(
        [*(inside if mounts else ()), sys.executable, Path(__file__).with_name("write_all.py"), folder, *ways],
        capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Exception ignored" not in done.stderr
    return folder, dict(zip(ways, map(json.loads, done.stdout.splitlines()[-len(ways) :]), strict=True))


@pytest.mark.parametrize(
    ("way", "reason"),
    [("limited", "File too large; choose a disk"), ("full", "No space left on device; free some space")],
)
def test_a_file_that_cannot_grow(way, reason, where_files_cannot_grow):
    folder, said = where_files_cannot_grow
    if way not in said:
        pytest.skip("no file system can be mounted here")
    assert list(said[way]) == list(EVERY)
    for ending, row in said[way].items():
        assert "OutputError" in row["kinds"], f"{ending}: {row}"
        assert f"cannot write {folder / f'x{ending}'}: {reason}" in row["message"], f"{ending}: {row['message']}"
        assert not row["left"], f"{ending} left {row['left']}"


LONG = 10_000


def test_ten_thousand_frames(head, tmp_path):
    """Formats that are quick with a small head; benchmarks/export_long.py writes the others, with the default one."""
    four = fitting(".csv", head)
    track = at_frames(four, np.arange(LONG) % 4).replace(time_s=np.arange(LONG) / 60, fps=(60, 1))
    for ending in (".csv", ".curves.csv", ".curves.json", ".vrm.json", ".mdd", ".pc2", ".face.npz", ".glb"):
        EVERY[ending](track, head, tmp_path / f"x{ending}")
    rows = (tmp_path / "x.csv").read_text().splitlines()
    assert len(rows) == LONG + 1 and rows[-1].startswith("00:02:46:39.000,")
    assert (tmp_path / "x.curves.csv").read_text().splitlines()[1].count(",") == LONG
    assert len(json.loads((tmp_path / "x.curves.json").read_text())[0]) == LONG + 1
    assert len(json.loads((tmp_path / "x.vrm.json").read_text())["time_s"]) == LONG
    points = 12 * LONG * len(head.arrays.v_template)
    assert (tmp_path / "x.mdd").stat().st_size == 8 + 4 * LONG + points
    assert (tmp_path / "x.pc2").stat().st_size == 32 + points
    data = (tmp_path / "x.glb").read_bytes()
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    times = document["accessors"][document["animations"][0]["samplers"][0]["input"]]
    assert times["count"] == LONG and times["max"] == [float(np.float32(track.time_s[-1]))]
