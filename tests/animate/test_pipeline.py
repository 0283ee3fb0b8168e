from fractions import Fraction

import numpy as np
import pytest
import torch

from animate.hearing import hear
from animate.learned import load_performer
from animate.metrics import lip_report
from animate.pipeline import animate
from flame_tools.arkit import INDEX, from_params
from flame_tools.errors import InputError, ShapeError
from flame_tools.lips import CLOSED_MM, Lips
from flame_tools.track_file import load_track, save_track


@pytest.fixture(scope="module")
def track(head, voice):
    return animate(voice[0], voice[1], head=head, text=voice[2], seed=4)


def test_a_track_of_the_bundled_voice(head, voice, track, tmp_path):
    samples, rate, _ = voice
    assert len(track) == int(np.ceil(len(samples) / rate * 30)) and track.fps == (30, 1)
    np.testing.assert_array_equal(track.audio, samples)
    assert {"phones", "words", "events"} <= set(track.intervals) and {"emotion", "loudness_db"} <= set(track.curves)
    assert track.params.global_rotation.abs().max() == 0 == track.params.translation.abs().max()
    assert track.params.neck.abs().max() > 0
    assert track.licences and track.provenance["phones"]["method"] == "align"
    save_track(track, tmp_path / "a.face.npz")
    assert len(load_track(tmp_path / "a.face.npz")) == len(track)


def test_figures_of_the_bundled_voice(head, track):
    report = lip_report(track, head)
    assert report.bilabial_closure == 1.0
    assert report.false_closure in (0.0, None) and report.false_closure_other < 0.1
    assert report.open_gap_mm > 4 and report.onset_misalignment_ms is None
    assert report.silence_rest is None or report.silence_rest > 0.95


def test_the_same_again_and_another_seed(head, voice, track):
    again = animate(voice[0], voice[1], head=head, text=voice[2], seed=4)
    for name in ("expression", "jaw", "neck", "eyes", "eyelids"):
        assert torch.equal(getattr(again.params, name), getattr(track.params, name)), name
    other = animate(voice[0], voice[1], head=head, text=voice[2], seed=5)
    assert not torch.equal(other.params.neck, track.params.neck)
    assert other.intervals["phones"].names == track.intervals["phones"].names


@pytest.mark.parametrize("said", [True, False])
def test_a_voice_is_heard_once_and_tells_how_far_it_is(head, voice, said, monkeypatch):
    times = []

    def counted(*arguments, **options):
        times.append(len(arguments[0]))
        return hear(*arguments, **options)

    for module in ("pipeline", "phones"):
        monkeypatch.setattr(f"animate.{module}.hear", counted)
    shares, performer = [], load_performer("motion")
    samples, rate = voice[0][: 2 * voice[1]], voice[1]
    text = "But as the riper should by time" if said else None
    animate(samples, rate, head=head, text=text, performer=performer, progress=shares.append)
    assert len(times) == 1
    assert shares == sorted(shares) and 0 < shares[0] < shares[1] < shares[-1] == 1.0


def test_another_recording_moves_otherwise_under_the_same_seed(head, voice, track):
    half = animate(voice[0][voice[1] :], voice[1], head=head, text=voice[2], seed=4)
    starts = [made.intervals["events"].start_s for made in (track, half)]
    assert not np.isclose(starts[0][:, None], starts[1][None]).any(), "blinks at the same seconds"
    turns = [made.params.neck.numpy()[: len(half), 1] for made in (track, half)]
    assert abs(np.corrcoef(*turns)[0, 1]) < 0.9


