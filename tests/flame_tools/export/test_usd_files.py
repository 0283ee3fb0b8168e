"""USD as files: what stands in the folder, under which names, and what is left where it fails."""

import os
import resource
import sys
import zipfile

import numpy as np
import pytest
import torch

pytest.importorskip("pxr", reason="usd-core is not installed: pip install 'emberface[usd]'")
from pxr import UsdMedia, UsdUtils

from flame_tools import Appearance, AssetError, Head, InputError, OutputError, ShapeError
from flame_tools.export.usd import write_usd
from flame_tools.export.usd_package import padding
from tests.flame_tools.export.conftest import lively_track
from tests.flame_tools.export.usd_player import KINDS, WORST_MM, with_sound, worst_mm, written


def test_a_track_without_sound_or_albedo_leaves_one_file(arrays, tmp_path):
    head = Head(arrays)
    for name in ("x.usdc", "x.usdz"):
        assert not written(lively_track(head, 2), head, tmp_path, name).of_type(UsdMedia.SpatialAudio)
    assert sorted(os.listdir(tmp_path)) == ["x.usdc", "x.usdz"]


def test_a_package_as_the_specification_wants_it(arrays, albedo, tmp_path):
    head = Head(arrays)
    write_usd(with_sound(lively_track(head, 3, appearance=albedo)), head, tmp_path / "x.usdz")
    data = (tmp_path / "x.usdz").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.usdz") as package:
        members = package.infolist()
        assert package.testzip() is None
    assert [info.filename for info in members] == ["head.usdc", "albedo.png", "voice.wav"]
    starts = (b"PXR-USDC", b"\x89PNG", b"RIFF")
    for info, start in zip(members, starts, strict=True):
        assert info.compress_type == zipfile.ZIP_STORED and info.date_time == (1980, 1, 1, 0, 0, 0)
        at = data.index(start, info.header_offset)
        assert at % 64 == 0
        assert not info.flag_bits & 8  # sizes stand in front of the data, for those who stream


def test_padding_ends_at_a_multiple_of_64_and_has_room_for_its_head():
    for offset in range(130):
        extra = padding(offset)
        assert (offset + len(extra)) % 64 == 0
        assert not extra or int.from_bytes(extra[2:4], "little") == len(extra) - 4


@pytest.mark.parametrize("kind", KINDS)
def test_same_track_same_bytes(arrays, albedo, tmp_path, kind):
    head = Head(arrays)
    for folder in "ab":
        (tmp_path / folder).mkdir()
        write_usd(with_sound(lively_track(head, appearance=albedo)), head, tmp_path / folder / f"x.{kind}")
    names = sorted(os.listdir(tmp_path / "a"))
    assert names == sorted(os.listdir(tmp_path / "b")) and len(names) == (1 if kind == "usdz" else 3)
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("name", ["my head.usdc", "голова 顔 [2] @1@ #$%.usda", "é.usdz", "X.USDC"])
def test_strange_file_names(arrays, albedo, tmp_path, name):
    head = Head(arrays)
    track = with_sound(lively_track(head, 2, appearance=albedo))
    usd = written(track, head, tmp_path, name)
    assert worst_mm(usd, track, head) < WORST_MM and usd.complaints() == []
    _, assets, unresolved = UsdUtils.ComputeAllDependencies(str(tmp_path / name))
    assert len(assets) == 2 and not unresolved


def test_nothing_is_printed(arrays, tmp_path, capfd):
    head = Head(arrays)
    late = with_sound(lively_track(head, 2).replace(time_s=np.array([1.0, 1.0 + 1 / 30])))  # wants a newer crate file
    write_usd(late, head, tmp_path / "x.usdc")
    assert capfd.readouterr() == ("", "")


def test_a_second_run_replaces_what_the_first_left(arrays, albedo, tmp_path):
    head = Head(arrays)
    track = with_sound(lively_track(head, 2, appearance=albedo))
    write_usd(track, head, tmp_path / "x.usdc")
    sound = (tmp_path / "x.usdc.wav").read_bytes()
    write_usd(with_sound(track, 0.2), head, tmp_path / "x.usdc")
    assert len((tmp_path / "x.usdc.wav").read_bytes()) < len(sound)
    assert sorted(os.listdir(tmp_path)) == ["x.usdc", "x.usdc.png", "x.usdc.wav"]


