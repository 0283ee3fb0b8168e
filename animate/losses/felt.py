"""Faces that feel what they are to feel: an emotion reader's features of a whole sequence, and its intensities.

EMOTE (Danecek et al. 2023) compares an emotion network's features of sequences by their cosine. Where a sequence was
given another emotion there is no true motion to compare with, and the intensities that were asked for are the aim.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, smooth_l1_loss

from animate.losses.masked import masked_mean
from animate.losses.seen import Seen
from flame_tools.head import Head
from readers.emotion import EmotionReader, EmotionReading, load_emotion_reader


class Felt:
    """Losses of motion rows by what an emotion reader sees in a few of their frames."""

    def __init__(
        self,
        head: Head,
        reader: EmotionReader | None = None,  # the bundled one if not given
        *,
        pictures: int = 4,  # looked at in each crop, evenly spread from a random start
    ):
        self.reader = (load_emotion_reader() if reader is None else reader).eval().requires_grad_(False)
        self.reader = self.reader.to(head.v_template)
        self.seen = Seen(head, "face")
        self.pictures = pictures

    def __call__(
        self,
        found: Tensor,  # [B, T, D]
        wanted: Tensor,  # [B, T, D]
        mask: Tensor,  # [B, T] bool: frames that count
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """1 - cosine of the sequences' features, in [0, 2], the mean over those whose pictures all count."""
        at = self.chosen(found.shape[1], generator)
        with torch.no_grad():
            aim = self.read(wanted[:, at]).features
        apart = 1 - cosine_similarity(self.read(found[:, at]).features, aim, dim=-1)
        return masked_mean(apart, mask[:, at].all(1))

    def intensities(
        self,
        found: Tensor,  # [B, T, D]
        felt: Tensor,  # [B, 8] asked for, in [0, 1], in the order of EMOTIONS; neutral is what the others leave
        mask: Tensor,  # [B, T]
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """How far the intensities that are read lie from those that were asked for (Huber at 0.1)."""
        at = self.chosen(found.shape[1], generator)
        apart = smooth_l1_loss(self.read(found[:, at]).intensities, felt.to(found), beta=0.1, reduction="none")
        return masked_mean(apart.mean(-1), mask[:, at].all(1))

    def read(self, motion: Tensor) -> EmotionReading:
        """The EmotionReading of motion rows [B, n, D]."""
        return self.reader(self.seen(motion))

    def chosen(self, frames: int, generator: torch.Generator | None = None) -> Tensor:
        """Which frames of a crop are looked at."""
        count = min(self.pictures, frames)
        step = frames / count
        return ((torch.arange(count) + torch.rand((), generator=generator)) * step).long().clamp(max=frames - 1)
