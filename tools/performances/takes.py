"""The teacher's takes: utterances with known phones, each heard in several ways and said with several feelings.

A take is what rules make of true phones (animate.perform.speak): mouth and emotion, without blinks, glances and nods,
which no voice tells. Every speaker has a manner of their own. Where the corpus does not trust a phone, nothing is
performed: only stretches between such places are.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from animate.emotion import EMOTIONS
from animate.encoder.augment import resampled, stretched
from animate.encoder.corpus import Utterance
from animate.manner import manner_of
from animate.motion import NECK
from animate.perform import params_of, speak
from animate.speech import RATE, measure, prepare
from flame_tools.errors import FaceError
from flame_tools.head import Head
from flame_tools.lips import Lips
from flame_tools.transfer.motion import motion_of

FPS = 30
_SHORTEST_S = 2.0  # of a stretch worth performing
_NEUTRAL, _SINGLE, _MIX = 0.15, 0.55, 0.20  # shares of takes; the rest goes from one feeling to another


@dataclass(frozen=True)
class Takes:
    """One sound and K performances of it, T frames at FPS."""

    samples: np.ndarray  # [N] int16 at 16 kHz
    motion: np.ndarray  # [K, T, D] float16, see animate.motion
    emotion: np.ndarray  # [K, T, 8] float16 in the order of EMOTIONS
    phones: np.ndarray  # [T] int8 into PHONES
    speaker: str
    name: str


def takes(spoken: Utterance, head: Head, *, sounds: int, feelings: int, seed: int = 0) -> Iterator[Takes]:
    """`sounds` versions of every trusted stretch, `feelings` performances of each."""
    lips = Lips(head, torch.zeros(head.shape_size))
    for part, stretch in enumerate(trusted(spoken)):
        for version in range(sounds):
            rng = np.random.default_rng((seed, zlib.crc32(spoken.name.encode()), part, version))
            heard = stretch if version == 0 else varied(stretch, rng)
            name = f"{spoken.name}-{part}-{version}"
            try:
                made = _performed(heard, head, lips, feelings, rng, name)
            except FaceError:  # a stretch of silence
                continue
            yield made


def trusted(spoken: Utterance) -> list[Utterance]:
    """The stretches whose phones are known, two seconds or longer."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], spoken.trusted.astype(int), [0]])))
    parts = []
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        start, end = spoken.start_s[first], spoken.end_s[stop - 1]
        if end - start < _SHORTEST_S:
            continue
        rows = slice(first, stop)
        parts.append(
            replace(
                spoken,
                samples=spoken.samples[round(start * RATE) : round(end * RATE)],
                phones=spoken.phones[rows],
                start_s=spoken.start_s[rows] - start,
                end_s=spoken.end_s[rows] - start,
                trusted=spoken.trusted[rows],
            )
        )
    return parts


def varied(spoken: Utterance, rng: np.random.Generator) -> Utterance:
    """The same words faster or slower, in a higher or lower voice; phones keep their places in the sound."""
    speed, pitch = rng.uniform(0.85, 1.2), 2 ** rng.uniform(-0.25, 0.25)
    sound = stretched(spoken.samples.astype(np.float32) / 32768, speed / pitch)
    count = int(len(spoken.samples) / speed)
    sound = resampled(sound, pitch, count)
    sound = sound / max(np.abs(sound).max(), 1e-3) * rng.uniform(0.3, 0.95)
    return replace(
        spoken,
        samples=(sound * 32767).astype(np.int16),
        start_s=spoken.start_s / speed,
        end_s=spoken.end_s / speed,
    )


def _performed(spoken: Utterance, head: Head, lips: Lips, feelings: int, rng, name: str) -> Takes:
    prosody = measure(prepare(spoken.samples, RATE))
    times = np.arange(int(np.ceil(len(spoken.samples) * FPS / RATE))) / FPS
    manner = manner_of(spoken.speaker)
    felt = [drawn_feelings(times, rng) for _ in range(feelings)]
    motion = []
    for feeling in felt:
        made = speak(spoken.said, prosody, times, spoken.duration_s, feeling, lips=lips, manner=manner)
        rows = motion_of(params_of(made, head, torch.zeros(head.shape_size)))
        motion.append(np.concatenate([rows, np.zeros((len(times), NECK))], 1).astype(np.float16))
    return Takes(
        spoken.samples,
        np.stack(motion),
        np.stack(felt).astype(np.float16),
        spoken.phones[spoken.at(times)].astype(np.int8),
        spoken.speaker,
        name,
    )


def drawn_feelings(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Intensities [T, 8] in the order of EMOTIONS: nothing, one emotion, two, or one that turns into another."""
    kind = rng.random()
    if kind < _NEUTRAL:
        return np.zeros((len(times), len(EMOTIONS)))
    if kind < _NEUTRAL + _SINGLE:
        return np.tile(_one(rng), (len(times), 1))
    if kind < _NEUTRAL + _SINGLE + _MIX:
        return np.tile(np.maximum(0.8 * _one(rng), 0.8 * _one(rng)), (len(times), 1))
    before, after = _one(rng), _one(rng) * (rng.random() < 0.7)
    at, length = rng.uniform(0.2, 0.8) * times[-1], rng.uniform(0.3, 1.5)
    share = np.clip((times - at) / length + 0.5, 0, 1)[:, None]
    share = share * share * (3 - 2 * share)
    return (1 - share) * before + share * after


def _one(rng: np.random.Generator) -> np.ndarray:
    felt = np.zeros(len(EMOTIONS))
    felt[rng.integers(1, len(EMOTIONS))] = rng.uniform(0.2, 1.0)
    return felt