@pytest.mark.parametrize("fps", [25, Fraction(30000, 1001), 60])
@pytest.mark.parametrize("emotion", ["surprise", "disgust:1,happy:1"])
def test_lips_meet_at_any_rate_in_any_emotion(head, voice, fps, emotion):
    shape = torch.randn(head.shape_size, generator=torch.Generator().manual_seed(7)).clamp(-2, 2)
    made = animate(voice[0], voice[1], head=head, text=voice[2], fps=fps, emotion=emotion, shape=shape)
    closed = (np.abs(Lips(head, shape).gaps_mm(made.params)) <= CLOSED_MM).all(1)
    tier = made.intervals["phones"]
    for name, start, end in zip(tier.names, tier.start_s, tier.end_s, strict=True):
        if name in ("P", "B", "M"):
            near = (made.time_s >= start - 0.04) & (made.time_s <= end + 0.04)
            assert closed[near].any(), f"{name} at {start:.2f} s"
    weights = from_params(made.params, head)
    assert weights.min() >= 0 and weights.max() <= 1


def test_emotion_over_time(head, voice, track):
    curve = np.zeros((len(track), 8))
    curve[len(track) // 2 :, 1] = 1.0
    made = animate(voice[0], voice[1], head=head, text=voice[2], emotion=curve)
    smile = from_params(made.params, head)[:, INDEX["cheekSquintLeft"]]
    assert smile[: len(track) // 2].max() == 0 and smile[len(track) // 2 :].min() > 0.5
    np.testing.assert_array_equal(made.curves["emotion"].values, curve.astype(np.float32))


def test_a_stereo_recording_of_96_khz_in_whole_numbers(head, voice):
    samples, rate, _ = voice
    import librosa

    loud = librosa.resample(samples[: 2 * rate], orig_sr=rate, target_sr=96000)
    stereo = (np.stack([loud, loud]) * 32767).astype(np.int16)
    made = animate(stereo, 96000, head=head)
    assert abs(len(made) - 60) <= 1 and made.audio_rate == 96000


@pytest.mark.parametrize(
    "options, error, match",
    [
        ({"fps": 5}, InputError, "wanted 10 to 120"),
        ({"shape": torch.zeros(3)}, ShapeError, r"shape is \[3\]"),
        ({"emotion": np.zeros((4, 8))}, ShapeError, "4 frames"),
        ({"emotion": "merry"}, InputError, "unknown"),
        ({"emotion": ""}, InputError, "names none"),
        ({"emotion": "happy:0.5:0.3"}, InputError, "has 2 intensities, wanted one"),
        ({"emotion": {"happy": "x"}}, InputError, "intensity 'x', wanted a number"),
        ({"emotion": {"happy": np.nan}}, InputError, "NaN or infinite"),
        ({"emotion": "happy:nan"}, InputError, "NaN or infinite"),
        ({"emotion": object()}, InputError, "holds no numbers"),
        ({"fps": "x"}, InputError, "fps is 'x', wanted a number"),
        ({"fps": float("nan")}, InputError, "fps is nan"),
        ({"fps": None}, InputError, "fps is None"),
        ({"text": 5}, InputError, "text is a int"),
        ({"seed": -1}, InputError, "seed is -1, wanted a whole number"),
        ({"seed": 1.5}, InputError, "seed is 1.5"),
        ({"seed": "7"}, InputError, "seed is '7'"),
        ({"seed": None}, InputError, "seed is None"),
        ({"seed": 2**64}, InputError, "from 0 to"),
    ],
)
def test_bad_options_are_refused(head, voice, options, error, match):
    with pytest.raises(error, match=match):
        animate(voice[0][: voice[1]], voice[1], head=head, **options)


@pytest.mark.parametrize(
    "audio, rate, match",
    [
        ([[0.1, 0.2], [0.1]], 16000, "audio is a list at rate 16000"),
        (["a", "b"], 16000, "type <U1"),
        ([], 16000, "audio lasts 0.000 s"),
        (np.zeros(16000), "fast", "rate 'fast'"),
        (np.zeros(16000), float("nan"), "rate nan"),
        (np.zeros((0, 100)), 16000, r"audio is \[0, 100\]"),
        (None, 16000, "audio"),
    ],
)
def test_what_is_no_sound_is_refused(head, audio, rate, match):
    with pytest.raises(InputError, match=match):
        animate(audio, rate, head=head)