def test_a_minute_at_60_stays_under_8_mb(default_head, tmp_path):
    track = lively_track(default_head, 3600).replace(fps=(60, 1), time_s=np.arange(3600) / 60)
    write_usd(track, default_head, tmp_path / "x.usdc")
    assert (tmp_path / "x.usdc").stat().st_size < 8e6


def test_the_general_ending_is_binary(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 2)
    assert worst_mm(written(track, head, tmp_path, "x.usd"), track, head) < WORST_MM
    assert (tmp_path / "x.usd").read_bytes().startswith(b"PXR-USDC")


def test_tracks_that_do_not_fit_are_refused(arrays, tmp_path):
    head = Head(arrays)
    track = with_sound(lively_track(head, 3))
    broken = track.params.jaw.clone()
    broken[1, 0] = torch.nan
    refused = {
        "made on head 'other'": track.replace(head_id="other"),
        "jaw holds NaN": track.replace(params=track.params.replace(jaw=broken)),
        "albedo is float64": track.replace(appearance=Appearance(albedo=np.zeros((4, 4, 3)))),
        "audio is at 0 Hz": track.replace(audio_rate=0),
    }
    for message, wrong in refused.items():
        for kind in KINDS:
            with pytest.raises(ShapeError, match=message):
                write_usd(wrong, head, tmp_path / f"x.{kind}")
    assert not list(tmp_path.iterdir())


def test_other_endings_are_refused(arrays, tmp_path):
    head = Head(arrays)
    with pytest.raises(InputError, match=r"choose one of \.usdc, \.usda, \.usd, \.usdz"):
        write_usd(lively_track(head, 2), head, tmp_path / "x.abc")


@pytest.mark.parametrize("name", ["a\nb.usdc", "\udcff.usdz"])
def test_names_that_openusd_does_not_open_are_refused(arrays, tmp_path, name):
    head = Head(arrays)
    with pytest.raises(InputError, match="without control characters"):
        write_usd(lively_track(head, 2), head, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_without_usd_core_the_error_says_what_to_install(arrays, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "pxr"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pxr", None)  # what Python's import takes for a module that is not there
    head = Head(arrays)
    with pytest.raises(AssetError, match=r"pip install 'emberface\[usd\]'"):
        write_usd(lively_track(head, 2), head, tmp_path / "x.usdc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_that_cannot_be_written(arrays, tmp_path, kind):
    head = Head(arrays)
    track = with_sound(lively_track(head))
    with pytest.raises(OutputError, match="cannot write"):
        write_usd(track, head, tmp_path / "missing" / f"x.{kind}")
    folder = tmp_path / "readonly"
    folder.mkdir(mode=0o555)
    root = os.geteuid() == 0  # whom no mode keeps out
    try:
        if root:
            os.seteuid(65534)
        with pytest.raises(OutputError, match="cannot write"):
            write_usd(track, head, folder / f"x.{kind}")
    finally:
        if root:
            os.seteuid(0)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_leaves_what_was_there(arrays, tmp_path, kind):
    head = Head(arrays)
    track = lively_track(head, 100)
    (tmp_path / f"x.{kind}").write_bytes(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 15, hard))  # every write beyond 32 KB fails, as on a full disk
        with pytest.raises(OutputError, match=rf"cannot write .*x\.{kind}: .*File too large"):
            write_usd(track, head, tmp_path / f"x.{kind}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == [f"x.{kind}"]
    assert (tmp_path / f"x.{kind}").read_bytes() == b"before"


def test_where_one_file_cannot_take_its_place_none_does(arrays, albedo, tmp_path):
    head = Head(arrays)
    track = with_sound(lively_track(head, 2, appearance=albedo))
    for name in ("x.usdc", "x.usdc.png"):
        (tmp_path / name).write_bytes(b"before")
    (tmp_path / "x.usdc.wav").mkdir()
    (tmp_path / "x.usdc.wav" / "kept").touch()
    with pytest.raises(OutputError, match="a folder stands there"):
        write_usd(track, head, tmp_path / "x.usdc")
    assert sorted(os.listdir(tmp_path)) == ["x.usdc", "x.usdc.png", "x.usdc.wav"]
    assert (tmp_path / "x.usdc").read_bytes() == (tmp_path / "x.usdc.png").read_bytes() == b"before"
    assert (tmp_path / "x.usdc.wav" / "kept").exists()
