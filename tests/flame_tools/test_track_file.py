import dataclasses
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from flame_tools import (
    Appearance,
    Camera,
    Curves,
    FaceParams,
    FormatError,
    Head,
    Intervals,
    OutputError,
    ShapeError,
    Track,
    load_track,
    read_head,
    save_head,
    save_track,
)
from flame_tools.archive import read_npz, write_npz


@pytest.fixture
def track(arrays) -> Track:
    head = Head(arrays)
    params = FaceParams.neutral(head, 5).map(lambda t: torch.rand(t.shape))
    params = params.replace(shape=torch.rand(head.shape_size))
    return Track(
        "random",
        params,
        np.arange(5) / 30,
        audio=np.linspace(-1, 1, 99, dtype=np.float32),
        audio_rate=16000,
        audio_start_s=-0.25,
        camera=Camera(np.array([800.0, 800.0]), np.array([256.0, 256.0]), (512, 512)),
        std=params.map(lambda t: torch.full_like(t, torch.nan)),
        visibility=np.array([1, 0.5, np.nan, 1, 1], np.float32),
        intervals={"phones": Intervals(("P", "AA"), np.array([0.0, 0.1]), np.array([0.1, 0.2]))},
        curves={"emotion": Curves(("happy", "sad"), np.random.default_rng(0).random((5, 2)).astype(np.float32))},
        appearance=Appearance(albedo=np.zeros((4, 4, 3), np.uint8)),
        fps=(30, 1),
        provenance={"made by": "a test", "größe": 1.5},
        licences=("CC0-1.0",),
    )


def assert_same(a, b):
    assert type(a) is type(b)
    if dataclasses.is_dataclass(a):
        for f in dataclasses.fields(a):
            assert_same(getattr(a, f.name), getattr(b, f.name))
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, np.ndarray | torch.Tensor):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
        assert a.dtype == b.dtype
    else:
        assert a == b


def test_everything_comes_back(track, tmp_path):
    path = tmp_path / "a clip ü.face.npz"
    save_track(track, path)
    assert_same(load_track(path), track)


def test_same_track_same_bytes(track, tmp_path):
    save_track(track, tmp_path / "a.npz")
    save_track(track, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_plain_numpy_can_read_it(track, tmp_path):
    save_track(track, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert json.loads(str(file["header"]))["format"] == "emberface.track"
        assert file["params.jaw"].shape == (5, 3)


def rewrite(path, **changes):
    arrays, header = read_npz(path, "emberface.track", 99)
    for key, value in changes.items():
        (header if key in header else arrays)[key] = value
    write_npz(path, arrays, header)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "upgrade emberface"),
        ({"format": "emberface.head"}, "wanted 'emberface.track'"),
        ({"params.jaw": np.zeros((4, 3), np.float32)}, "jaw has 4 frames"),
        ({"params.jaw": np.zeros((5, 4), np.float32)}, "jaw is"),
        ({"params.shape": np.zeros((5, 6), np.float32)}, "one identity"),
        ({"params.neck": np.full((5, 3), np.nan, np.float32)}, "neck holds NaN"),
        ({"time_s": np.zeros(5)}, "does not increase"),
        ({"time_s": np.arange(5.0)}, "fps is 30/1 but"),
        ({"fps": [0, 1]}, "fps is"),
        ({"fps": [30, 0]}, "fps is"),
        ({"fps": [30, 1, 2]}, "fps is"),
        ({"version": 0}, "there is none"),
        ({"version": "1"}, "there is none"),
        ({"provenance": None}, "provenance is None"),
        ({"audio": np.full(9, np.nan, np.float32)}, "audio holds NaN"),
        ({"audio": np.zeros(9, complex)}, "audio has type complex"),
        ({"intervals.phones.start_s": np.array([0.0, np.nan])}, "phones.* holds NaN"),
        ({"intervals.phones.end_s": np.array([-1.0, 0.2])}, "end before they start"),
        ({"std.jaw": np.zeros((5, 2), np.float32)}, "std jaw"),
        ({"camera.focal": np.array([-1.0, 1.0])}, "positive"),
        ({"appearance.albedo": np.zeros((4, 4, 3), np.float32)}, "wanted uint8"),
        ({"curves.emotion": np.zeros((5, 3), np.float32)}, "curves 'emotion'"),
        ({"audio": np.zeros((2, 9), np.float32)}, "audio is"),
        ({"params.eyes": np.array(["text"])}, "eyes has type"),
    ],
)
def test_what_does_not_fit_is_refused(track, tmp_path, changes, message):
    path = tmp_path / "a.face.npz"
    save_track(track, path)
    rewrite(path, **changes)
    with pytest.raises(FormatError, match=message):
        load_track(path)


def test_a_track_without_frames_is_neither_written_nor_read(track, tmp_path):
    empty = Track("random", track.params.frame(slice(0, 0)), track.time_s[:0])
    with pytest.raises(ShapeError, match="no frame"):
        save_track(empty, tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(track, tmp_path):
    save_track(track, tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "foreign.npz", a=np.zeros(3))
    for name in ("cut", "text", "foreign", "absent"):
        with pytest.raises(FormatError, match=name):
            load_track(tmp_path / f"{name}.npz")


def test_a_pickle_inside_is_never_executed(track, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'executed'}",)

    path = tmp_path / "a.npz"
    save_track(track, path)
    np.savez(tmp_path / "bomb.npz", bomb=np.array([Bomb()], dtype=object))
    with zipfile.ZipFile(tmp_path / "bomb.npz") as source, zipfile.ZipFile(path, "a") as target:
        target.writestr("bomb.npy", source.read("bomb.npy"))
    with pytest.raises(FormatError, match=r"bomb\.npy holds an array of Python objects"):
        load_track(path)
    assert not (tmp_path / "executed").exists()


def test_a_failed_write_leaves_nothing(track, tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        save_track(track, tmp_path / "missing" / "a.npz")
    broken = dataclasses.replace(track, provenance={"no json": object()})
    (tmp_path / "a.npz").write_text("before")
    with pytest.raises(TypeError):
        save_track(broken, tmp_path / "a.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    assert (tmp_path / "a.npz").read_text() == "before"


def test_frames_must_agree(track):
    with pytest.raises(ShapeError, match="5 frames but time_s has 4"):
        track.replace(time_s=track.time_s[:4])


def test_head_file_round_trip_and_checks(arrays, tmp_path):
    path = tmp_path / "head.npz"
    save_head(arrays, path)
    back = read_head(path)
    np.testing.assert_allclose(back.shapedirs, arrays.shapedirs, atol=1e-8)
    assert back.expression_names == arrays.expression_names
    assert back.regions.keys() == arrays.regions.keys()
    for changes, message in [
        ({"weights": arrays.weights[:, :4]}, "weights is"),
        ({"faces": arrays.faces + 1000}, "faces points outside"),
        ({"posedirs": np.full_like(arrays.posedirs, np.inf)}, "posedirs holds NaN or infinite"),
    ]:
        save_head(dataclasses.replace(arrays, **changes), path)
        with pytest.raises(FormatError, match=message):
            read_head(path)


def test_reading_a_track_needs_little(track, tmp_path):
    """A reader of results should not pay for renderers, recognisers or compilers."""
    save_track(track, tmp_path / "a.npz")
    code = (
        "import sys, flame_tools; flame_tools.load_track(sys.argv[1]);"
        "sys.exit(bool({'numba', 'librosa', 'av', 'scipy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.npz")], check=True)
