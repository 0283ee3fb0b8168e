import dataclasses
import socket
import sys
import threading
import time

import numpy as np
import pytest
import torch

from animate import eyes, live_sound
from animate.audio_file import read_audio
from animate.encoder.model import FRAME_S
from animate.encoders import frame_times, resampled
from animate.learned import load_performer
from animate.live import live, voice_frames
from animate.live_face import LiveFace, _Rows, performed
from animate.live_sound import Levelled, microphone, spoken
from animate.pipeline import animate
from assets.locate import asset_path
from flame_tools import Track, save_track
from flame_tools.arkit import INDEX, from_params
from flame_tools.errors import FaceError, InputError
from flame_tools.head import Head
from flame_tools.live import CHANNELS, frames_of, record
from flame_tools.live.livelink import decode


@pytest.fixture(scope="module")
def performer():
    return load_performer("motion")


@pytest.fixture(scope="module")
def voice():
    """Three seconds of the bundled voice."""
    samples, rate = read_audio(asset_path("voice"))
    return samples[: 3 * rate], rate


@pytest.fixture(scope="module")
def faces(performer, voice):
    """What it looks like as it comes, in pieces of 80 ms."""
    samples, rate = voice
    return list(performed(cut(samples, 0.08, rate), LiveFace(rate, performer=performer)))


@pytest.fixture
def listening():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("127.0.0.1", 0))
        yield here


def cut(samples: np.ndarray, piece_s: float, rate: int) -> list[np.ndarray]:
    size = round(piece_s * rate)
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def weights_of(tracks: list[Track], performer) -> np.ndarray:
    return np.concatenate([from_params(track.params, performer.head).numpy() for track in tracks])


def test_every_frame_comes_once_and_soon(faces, performer, voice):
    samples, rate = voice
    times = np.concatenate([track.time_s for track in faces])
    np.testing.assert_allclose(times, np.arange(len(times)) / 30)
    assert len(times) == 90
    face, known = LiveFace(rate, performer=performer), []
    for i, piece in enumerate(cut(samples[: rate * 2], 0.08, rate)):
        track = face.push(piece)
        known += [] if track is None else [(i + 1) * 0.08 - t for t in track.time_s]
    assert max(known) < 0.35  # seconds after its sound


def test_it_moves_as_a_recording_heard_whole(faces, performer, voice):
    live_weights = weights_of(faces, performer)
    whole = animate(*voice, head=performer.head, performer=performer)
    offline = from_params(whole.params, performer.head).numpy()
    jaw = INDEX["jawOpen"]
    assert np.corrcoef(live_weights[:, jaw], offline[:, jaw])[0, 1] > 0.9
    assert live_weights.min() >= 0 and live_weights.max() <= 1 + 1e-6
    blink = live_weights[:, INDEX["eyeBlinkLeft"]]
    assert blink.max() > 0.9 and np.median(blink) < 0.1
    turned = torch.cat([track.params.neck for track in faces])
    assert 0.005 < turned.abs().max() < 0.15 and turned.diff(dim=0).abs().max() < 0.02


