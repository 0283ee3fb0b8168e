"""Crops keep time under every change, and the same step is always the same batch."""

import dataclasses

import numpy as np
import pytest

from animate.encoder import augment
from animate.encoder.corpus import PHONE_INDEX, Utterance, load, load_corpus, save, utterance
from animate.encoder.data import NOTHING, AugmentConfig, batch, items, targets
from animate.encoder.model import FRAME_S
from animate.speech import RATE
from flame_tools.errors import InputError


def bursts(name="a", seed=0, speaker="reader") -> Utterance:
    """Vowel-like buzzes (AA) between silences, edges at odd places."""
    rng = np.random.default_rng(seed)
    rows, at = [], 0.0
    for _ in range(8):
        for phone, low, high in (("SIL", 0.15, 0.4), ("AA", 0.1, 0.3)):
            rows.append((phone, at, at + rng.uniform(low, high), True))
            at = rows[-1][2]
    time = np.arange(round(at * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 12)) * 0.3
    loud = np.zeros(len(time))
    for phone, start, end, _ in rows:
        loud[round(start * RATE) : round(end * RATE)] = phone == "AA"
    return utterance((buzz * loud).astype(np.float32), rows, speaker=speaker, name=name)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return items([bursts(), bursts("b", 1)], tmp_path_factory.mktemp("prosody"))


CHANGES = ("speed", "pitch", "room", "codec", "noise", "music")


@pytest.mark.parametrize("change", [None, *CHANGES])
def test_sound_and_labels_stay_together(pool, change):
    config = dataclasses.replace(NOTHING, **({change: 1.0} if change else {}))
    drawn = batch(pool, np.full(2, 0.5), 6, 3.0, config, seed=3, step=1)
    hop = round(FRAME_S * RATE)
    energy = drawn.samples.numpy()
    padded = np.pad(energy, ((0, 0), (hop // 2, hop)))
    frames = np.stack([(padded[:, i * hop : (i + 1) * hop] ** 2).mean(-1) for i in range(drawn.phones.shape[1])], 1)
    spoken = drawn.phones[..., PHONE_INDEX["AA"]].numpy() * drawn.trusted.numpy()

    def fit(shift):
        return np.corrcoef(np.roll(frames, shift, 1)[:, 5:-5].ravel() ** 0.25, spoken[:, 5:-5].ravel())[0, 1]

    fits = {shift: fit(shift) for shift in range(-4, 5)}
    assert max(fits, key=fits.get) == 0, fits
    assert fits[0] > 0.6


def test_the_same_step_is_the_same_batch(pool):
    a, b, c = (batch(pool, np.full(2, 0.5), 3, 2.0, AugmentConfig(), seed=5, step=step) for step in (7, 7, 8))
    assert all((x == y).all() for x, y in zip(vars(a).values(), vars(b).values(), strict=True))
    assert not (a.samples == c.samples).all()


def test_a_frame_on_a_border_belongs_to_both(pool):
    spoken = pool[0].spoken
    border = spoken.end_s[0]
    phones, trusted, *_ = targets(pool[0], border - 10 * FRAME_S, 1.0, 20)
    assert phones[10, PHONE_INDEX["AA"]] == pytest.approx(0.6)  # its middle and the two parts after it
    assert phones[9, PHONE_INDEX["SIL"]] == phones[11, PHONE_INDEX["AA"]] == pytest.approx(1)
    assert trusted.all()


def test_pitch_and_speed_change_apart():
    time = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 400 * time).astype(np.float32)
    slow = augment.stretched(tone, 0.5)
    assert len(slow) == pytest.approx(2 * RATE, abs=1500)
    middle = slow[8000:24000]
    assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(400, abs=4)  # bins of 1 Hz
    assert np.sqrt((middle**2).mean()) == pytest.approx(np.sqrt(0.5), rel=0.2)  # bins drift apart in phase


def test_utterances_are_kept_whole(tmp_path):
    spoken = bursts(speaker="8226")
    again = load(save(spoken, tmp_path))
    for field in dataclasses.fields(spoken):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(spoken, field.name))
    save(bursts("other"), tmp_path)
    learnt, kept = load_corpus([tmp_path])
    assert [u.speaker for u in learnt] == ["reader"] and [u.speaker for u in kept] == ["8226"]


def test_test_speakers_are_refused():
    with pytest.raises(InputError, match="kept for tests"):
        bursts(speaker="1688")
