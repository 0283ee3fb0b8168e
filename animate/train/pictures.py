"""Pictures that networks learn to look at: drawn once, and shown each time at another place and quality."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from readers.stage import Stage
from readers.variation import Variation, finished

MARGIN = 4  # pixels that a drawn picture is larger than a shown one
_AT_ONCE = 32  # sequences


@dataclass(frozen=True)
class Sequences:
    """Pictures, and what is true of them."""

    pictures: Tensor  # [B, T, H, W] in [0, 1], or uint8 where they are stored
    phones: Tensor  # [B, T] into PHONES
    felt: Tensor  # [B, 8]


def wide_stage(head, view: str) -> Stage:
    """A stage whose pictures have a margin that `shown` cuts off."""
    plain = Stage(head, view)
    return Stage(head, view, size=plain.size + MARGIN, reach=(plain.size + MARGIN) / plain.size)


def drawn_once(draw: Callable[[int, int], Sequences], sequences: int) -> Sequences:
    """Store `sequences` sequences; `draw(number, count)` gives clean pictures of `count`, from that number on."""
    parts: list[Sequences] = []
    for number, count in _portions(sequences):
        part = draw(number, count)
        parts.append(Sequences((part.pictures * 255).round().to(torch.uint8), part.phones, part.felt))
    return Sequences(*(torch.cat([getattr(p, name) for p in parts]) for name in ("pictures", "phones", "felt")))


def shown(stored: Sequences, numbers: Tensor, seed: int) -> Sequences:
    """Some of the stored sequences as cameras deliver them: each a little shifted, and of its own quality."""
    pictures = stored.pictures[numbers].float() / 255
    batch, frames, height, width = pictures.shape
    random = np.random.default_rng(seed)
    corners = random.integers(0, MARGIN + 1, (batch, 2)).tolist()
    cut = [p[:, y : y + height - MARGIN, x : x + width - MARGIN] for p, (y, x) in zip(pictures, corners, strict=True)]
    quality = Variation.random(batch, frames, int(random.integers(1 << 40)))
    pictures = finished(torch.cat(cut), quality).unflatten(0, (batch, frames))
    return Sequences(pictures, stored.phones[numbers], stored.felt[numbers])


def batch_numbers(count: int, batch: int, seed: int, step: int) -> Tensor:
    """The stored sequences of a step: each once an epoch, in an order of its own, by seed and step alone."""
    place = step * batch + np.arange(batch)
    epochs = place // count
    orders = {epoch: np.random.default_rng((seed, int(epoch))).permutation(count) for epoch in np.unique(epochs)}
    return torch.tensor([int(orders[e][p % count]) for e, p in zip(epochs, place, strict=True)])


def _portions(total: int) -> Iterator[tuple[int, int]]:
    for number in range(0, total, _AT_ONCE):
        yield number, min(_AT_ONCE, total - number)