def test_the_same_pieces_are_the_same_face_and_seeds_differ(performer, voice):
    samples, rate = voice
    pieces = cut(samples[: rate // 2], 0.1, rate)

    def made(seed: int) -> np.ndarray:
        face = LiveFace(rate, performer=performer, seed=seed)
        return np.stack([channels for _, channels in voice_frames(pieces, face)])

    np.testing.assert_array_equal(made(1), made(1))
    assert np.abs(made(1) - made(2))[:, 52:].max() > 1e-3
    assert made(1).shape == (15, len(CHANNELS))


def test_a_fresh_face_moves_alike_and_has_nothing_left_to_plan(performer, voice, monkeypatch):
    samples, rate = voice
    pieces = cut(samples[: rate // 2], 0.08, rate)
    cold = list(voice_frames(pieces, LiveFace(rate, performer=performer, seed=1)))
    warm = LiveFace(rate, performer=performer, seed=1).fresh()
    monkeypatch.setattr(eyes, "plan_blinks", lambda *_, **__: pytest.fail("planned while the clock runs"))
    np.testing.assert_array_equal([c for _, c in cold], [c for _, c in voice_frames(pieces, warm)])


def test_nobody_speaks_and_the_mouth_rests(performer):
    rng = np.random.default_rng(0)
    hiss = (1e-4 * rng.standard_normal(16000)).astype(np.float32)
    weights = weights_of(list(performed(cut(hiss, 0.08, 16000), LiveFace(16000, performer=performer))), performer)
    assert weights[:, INDEX["jawOpen"]].max() < 0.05


def test_feelings_show(performer):
    quiet = np.zeros(8000, np.float32)
    face = LiveFace(16000, performer=performer, emotion="happy:1")
    weights = weights_of(list(performed([quiet], face)), performer)
    assert weights[:, INDEX["mouthSmileLeft"]].min() > 0.5
    with pytest.raises(InputError, match="whole stream"):
        LiveFace(16000, performer=performer, emotion=np.zeros((3, 8)))
    with pytest.raises(InputError, match="not as it comes; name an emotion"):
        LiveFace(16000, performer=performer, emotion="voice:2")


def test_networks_that_need_the_whole_are_refused(voice):
    with pytest.raises(InputError, match="whole recording"):
        LiveFace(16000, performer=load_performer("flow"))


@pytest.mark.parametrize("sizes", [(1,), (7, 0, 3), (200,)])
def test_rows_that_come_are_those_of_all_at_once(sizes):
    rows = np.random.default_rng(0).standard_normal((151, 4))
    times = frame_times(48000, 30)
    wanted = resampled(rows, 0.0, FRAME_S, times)
    coming, parts, at, i = _Rows(30), [], 0, 0
    while at < len(rows):
        size = sizes[i % len(sizes)]
        end = len(times) if at + size >= len(rows) else None
        parts.append(coming.push(rows[at : at + size], end))
        at, i = at + size, i + 1
    np.testing.assert_allclose(np.concatenate(parts), wanted, atol=1e-12)


def test_sound_is_levelled_as_it_comes():
    rate, times = 44100, np.arange(44100) / 44100
    tone = (0.2 * np.sin(2 * np.pi * 300 * times)).astype(np.float32)
    levelled = Levelled(rate)
    parts = [levelled.push(piece) for piece in cut(tone, 0.1, rate)] + [levelled.push(tone[:0], last=True)]
    out = np.concatenate(parts)
    assert abs(len(out) - 16000) <= 1
    assert np.abs(out[2000:]).max() == pytest.approx(0.9, abs=0.02)
    faint = Levelled(16000).push(1e-3 * np.ones(160, np.float32))
    assert faint.max() < 0.03  # a room's hiss is not blown up to speech
    broken = Levelled(16000).push(np.array([np.nan, np.inf, 0.5], np.float32))
    assert np.isfinite(broken).all() and np.abs(broken).max() <= 1


def test_a_recording_is_said_at_its_own_speed():
    samples = np.arange(4000, dtype=np.float32)
    begun = time.monotonic()
    moments = [(time.monotonic() - begun, piece) for piece in spoken(samples, 8000, piece_s=0.05)]
    np.testing.assert_array_equal(np.concatenate([piece for _, piece in moments]), samples)
    heard = 0
    for moment, piece in moments:
        heard += len(piece)
        assert moment >= heard / 8000 - 1e-3  # never before it is said
    assert moments[-1][0] < 1.0


def test_what_was_said_meanwhile_is_heard_at_once_and_a_loop_begins_again():
    samples, stop = np.arange(800, dtype=np.float32), threading.Event()
    coming = spoken(samples, 8000, piece_s=0.02, loop=True, stop=stop)
    first = next(coming)
    time.sleep(0.06)
    second = next(coming)
    assert len(first) < 400 and len(second) > len(first)
    more = np.concatenate([first, second, *(next(coming) for _ in range(12))])
    np.testing.assert_array_equal(more, np.tile(samples, 1 + len(more) // 800)[: len(more)])
    assert len(more) > 800
    stop.set()
    assert list(coming) == []


def test_a_voice_reaches_an_engine(tmp_path, listening, voice):
    import soundfile

    samples, rate = voice
    soundfile.write(tmp_path / "voice.wav", samples[: 3 * rate // 2], rate)
    found = {}
    listener = threading.Thread(
        target=lambda: found.update(heard=record(listening=listening, silence_s=2.0, first_s=60, subject="anna"))
    )
    listener.start()
    report = live(tmp_path / "voice.wav", to=f"livelink::{listening.getsockname()[1]}", subject="anna")
    listener.join()
    heard = found["heard"]
    assert len(heard.frames) == report.frames and report.frames + report.skipped == 45
    assert report.frames >= 5 and heard.refused == 0
    assert heard.frames.fps == (30, 1) and (np.diff(heard.frames.time_s) > 0).all()
    assert heard.frames.channels[:, CHANNELS.index("JawOpen")].max() > 0.1
    assert heard.frames.channels[:, :52].min() >= 0 and heard.frames.channels[:, :52].max() <= 1


def test_a_performance_reaches_an_engine_as_it_is(tmp_path, listening, faces, performer):
    track = faces[0]
    save_track(track, tmp_path / "x.face.npz")
    report = live(tmp_path / "x.face.npz", to=f"livelink::{listening.getsockname()[1]}")
    listening.settimeout(5)
    rows = np.stack([decode(listening.recv(2048)).channels for _ in range(report.frames)])
    assert report.frames >= 1
    np.testing.assert_allclose(rows[0], frames_of(track, performer.head).channels[0], atol=1e-6)


def test_what_cannot_be_streamed_is_refused(tmp_path, monkeypatch):
    for source, to in (("no.wav", "livelink"), ("no.face.npz", "vmc"), ("no.wav", "osc")):
        with pytest.raises((FaceError, FileNotFoundError)):
            live(tmp_path / source, to=to)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(InputError, match="pip install"):
        live("microphone", to="vmc", started=lambda: pytest.fail("nothing is heard"))


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("x.face.npz", {"emotion": "happy"}, "x.face.npz is a performance and goes out as it is; emotion"),
        ("x.face.npz", {"seed": 7}, "is a performance"),
        ("microphone", {"loop": True}, "a microphone has no end"),
        ("voice.wav", {"microphone": "desk"}, "voice.wav is a recording; the microphone 'desk'"),
        ("voice.wav", {"head": "other"}, "a voice is performed on the default head as it is heard, not on 'other'"),
        ("voice.wav", {"seed": -1}, "seed is -1"),
    ],
)
def test_what_means_nothing_for_a_source_is_said(source, options, said, faces, performer, voice, tmp_path, monkeypatch):
    import soundfile

    if "head" in options:
        options = {"head": Head(dataclasses.replace(performer.head.arrays, id="other"))}
    monkeypatch.chdir(tmp_path)
    save_track(faces[0], "x.face.npz")
    soundfile.write("voice.wav", *voice)
    with pytest.raises(InputError, match=said):
        live(source, to="vmc", started=lambda: pytest.fail("nothing is to be sent"), **options)


def test_a_machine_without_portaudio_says_what_it_needs(tmp_path, monkeypatch):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(InputError, match="libportaudio2"):
        next(microphone())


def test_a_microphone_is_heard_until_it_is_stopped(monkeypatch):
    """PortAudio is on no test machine: what it calls is called here, from a thread of its own, as it does."""
    stop = threading.Event()

    class Stream:
        def __init__(self, *, samplerate, blocksize, channels, dtype, device, callback):
            assert (samplerate, blocksize, channels, dtype, device) == (16000, 1280, 1, "float32", "desk")
            self.thread = threading.Thread(target=self.run, args=(callback,), daemon=True)

        def run(self, callback):
            for i in range(5):
                callback(np.full((1280, 1), i, np.float32), 1280, None, None)

        def __enter__(self):
            self.thread.start()

        def __exit__(self, *_):
            self.thread.join()

    class Sound:
        InputStream, PortAudioError = Stream, RuntimeError

    monkeypatch.setattr(live_sound, "_sounddevice", lambda: Sound)
    heard = np.zeros(0)
    for piece in microphone(device="desk", stop=stop):
        heard = np.concatenate([heard, piece])
        if len(heard) == 5 * 1280:
            stop.set()
    np.testing.assert_array_equal(heard, np.repeat(np.arange(5.0), 1280))


@pytest.mark.parametrize("emotion", ["surprise", "fear", "anger"])
def test_wide_eyes_shut_in_a_blink(emotion, performer, voice):
    samples, rate = voice
    tracks = list(performed(cut(samples, 0.08, rate), LiveFace(rate, performer=performer, emotion=emotion)))
    weights = weights_of(tracks, performer)
    blink, wide = weights[:, INDEX["eyeBlinkLeft"]], weights[:, INDEX["eyeWideLeft"]]
    assert wide[blink < 0.01].min() > 0.2 and wide[blink.argmax()] < 0.05
    head = performer.head
    height = torch.cat([head.landmarks(head(track.params.in_head_frame()).vertices)[..., 1] for track in tracks])
    opening_mm = 1000 * (height[:, [43, 44]] - height[:, [47, 46]]).mean(1)
    assert opening_mm.median() > 7 and abs(opening_mm.min()) < 0.7
