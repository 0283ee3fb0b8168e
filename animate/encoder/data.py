"""Batches for training: crops of the corpus, each made to sound different, with what is to be said of every frame.

Crop `index` of step `step` under `seed` is always the same, whatever was drawn before it: that is what lets training
go on to the bit where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from animate.encoder import augment
from animate.encoder.corpus import NOISE, PHONE_INDEX, PHONES, Utterance
from animate.encoder.model import FRAME_S
from animate.speech import HOP_S, RATE, measure, prepare
from animate.visemes import SILENCE

# Parts of a frame's 20 ms at which its label is read: a frame on a border belongs to both phones.
_PARTS_S = FRAME_S * (np.arange(5) - 2) / 5
_SIL, _NOISE = PHONE_INDEX[SILENCE], PHONE_INDEX[NOISE]
_HEARD_DB = 20.0  # music that lies less than this below the speech is heard in its pauses


@dataclass(frozen=True)
class AugmentConfig:
    """How often each change is made to a crop."""

    speed: float = 0.5
    """Share that is faster or slower, pitch with it."""
    pitch: float = 0.2
    """Share whose pitch and tempo change apart."""
    room: float = 0.4
    """Share in a room."""
    codec: float = 0.25
    """Share through a codec."""
    noise: float = 0.4
    """Share with noise or other voices behind it."""
    music: float = 0.15
    """Share with music behind it."""
    gain_db: float = 30.0
    """Crops are at most this much below full level."""


NOTHING = AugmentConfig(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Item:
    """An utterance and how its voice runs, 100 values a second."""

    spoken: Utterance
    loudness: np.ndarray  # [F] dB / 20, 0 at the loud parts
    pitch: np.ndarray  # [F] octaves above 100 Hz, NaN where unvoiced


@dataclass(frozen=True)
class Batch:
    """B crops of T frames."""

    samples: Tensor  # [B, N] float32
    phones: Tensor  # [B, T, 41] share of the frame that each phone has
    trusted: Tensor  # [B, T] 1 where the label is to be learnt
    loudness: Tensor  # [B, T] dB / 20
    pitch: Tensor  # [B, T] octaves above 100 Hz; 0 where unvoiced
    voiced: Tensor  # [B, T] 0 or 1


def items(utterances: list[Utterance], cache: Path) -> list[Item]:
    """Utterances with their prosody, which is kept in `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    found = []
    for spoken in utterances:
        path = cache / f"{spoken.name}.npy"
        if not path.is_file():
            prosody = measure(prepare(spoken.samples, RATE))
            rows = np.stack([prosody.loudness_db / 20, np.log2(prosody.f0_hz / 100)]).astype(np.float32)
            part = path.with_suffix(".part.npy")
            np.save(part, rows)
            part.replace(path)
        found.append(Item(spoken, *np.load(path)))
    return found


def crop(
    pool: list[Item], weights: np.ndarray, seconds: float, config: AugmentConfig, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """One crop of `seconds`, an item drawn by `weights` (they add up to 1): samples and the rows of a Batch."""
    item = pool[rng.choice(len(pool), p=weights)]
    speed = pitch = 1.0
    kind = rng.random()
    if kind < config.speed:
        speed = pitch = rng.uniform(0.85, 1.2)
    elif kind < config.speed + config.pitch:
        speed, pitch = rng.uniform(0.8, 1.25), 2 ** rng.uniform(-0.4, 0.4)
    count = round(seconds * RATE)
    start_s = rng.uniform(0, max(item.spoken.duration_s - seconds * speed, 0))
    sound = _cut(item, start_s, (seconds + 0.1) * speed)
    sound = augment.stretched(sound, speed / pitch) if speed != pitch else sound
    sound = augment.resampled(sound, pitch, count)
    rows = targets(item, start_s, speed, round(seconds / FRAME_S), np.log2(pitch))
    sound, noisy = coloured(sound, pool, config, rng)
    if noisy:
        phones = rows[0]
        phones[:, _NOISE] += phones[:, _SIL]
        phones[:, _SIL] = 0
    level = 10 ** (-rng.uniform(0, config.gain_db) / 20) if config.gain_db else 1.0
    return (sound * np.float32(level * 0.9 / max(np.abs(sound).max(), 1e-4)), *rows)


def _cut(item: Item, start_s: float, seconds: float) -> np.ndarray:
    first = round(start_s * RATE)
    return item.spoken.samples[first : first + round(seconds * RATE)].astype(np.float32) / 32768


def coloured(sound, pool, config, rng) -> tuple[np.ndarray, bool]:
    """The sound as it may come, and whether its pauses are full of music."""
    noisy = False
    if rng.random() < config.room:
        sound = augment.room(sound, rng)
    if rng.random() < config.noise:
        behind = augment.coloured_noise(len(sound), rng) if rng.random() < 0.6 else _babble(len(sound), pool, rng)
        sound = augment.mixed(sound, behind, rng.uniform(3, 30))
    if rng.random() < config.music:
        snr = rng.uniform(3, 30)
        noisy = snr < _HEARD_DB
        sound = augment.mixed(sound, augment.music(len(sound), rng), snr)
    if rng.random() < config.codec:
        sound = augment.codec(sound, rng)
    return sound, noisy


def _babble(count: int, pool, rng) -> np.ndarray:
    """Several others at once."""
    out = np.zeros(count, np.float32)
    for _ in range(rng.integers(3, 7)):
        item = pool[rng.integers(len(pool))]
        start_s = rng.uniform(0, max(item.spoken.duration_s - count / RATE, 0))
        out += augment.fitted(_cut(item, start_s, count / RATE), count)
    return out


def targets(item: Item, start_s: float, speed: float, frames: int, octaves: float = 0.0) -> tuple[np.ndarray, ...]:
    """What is true of frames centred at i * FRAME_S, where time runs `speed` times as fast from `start_s` on."""
    spoken = item.spoken
    middles = np.arange(frames) * FRAME_S
    times = start_s + (middles[:, None] + _PARTS_S) * speed
    which = spoken.at(times)
    phones = np.zeros((frames, len(PHONES)), np.float32)
    np.add.at(phones, (np.arange(frames)[:, None], spoken.phones[which]), 1 / len(_PARTS_S))
    at = start_s + middles * speed
    trusted = spoken.trusted[which].all(1) & (at < spoken.duration_s)
    near = np.minimum(np.round(at / HOP_S).astype(int), len(item.loudness) - 1)
    pitch = item.pitch[near]
    voiced = np.isfinite(pitch)
    pitch = np.where(voiced, pitch + octaves, 0)
    return tuple(x.astype(np.float32) for x in (phones, trusted, item.loudness[near], pitch, voiced))


def batch(
    pool: list[Item],
    weights: np.ndarray,
    size: int,
    seconds: float,
    config: AugmentConfig,
    *,
    seed: int,
    step: int,
    part: slice = slice(None),
) -> Batch:
    """The crops of one step, or a part of its rows (learning.processes.part_of)."""
    generators = [np.random.default_rng((seed, step, index)) for index in range(size)[part]]
    rows = [crop(pool, weights, seconds, config, rng) for rng in generators]
    return Batch(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))
