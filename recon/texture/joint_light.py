"""The light of each of several views and the one albedo under all of them, found together on coarse cells of the atlas.

By turns: the albedo of a cell is the robust mean of what the views show there without their light; the light of a view
is fitted to it over the albedo that the other views and the prior, skin of one tone, tell. So one view alone is held
against plain skin, and the more views there are the less the prior says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon.texture.light import RIDGE

ROUNDS = 4
PRIOR = 0.5  # how much plain skin weighs beside one view
UNLIKE = 0.16  # natural logarithm: a view this far from the others counts a quarter
BRIGHTER = 0.7  # the same in shares of UNLIKE for what is brighter than the others: highlights
CHROMA = 0.5  # the same for what differs in hue
DARKEST = 0.15  # of the mean light: shades below are not taken out
STRENGTH, HUE = 1.0, 0.5  # how far light's changes of brightness and of colour over the face are taken out
LOWER = 0.45  # the share of the views' weight below what is taken for the cell's colour: highlights lie above


@dataclass(frozen=True, eq=False)
class Joint:
    """N views of K cells. Colours are in multiples of skin in good light."""

    albedo: np.ndarray  # [K, 3] where any view shows a cell
    weight: np.ndarray  # [K] how much was seen of it
    light: np.ndarray  # [N, 9, 3]: colours = albedo * (harmonics @ light)
    kept: np.ndarray  # [N, K] in [0, 1]: how well a view agrees with the others


def joint_light(
    colours: np.ndarray,  # [N, K, 3] linear, over the tone of skin in each view
    weights: np.ndarray,  # [N, K] in [0, 1], 0 where a view does not show a cell
    basis: np.ndarray,  # [N, K, 9] harmonics of the normals
    plain: np.ndarray,  # [K] in [0, 1]: where skin has one tone
) -> Joint:
    """Lights, albedo and what to leave out, by alternating robust least squares."""
    kept = np.ones(weights.shape)
    light = np.stack([_fit(b, c, np.ones_like(c), w * plain) for b, c, w in zip(basis, colours, weights, strict=True)])
    for _ in range(ROUNDS if len(colours) > 1 else 0):
        even = _even(colours, basis, light)
        kept = _agreement(even, weights, plain)
        used = weights * kept
        sums, total = (used[..., None] * even).sum(0), used.sum(0)
        for i in range(len(colours)):
            others = np.maximum(total - used[i], 0)
            albedo = (sums - used[i][:, None] * even[i] + PRIOR) / (others + PRIOR)[:, None]
            known = plain + (1 - plain) * others / (others + PRIOR)
            light[i] = _fit(basis[i], colours[i], albedo, used[i] * known)
    even = _even(colours, basis, light)
    if len(colours) > 1:
        kept = _agreement(even, weights, plain)
    used = weights * kept
    total = used.sum(0)
    albedo = (used[..., None] * even).sum(0) / np.maximum(total, 1e-9)[:, None]
    return Joint(albedo, np.minimum(total, 1), light, kept)


def _even(colours: np.ndarray, basis: np.ndarray, light: np.ndarray) -> np.ndarray:
    """[N, K, 3] without the light of each view; its level goes entirely, its changes as far as STRENGTH says."""
    level = np.maximum(light[:, :1], 1e-3)
    shade = np.maximum((basis @ light) / level, DARKEST)
    grey = shade.mean(-1, keepdims=True)
    return colours / level / (grey**STRENGTH * (shade / grey) ** HUE)


def _fit(basis: np.ndarray, colours: np.ndarray, albedo: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[9, 3] light that makes albedo [K, 3] look like colours [K, 3], reweighted three times."""
    light = np.zeros((9, 3))
    trust, ridge = weights, np.diag(np.array(RIDGE) * max(float(weights.sum()), 1e-6))
    for _ in range(3):
        for k in range(3):
            rows = basis * albedo[:, k : k + 1]
            weighted = rows * trust[:, None]
            light[:, k] = np.linalg.solve(rows.T @ weighted + ridge, weighted.T @ colours[:, k])
        error = np.abs((colours - albedo * (basis @ light)).mean(1))
        trust = weights / (1 + (error / 0.12) ** 2)
    return light


def _agreement(even: np.ndarray, weights: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """[N, K]: 1 where a view is like the others, near 0 where hair, a hand or a highlight lies over it."""
    grey = np.log(np.maximum(even, 1e-3))
    middle = np.stack([_quantile(grey[..., k], weights, PRIOR * 0.5 * plain) for k in range(3)], -1)
    apart = grey - middle
    level = apart.mean(-1)
    scale = np.where(level > 0, BRIGHTER * UNLIKE, UNLIKE)
    hue = np.linalg.norm(apart - level[..., None], axis=-1) / (CHROMA * UNLIKE)
    return 1 / (1 + (level / scale) ** 2 + hue**2) ** 2


def _quantile(values: np.ndarray, weights: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """[K] weighted lower medians of values [N, K], with plain skin, 0, as one more view of weight `plain`."""
    values = np.concatenate([values, np.zeros_like(values[:1])])
    weights = np.concatenate([weights, plain[None]]) + 1e-9
    order = np.argsort(values, axis=0, kind="stable")
    values, weights = np.take_along_axis(values, order, 0), np.take_along_axis(weights, order, 0)
    share = (np.cumsum(weights, 0) - 0.5 * weights) / weights.sum(0)
    above = np.clip((share < LOWER).sum(0), 1, len(values) - 1)[None]
    low, high = (np.take_along_axis(share, above - k, 0)[0] for k in (1, 0))
    first, last = (np.take_along_axis(values, above - k, 0)[0] for k in (1, 0))
    t = np.clip((LOWER - low) / np.maximum(high - low, 1e-9), 0, 1)
    return first + t * (last - first)
