"""Valence and arousal of the eight emotions, and what is heard in a voice as curves over time.

Where an emotion lies in pleasure, arousal and dominance follows Russell & Mehrabian (1977), rounded to a tenth;
contempt is their "disdainful".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animate.emotion import EMOTIONS
from flame_tools.types import Curves

AFFECT = ("valence", "arousal")  # in [-1, 1]
# valence, arousal, dominance
PLACES = {
    "neutral": (0.0, 0.0, 0.0),
    "happy": (0.8, 0.5, 0.4),
    "sad": (-0.6, -0.3, -0.3),
    "surprise": (0.4, 0.7, -0.1),
    "fear": (-0.6, 0.6, -0.4),
    "disgust": (-0.6, 0.4, 0.1),
    "anger": (-0.5, 0.6, 0.3),
    "contempt": (-0.3, -0.1, 0.1),
}
_PLACES = np.array([PLACES[name] for name in EMOTIONS])
_NEARNESS = 0.08  # squared distance at which a place has 1/e of the say of one right there


@dataclass(frozen=True)
class HeardEmotion:
    """What a voice says, over time. Linear between its moments, held beyond them."""

    time_s: np.ndarray  # [n] increasing
    emotion: np.ndarray  # [n, 8] in [0, 1] in the order of EMOTIONS; neutral is what the others leave
    affect: np.ndarray  # [n, 2] in [-1, 1]: valence, arousal

    def at(self, times: np.ndarray) -> HeardEmotion:
        """The same at other moments [T]."""
        columns = [
            np.stack([np.interp(times, self.time_s, column) for column in rows.T], -1)
            for rows in (self.emotion, self.affect)
        ]
        return HeardEmotion(np.asarray(times, np.float64), *columns)

    def curves(self) -> dict[str, Curves]:
        """As a track keeps them."""
        return {
            "emotion": Curves(EMOTIONS, self.emotion.astype(np.float32)),
            "affect": Curves(AFFECT, self.affect.astype(np.float32)),
        }


def with_neutral(emotion: np.ndarray) -> np.ndarray:
    """Emotions [..., 8] with neutral set to what the other seven leave of 1."""
    out = np.clip(emotion, 0.0, 1.0)
    out[..., 0] = np.clip(1 - out[..., 1:].sum(-1), 0.0, 1.0)
    return out


def affect_of(emotion: np.ndarray) -> np.ndarray:
    """Valence and arousal [..., 2] of emotions [..., 8]: the places of those that are felt, by their intensity."""
    return np.clip(emotion @ _PLACES[:, :2], -1.0, 1.0)


def emotions_of(
    valence: np.ndarray,  # [...] in [-1, 1]
    arousal: np.ndarray,
    dominance: np.ndarray | None = None,
) -> np.ndarray:  # [..., 8]
    """Emotions near a place: each by how near it lies, and as strong as the place is far out in its direction.

    Without dominance fear and anger are told apart by next to nothing, and share.
    """
    given = [np.asarray(x, np.float64) for x in (valence, arousal, dominance) if x is not None]
    place = np.stack(given, -1)
    homes = _PLACES[:, : place.shape[-1]]
    distance = ((place[..., None, :] - homes) ** 2).sum(-1)
    say = np.exp(-(distance - distance.min(-1, keepdims=True)) / _NEARNESS)
    say /= say.sum(-1, keepdims=True)
    size = (homes**2).sum(-1)
    reach = np.clip((place @ homes.T) / np.where(size > 0, size, 1.0), 0.0, 1.0)
    return with_neutral(say * reach)
