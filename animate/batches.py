"""Crops of a corpus to learn from, drawn by seed and step alone: a run that goes on draws what it would have drawn."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from animate.corpus import Clip, Corpus
from flame_tools.errors import InputError


@dataclass(frozen=True)
class Batch:
    """B crops of T frames."""

    features: Tensor  # [B, T, C] float32
    motion: Tensor  # [B, T, D] float32
    emotion: Tensor  # [B, T, 8] float32
    speaker: Tensor  # [B] int64 into the corpus's speakers
    reference: Tensor  # [B, T, D] another crop of the same speaker: how they move
    mask: Tensor  # [B, T] bool: False behind the end of a clip shorter than T
    phones: Tensor  # [B, T] int64 into encoder.corpus.PHONES, -1 unknown

    def to(self, device: str) -> Batch:
        return Batch(*(value.to(device) for value in vars(self).values()))


class Crops:
    """Every stretch of every clip once an epoch, in an order and with offsets that the seed decides."""

    def __init__(self, corpus: Corpus, seconds: float, seed: int):
        self.corpus, self.seed = corpus, seed
        self.length = round(seconds * corpus.fps)
        if self.length < 2:
            raise InputError(f"crops of {seconds:g} s are {self.length} frames at {corpus.fps} fps; wanted two or more")
        self.windows = [
            (clip, at) for clip, own in enumerate(corpus.clips) for at in range(0, max(len(own), 1), self.length)
        ]
        self._of_speaker = {
            speaker: [i for i, clip in enumerate(corpus.clips) if clip.speaker == speaker]
            for speaker in corpus.speakers
        }
        self._order = functools.lru_cache(2)(self._order_of)

    def _order_of(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.windows))

    def batch(self, count: int, step: int, part: slice = slice(None)) -> Batch:
        """The `step`-th batch of `count` crops, or a part of its rows (learning.processes.part_of)."""
        rng = np.random.default_rng((self.seed, step, 1))
        wanted = range(count)[part]
        rows = []
        for index in range(count):
            epoch, place = divmod(step * count + index, len(self.windows))
            number, at = self.windows[self._order(epoch)[place]]
            clip = self.corpus.clips[number]
            at = self._moved(clip, at, rng)
            other = self.corpus.clips[rng.choice(self._of_speaker[clip.speaker])]
            elsewhere = rng.integers(0, max(len(other) - self.length, 0) + 1)
            if index not in wanted:  # its numbers are drawn all the same: a crop is the same in any part
                continue
            speaker = np.array(self.corpus.speakers.index(clip.speaker))
            present = np.arange(self.length) < len(clip) - at
            shown = [self._cut(rows, at) for rows in (clip.features, clip.motion, clip.emotion)]
            said = self._cut(clip.phones, at).astype(np.int64)
            rows.append((*shown, speaker, self._cut(other.motion, elsewhere), present, said))
        return Batch(*(torch.as_tensor(np.stack(column)) for column in zip(*rows, strict=True)))

    def _moved(self, clip: Clip, at: int, rng: np.random.Generator) -> int:
        """A start near `at`, so that crops do not begin at the same frames every epoch."""
        half = self.length // 2
        moved = at + int(rng.integers(-half, half + 1))
        return int(np.clip(moved, 0, max(len(clip) - self.length, 0)))

    def _cut(self, rows: np.ndarray, at: int) -> np.ndarray:
        """[length, ...] float32 from frame `at`; the last row is held beyond the end."""
        return rows[np.minimum(np.arange(at, at + self.length), len(rows) - 1)].astype(np.float32)


def derangement(count: int, rng: np.random.Generator) -> np.ndarray:
    """A permutation [count] that leaves nothing in its place: one cycle through all (Sattolo 1986)."""
    if count < 2:
        raise InputError(f"{count} crop has nothing to exchange with; use batches of two or more")
    order = np.arange(count)
    for last in range(count - 1, 0, -1):
        other = rng.integers(0, last)
        order[[last, other]] = order[[other, last]]
    return order
