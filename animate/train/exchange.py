"""Content and emotion exchanged in the batch (EMOTE, Danecek et al. 2023): the same words as somebody else feels them.

Every crop is said once more with the emotion of another crop. Nobody has seen the true motion of that, so a lip reader
must read in it what it reads in the crop's own motion, and an emotion reader what it sees in the other's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from animate.batches import Batch, derangement
from animate.losses.felt import Felt
from animate.losses.lipread import LipReading
from animate.model import Conditions, SpeechToMotion
from flame_tools.errors import InputError
from flame_tools.head import Head


@dataclass(frozen=True)
class ExchangeConfig:
    """What the readers' wishes weigh beside the vertices' mm^2. Both at 0: nobody looks."""

    lips: float = 0.0
    """Weight of 1 - cosine of the lip reader's features, frame by frame."""
    felt: float = 0.0
    """Weight of 1 - cosine of the emotion reader's features of a sequence."""
    swapped: bool = True
    """Exchange emotions. Without, the readers look at the crops as they are."""
    crops: int = 4
    """Crops of a batch that are looked at: pictures cost more than vertices."""
    frames: int = 30
    """Frames of a crop that lips are read in."""
    pictures: int = 4
    """Frames of a crop that emotions are seen in."""
    begin: int = 0
    """Step from which somebody looks: pictures tell little of a face that does not yet move with the words."""

    def __post_init__(self):
        if min(self.crops, self.frames, self.pictures) < 1:
            raise InputError(
                f"crops are {self.crops}, frames {self.frames}, pictures {self.pictures}; wanted at least one of each"
            )

    @property
    def looks(self) -> bool:
        return self.lips > 0 or self.felt > 0


class Exchange:
    """The losses of a batch by what readers see in it."""

    def __init__(self, head: Head, config: ExchangeConfig):
        self.config = config
        self.lips = LipReading(head, frames=config.frames) if config.lips > 0 else None
        self.felt = Felt(head, pictures=config.pictures) if config.felt > 0 else None

    def __call__(
        self,
        model: SpeechToMotion,
        found: Tensor,  # [B, T, D] what the model made of the batch
        batch: Batch,
        style: Tensor,  # [B, 1, 128] with which it did
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:
        """Parts of the loss, weighted."""
        few = min(self.config.crops, len(found))
        part = Batch(*(value[:few] for value in vars(batch).values()))
        made, felt, mask = found[:few], part.motion, part.mask
        if self.config.swapped:
            donors = torch.as_tensor(derangement(len(found), rng)[:few], device=found.device)
            told = Conditions(batch.emotion[donors], style[:few])
            made = torch.cat([made, model(part.features, told)])
            felt, mask = torch.cat([felt, batch.motion[donors]]), torch.cat([mask, mask & batch.mask[donors]])
        said = part.motion.repeat(len(made) // few, 1, 1)
        made, said, felt, mask = (value.cpu() for value in (made, said, felt, mask))  # where the readers look
        noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
        parts = {}
        if self.lips is not None:
            parts["lips"] = self.config.lips * self.lips(made, said, mask, noise)
        if self.felt is not None:
            parts["felt"] = self.config.felt * self.felt(made, felt, mask, noise)
        return parts
