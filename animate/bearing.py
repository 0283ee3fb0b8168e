"""How a feeling is carried beyond the face: posture and motion of the head, where eyes rest, how often lids blink.

Heads are raised in happy speech and lowered in sad (Livingstone & Palmer 2016), and move more in happy and angry speech
than in sad (Busso et al. 2007). The rest is animators' practice: anger stares from under the brows, contempt looks down
its nose, fear shrinks back and blinks, disgust turns away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animate.chance import generator
from animate.emotion import EMOTIONS


@dataclass(frozen=True)
class Carriage:
    """What one emotion at intensity 1 adds to neutral."""

    down_deg: float = 0.0
    """The head is bowed by this, raised where negative."""
    turn_deg: float = 0.0
    """It is turned aside by this, to either side."""
    tilt_deg: float = 0.0
    """It is tilted by this, to either side."""
    moves: float = 1.0
    """Factor on nods, sway and drift."""
    gaze_down_deg: float = 0.0
    """The eyes rest this far below the camera."""
    away: float = 1.0
    """Factor on how often they look away."""
    blinks: float = 1.0
    """Factor on how often they blink."""


CARRIAGES = {
    "neutral": Carriage(),
    "happy": Carriage(down_deg=-1.5, tilt_deg=2.0, moves=1.35, blinks=1.1),
    "sad": Carriage(down_deg=6.5, tilt_deg=2.5, moves=0.55, gaze_down_deg=5.0, away=1.8, blinks=0.8),
    "surprise": Carriage(down_deg=-3.5, moves=0.9, away=0.3, blinks=0.6),
    "fear": Carriage(down_deg=-2.0, turn_deg=3.5, moves=0.7, away=1.6, blinks=1.4),
    "disgust": Carriage(down_deg=-2.0, turn_deg=6.0, tilt_deg=1.5, moves=0.9, away=1.5),
    "anger": Carriage(down_deg=4.5, moves=1.4, away=0.2, blinks=0.6),
    "contempt": Carriage(down_deg=-5.0, turn_deg=2.5, tilt_deg=3.0, moves=0.75, blinks=0.85),
}
_TABLE = np.array([list(vars(CARRIAGES[name]).values()) for name in EMOTIONS])
_TABLE -= list(vars(Carriage()).values())
_SLOW_S = 0.35  # a head is heavy: posture follows feeling with this deviation


@dataclass(frozen=True)
class Bearing:
    """What feelings make of head and eyes, over frames."""

    posture: np.ndarray  # [T, 3] radians: down, to the subject's left, tilt
    moves: np.ndarray  # [T] factor on nods, sway and drift
    look: np.ndarray  # [T, 2] radians down and to the subject's left of the camera, where eyes rest
    away: np.ndarray  # [T] factor on how often they look away
    blinks: np.ndarray  # [T] factor on how often they blink


def bearing_of(feelings: np.ndarray, times: np.ndarray, *, seed: int | tuple[int, ...] = 0) -> Bearing:
    """Bearing at times [T] (seconds, evenly apart) under feelings [8] or [T, 8] in [0, 1]: sides follow the seed."""
    felt = np.broadcast_to(feelings, (len(times), len(EMOTIONS)))
    rows = _slowed(felt @ _TABLE, times)
    down, turn, tilt, moves, lowered, away, blinks = rows.T
    left, leaning = generator(seed, "bearing").choice([-1.0, 1.0], 2)
    return Bearing(
        np.radians(np.stack([down, left * turn, leaning * tilt], 1)),
        moves=np.maximum(1 + moves, 0.2),
        look=np.radians(np.stack([lowered, np.zeros(len(times))], 1)),
        away=np.maximum(1 + away, 0.1),
        blinks=np.maximum(1 + blinks, 0.1),
    )


def _slowed(rows: np.ndarray, times: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    if len(times) < 2:
        return rows
    return gaussian_filter1d(rows, _SLOW_S / (times[1] - times[0]), axis=0, mode="nearest")
