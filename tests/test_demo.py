"""The main job, end to end, on the bundled photo and voice."""

import csv
import json

import numpy as np
import pytest

import emberface_cli
from assets.locate import asset_path
from flame_tools import load_head, load_track
from flame_tools.posing import posed_frames
from tests.flame_tools.export.gltf_reader import Glb
from tests.flame_tools.export.test_gltf import worst_mm


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert emberface_cli.run(["demo", "-o", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def track(out):
    return load_track(out / "demo.face.npz")


def test_everything_is_there_and_nothing_else(out):
    names = {p.name for p in out.iterdir()}
    assert names == {
        "demo.glb", "demo_obj", "demo.csv", "demo.mp4", "demo.png", "demo.face.npz", "demo.report.json"
    }  # fmt: skip


def test_the_report_has_the_figures_and_they_are_good(out):
    report = json.loads((out / "demo.report.json").read_text())
    quality = report["quality"]
    assert (
        report["command"] == "demo" and report["seconds"]["total"] < 150
    )  # 24 s on two quiet cores; tests share theirs
    assert quality["nme_468"] <= 0.035 and quality["nme_68"] <= 0.035
    assert quality["bilabial_closure"] >= 0.97
    assert quality["false_closure"] <= 0.02
    assert quality["silence_rest"] >= 0.95


def test_every_file_shows_the_same_frames(out, track):
    head = load_head()
    assert worst_mm(out / "demo.glb", track, head, step=25) < 1e-3
    assert len(list((out / "demo_obj").glob("frame_*.obj"))) == len(track)
    last = [line.split()[1:] for line in (out / "demo_obj" / f"frame_{len(track):04d}.obj").read_text().splitlines()
            if line.startswith("v ")]  # fmt: skip
    *_, ours = posed_frames(track, head)
    np.testing.assert_allclose(np.array(last, float), ours, atol=6e-7)
    with open(out / "demo.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(track)
    glb = Glb(out / "demo.glb")
    jaw = glb.channels()[0][0, "weights"][:, glb.names.index("jawOpen")]
    np.testing.assert_allclose([float(r["JawOpen"]) for r in rows], jaw, atol=1e-6)
    assert jaw.max() > 0.15  # it speaks


def test_the_film_has_every_frame_and_the_voice_in_time(out, track):
    import av
    import soundfile
    import soxr

    with av.open(str(out / "demo.mp4")) as file:
        picture, sound = file.streams.video[0], file.streams.audio[0]
        assert picture.codec_context.name == "h264" and sound.codec_context.name == "aac"
        assert 25 <= picture.average_rate <= 60
        times, heard, heard_at = [], [], None
        for frame in file.decode(picture, sound):
            if isinstance(frame, av.VideoFrame):
                times.append(frame.time)
            else:
                heard_at = frame.time if heard_at is None else heard_at
                heard.append(frame.to_ndarray().mean(0))
        rate = sound.rate
    np.testing.assert_allclose(times, track.time_s, atol=1e-3)
    original, own_rate = soundfile.read(asset_path("voice"))
    wanted = soxr.resample(original, own_rate, 8000)
    got = soxr.resample(np.concatenate(heard), rate, 8000)
    lead = round(heard_at * 8000)
    got = np.concatenate([np.zeros(max(lead, 0)), got[max(-lead, 0) :]])
    n = min(len(wanted), len(got))
    lags = np.arange(-400, 401)
    match = [np.dot(wanted[400 : n - 400], got[400 + lag : n - 400 + lag]) for lag in lags]
    assert abs(lags[int(np.argmax(match))]) / 8000 < 0.010  # seconds


def test_the_photo_is_worn(track):
    albedo = track.appearance.albedo
    assert albedo is not None and albedo.std() > 5
    assert set(track.licences) and track.params.shape.abs().max() > 0.1
