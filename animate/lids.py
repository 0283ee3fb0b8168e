"""How lids meet in a blink, whatever else moves them.

A lowered gaze, a squint and a raised cheek have taken the lids part of the way already; a blink goes the rest, or the
upper lid would run over the lower one. Wide lids yield, or they would not meet. How much each of them does is measured
on the head, as eyes differ from head to head.
"""

from __future__ import annotations

import numpy as np
import torch

from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.head import Head

_LOWERS = ("eyeSquint", "cheekSquint", "eyeLookDown")
_MIDDLE = ((37, 41), (38, 40), (43, 47), (44, 46))  # of the 68 landmarks: upper and lower lid, the right eye's first
_LEAST_LOOK_RAD = 0.01  # of eyes that their head does not turn
_LEAST_CLOSING = 0.5  # of the opening, by lids that a blink closes


class Lids:
    """The lids of a head."""

    def __init__(self, head: Head):
        posed = np.eye(len(ARKIT_NAMES))[[[INDEX[f"{name}{side}"] for side in ("Left", "Right")] for name in _LOWERS]]
        blink = np.eye(len(ARKIT_NAMES))[[INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]]
        weights = np.concatenate([np.zeros((1, len(ARKIT_NAMES))), [blink.sum(0)], posed.sum(1)])
        params = to_params(weights, head)
        self.looks_down_rad = max(float(params.eyes[-1, :, 0].mean()), _LEAST_LOOK_RAD)
        """How far the eyes turn where eyeLookDown is 1."""
        self.lowered = np.zeros(len(_LOWERS))
        """Share of a blink that each of _LOWERS does, at weight 1; 0 on a head whose blink leaves its lids apart."""
        if "68" in head.arrays.landmarks:
            with torch.no_grad():
                height = head.landmarks(head(params).vertices)[..., 1].double().numpy()
            open_m = np.mean([height[:, upper] - height[:, lower] for upper, lower in _MIDDLE], 0)
            closing = open_m[0] - open_m[1]
            if closing > _LEAST_CLOSING * open_m[0] > 0:
                self.lowered = np.clip((open_m[0] - open_m[2:]) / closing, 0.0, 1.0)


def blinked(weights: np.ndarray, shut: np.ndarray, look: np.ndarray, lids: Lids) -> np.ndarray:
    """Weights [T, 52] with lids closed by `shut` [T] in [0, 1]; eyes look `look` [T, 2] radians down and left."""
    out = weights.copy()
    gaze = np.clip(look[:, 0] / lids.looks_down_rad, 0.0, 1.0)
    for side in ("Left", "Right"):
        squint, cheek, blink = (out[:, INDEX[f"{name}{side}"]] for name in ("eyeSquint", "cheekSquint", "eyeBlink"))
        closed = np.clip(1 - np.stack([squint, cheek, gaze], 1) @ lids.lowered, 0.0, 1.0)
        blink += shut * np.maximum(closed - blink, 0.0)
        out[:, INDEX[f"eyeWide{side}"]] *= 1 - shut
    return np.clip(out, 0.0, 1.0)
