"""Phones that look alike: what a lip reader can be held to.

Twelve classes after the many-to-one maps that lip reading uses (Lee & Yook 2002; Cappelletta & Harte, "Phoneme-to-
viseme mapping for visual speech recognition", 2012): consonants by the place where lips, teeth or tongue meet, vowels
by opening, spreading and rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

VISEMES: dict[str, tuple[str, ...]] = {
    "rest": ("SIL", "NOISE"),
    "lips": ("P", "B", "M"),
    "lip_teeth": ("F", "V"),
    "tongue_teeth": ("TH", "DH"),
    "ridge": ("T", "D", "N", "L"),
    "hiss": ("S", "Z"),
    "hush": ("SH", "ZH", "CH", "JH"),
    "back": ("K", "G", "NG", "HH"),
    "r": ("R", "ER"),
    "round": ("W", "UW", "UH", "OW", "OY", "AO"),
    "spread": ("Y", "IY", "IH", "EY", "EH", "AE"),
    "open": ("AA", "AH", "AW", "AY"),
}
VISEME_OF = {phone: i for i, phones in enumerate(VISEMES.values()) for phone in phones}


def viseme_table(phones: tuple[str, ...]) -> Tensor:
    """[len(phones)] index into VISEMES of each phone."""
    return torch.tensor([VISEME_OF[phone] for phone in phones])


def viseme_log_probabilities(log_probabilities: Tensor, phones: tuple[str, ...]) -> Tensor:
    """Of phones [..., len(phones)] to those of visemes [..., 12]: classes take the sum of their phones."""
    table = viseme_table(phones).to(log_probabilities.device)
    parts = [log_probabilities[..., table == k].logsumexp(-1) for k in range(len(VISEMES))]
    return torch.stack(parts, -1)
