"""What footage is made of: frames and sound, and how much of them is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MAX_PIXELS = 64_000_000  # of one frame: 8192 x 7680
MAX_FRAMES = 4_000_000  # 18 hours at 60 a second


class Frame(NamedTuple):
    """One moment of a film."""

    number: int  # counted from 0; a frame that cannot be decoded leaves a gap
    time_s: float  # from the first frame
    image: np.ndarray  # [H, W, 3] uint8 sRGB, upright


@dataclass(frozen=True)
class Sound:
    """What was recorded with the pictures."""

    samples: np.ndarray  # [N] float32 mono
    rate: int  # samples a second
    start_s: float  # when the first sample sounds, counted from the first frame
