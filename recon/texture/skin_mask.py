"""The colour of a person's skin in a picture, and where that shows hair, a hat or the background instead."""

from __future__ import annotations

import numpy as np

from recon.texture.face_area import Face
from recon.texture.surface import smooth_step
from render.materials import MATERIALS, srgb_to_linear

SHADED = (0.6, 1.1)  # logarithm of light below that of skin: lids, and a rim of glasses or a deep shade over them
PALER = (0.35, 0.7)  # how much less red over blue, in logarithms, the white of an eye has
HUE_FREE = 0.1  # how far hues of skin are apart, in logarithms
BEARDED, OF_BEARD = (0.35, 0.6), (0.25, 0.5)  # logarithm of skin's light over a chin's: of its median, of one texel
FLANKED = (0.65, 0.8)  # the same of the darkest quarter of either half of the jaw
LIT = (-0.1, 0.05)  # below: a chin with more light than most skin
COLUMNS, ROWS, EXTENT_M = 40, 32, 0.08  # cells of the forehead: to either side of the middle, and up from the brows


def skin_tone(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[3] the colour of skin in good light: the mean of what is brighter than half of it, without the highlights."""
    kept = np.flatnonzero(weights > 0.3)
    if len(kept) < 50:
        return srgb_to_linear(np.array(MATERIALS["skin"].colour) / 255)
    order = np.argsort(colours[kept].mean(1), kind="stable")
    share = np.cumsum(weights[kept][order])
    middle = order[(share > 0.55 * share[-1]) & (share < 0.75 * share[-1])]
    return colours[kept][middle].mean(0)


def skin_like(colours: np.ndarray, seen: np.ndarray, tone: np.ndarray, face: Face) -> np.ndarray:
    """[T] near 0 where hair or background shows on forehead, temples and the rim; 1 elsewhere and where not seen.

    Brows, eyes and lips lie further in and are kept whatever their colour; a beard is kept to the rim. Once a fringe
    or the brim of a hat has begun, what follows above is no skin even where its colour says so.
    """
    from recon.texture.texels_numba import above_hair, add_to_columns, unlike_skin

    judged = np.maximum(face.rim, face.forehead) * (seen > 0)
    unlike = np.zeros(len(judged), np.float32)
    unlike_skin(colours, judged, np.asarray(tone, np.float64), unlike)
    share, count = np.zeros((ROWS, COLUMNS)), np.zeros((ROWS, COLUMNS))
    add_to_columns(face.rest, face.brow, EXTENT_M, seen, unlike * face.forehead, share, count)
    begun = np.maximum.accumulate(share / np.maximum(count, 1), axis=0)
    fringe = np.zeros_like(unlike)
    above_hair(face.rest, face.brow, EXTENT_M, begun, fringe)
    return np.maximum(1 - np.maximum(judged * unlike, fringe), beard(colours, seen, tone, face))


def beard(colours: np.ndarray, seen: np.ndarray, tone: np.ndarray, face: Face) -> np.ndarray:
    """[T] in [0, 1]: where colours [T, 3] in even light show a dark beard.

    All 0 if neither most of the chin is darker nor a good part of either half of the jaw: a chin may have gone grey,
    and shade darkens one half, or both under a chin that is well lit.
    """
    chin = np.flatnonzero(face.chin * seen > 0.3)
    if len(chin) < 50:
        return np.zeros(len(colours), np.float32)
    darker = np.log(tone.mean() + 0.01) - np.log(colours.mean(1) + 0.01)
    inside = face.jaw * (1 - face.rim) * seen > 0.3  # a collar is at the rim
    halves = [np.flatnonzero(inside & (side * face.rest[:, 0] > 0)) for side in (-1, 1)]
    flanks = min(np.percentile(darker[half], 75) if len(half) >= 50 else 0.0 for half in halves)
    usual = np.median(darker[chin])
    grown = max(smooth_step(usual, *BEARDED), smooth_step(flanks, *FLANKED) * smooth_step(usual, *LIT))
    return (grown * face.jaw * smooth_step(darker, *OF_BEARD) * (seen > 0)).astype(np.float32)


def lids_clear(colours: np.ndarray, tone: np.ndarray, face: Face) -> np.ndarray:
    """[T] float32: 0 on lids where something much darker, or whiter, than skin of this tone [3] is seen, 1 elsewhere.

    Rims of glasses and what they mirror, deep shade and the white of an eye would be stretched over the eye that shuts.
    """
    clear = np.ones(len(face.lids), np.float32)
    lids = np.flatnonzero(face.lids > 0)
    darker = np.log((tone.mean() + 0.01) / (colours[lids].mean(1) + 0.01))
    pale = smooth_step(_warmth(tone) - _warmth(colours[lids]), *PALER) * smooth_step(-darker, -0.3, 0.0)
    clear[lids] -= face.lids[lids] * np.maximum(smooth_step(darker, *SHADED), pale)
    return clear


def held_in_hue(colours: np.ndarray, tone: np.ndarray, face: Face) -> np.ndarray:
    """Colours [T, 3] whose hue on plain skin stays near the tone's: shades of a photo go red, and highlights yellow.

    How far a hue is off, in logarithms, grows only with its own logarithm beyond HUE_FREE. Grey hair of a beard is
    left as it is.
    """
    mean = np.maximum(colours.mean(1, keepdims=True), 1e-4)
    off = np.log(np.maximum(colours, 1e-4) / mean) - np.log(tone / tone.mean())
    size = np.linalg.norm(off, axis=1)
    less = HUE_FREE * (1 + np.log(np.maximum(size, HUE_FREE) / HUE_FREE)) / np.maximum(size, HUE_FREE)
    hair = (off[:, 0] < 0) * smooth_step(-np.log(mean[:, 0] / tone.mean()), 0.4, 0.9)
    share = np.minimum(5 * face.plain, 1) * (1 - hair)
    held = colours * np.exp(off * (share * (less - 1))[:, None])
    return (held * (mean / np.maximum(held.mean(1, keepdims=True), 1e-4))).astype(np.float32)


def _warmth(colours: np.ndarray) -> np.ndarray:
    """[...] logarithm of red over blue."""
    return np.log(np.maximum(colours[..., 0], 1e-3) / np.maximum(colours[..., 2], 1e-3))
