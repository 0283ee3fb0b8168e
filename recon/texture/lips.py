"""Lips in their own red from edge to edge: a smile has stretched them thin, and shut ones are wider than it showed."""

from __future__ import annotations

import numpy as np

from recon.texture.face_area import Face
from recon.texture.surface import smooth_step

LEAST = 100  # texels to know lips by
REDDEST = 0.35  # the share of them that is surely lip
REDDER = (0.03, 0.10)  # logarithm of red over green, above the skin's: lips that are no other colour are left alone
PULL = 0.75  # how far a texel goes towards the lips' hue
SHINE, DEPTH = 0.5, (0.35, 0.8)  # what is kept of light above the usual; logarithm of light below it: hair, a shade


def with_even_lips(colours: np.ndarray, seen: np.ndarray, tone: np.ndarray, face: Face) -> np.ndarray:
    """Colours [T, 3] whose lips have the hue of their reddest third, where it is seen [T], and less of its shine.

    Linear, as the skin's tone [3]. Skin that a fit has drawn onto the lips becomes red; hair over them stays.
    """
    inside = np.flatnonzero(face.lips > 0)
    known = inside[(face.lips[inside] > 0.8) & (seen[inside] > 0.5)]
    if len(known) < LEAST:
        return colours
    hue, skin = _hue(colours[inside]), _hue(tone)
    redness = hue[:, 0] - hue[:, 1] - (skin[0] - skin[1])
    of_known = np.isin(inside, known, assume_unique=True)
    red = of_known & (redness >= np.quantile(redness[of_known], 1 - REDDEST))
    light = np.log(np.maximum(colours[inside].mean(1), 1e-4))
    own, usual, most = hue[red].mean(0), light[red].mean(), redness[red].mean()
    sure = smooth_step(most, *REDDER)
    share = PULL * sure * face.lips[inside] * (1 - smooth_step(usual - light, *DEPTH))
    hue = hue + (share * (redness < most))[:, None] * (own - hue)
    light = light - (1 - SHINE) * sure * face.lips[inside] * np.maximum(light - usual, 0)
    out = colours.copy()
    painted = np.exp(hue)
    out[inside] = painted * (np.exp(light) / painted.mean(1))[:, None]
    return out


def _hue(colours: np.ndarray) -> np.ndarray:
    """[..., 3] logarithms of colours over their mean."""
    colours = np.maximum(colours, 1e-4)
    return np.log(colours / colours.mean(-1, keepdims=True))
