"""What a photo tells of a face's relief, texel by texel, as the network reads it.

The light is fitted first: nine harmonics over the smooth normals (`recon.texture.light`). What is left of the colours
is the skin's own colour and the relief's shading; how brightness answers to a tilt of the surface, by the light, tells
a dent from a bump.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from readers.sampling import gaussian
from recon.detail.sheet import Sheet
from recon.texture.light import fit_light, harmonics

CHANNELS = 14
FINE = 5.0  # texels: brightness is also told against its mean over so much
_SOME = 7  # one texel of so many tells the light; odd: not every row alike


@dataclass(frozen=True, eq=False)
class Shown:
    """A photo on the sheet; directions in one frame, whichever. Zero where nothing is seen."""

    colours: np.ndarray  # [ROWS, COLUMNS, 3] linear
    normals: np.ndarray  # [ROWS, COLUMNS, 3] unit, of the fitted mesh
    seen: np.ndarray  # [ROWS, COLUMNS] in [0, 1]
    scale: np.ndarray  # [ROWS, COLUMNS] pixels a metre
    strain: np.ndarray  # [3, ROWS, COLUMNS] of the fitted expression, as `sheet.strain` has it
    axes: np.ndarray  # [2, ROWS, COLUMNS, 3] unit: across and down the sheet, on the surface


def channels(shown: Shown, sheet: Sheet) -> np.ndarray:
    """[CHANNELS, ROWS, COLUMNS] float32, each of the order of 1."""
    seen = shown.seen
    held = np.flatnonzero(seen.ravel() > 0.02)
    weights = (seen * sheet.plain * sheet.area).ravel()
    some = held[::_SOME]
    normals, colours = shown.normals.reshape(-1, 3), shown.colours.reshape(-1, 3)
    out = np.zeros((CHANNELS, seen.size), np.float32)
    if len(some) > 9 and weights[some].sum() > 1e-3:
        open_to = np.maximum(sheet.open.ravel()[held], 0.2)[:, None]
        lit = colours[held] / open_to
        light = fit_light(
            normals[some], colours[some] / np.maximum(sheet.open.ravel()[some], 0.2)[:, None], weights[some]
        )
        grey = light.mean(1)
        shade = np.maximum(harmonics(normals[held]) @ grey, 0.08 * max(float(np.abs(grey[0])), 1e-6))
        logs = np.log(np.maximum(lit, 2e-3))
        usual = weights[held] > 0.3 * weights[held].max()
        bright = np.log(np.maximum(lit.mean(1), 2e-3)) - np.log(shade)
        out[0, held] = np.clip(bright - np.median(bright[usual]), -1.5, 1.0)
        for k, (first, second) in enumerate(((0, 1), (2, 1)), 1):
            hue = logs[:, first] - logs[:, second]
            out[k, held] = np.clip(3 * (hue - np.median(hue[usual])), -2, 2)
        tilt = _tilt(normals[held], grey) / shade[:, None]
        axes = shown.axes.reshape(2, -1, 3)
        for k in (0, 1):
            out[4 + k, held] = np.clip((tilt * axes[k, held]).sum(1), -3, 3)
        out[6, held] = np.log(shade / np.median(shade[usual]))
    out = out.reshape(CHANNELS, *seen.shape)
    mask = (seen > 0.02).astype(np.float32)
    around = gaussian(out[0], FINE) / np.maximum(gaussian(mask, FINE), 1e-3)
    out[3] = np.clip(6 * (out[0] - around), -3, 3) * mask
    out[7] = seen
    out[8] = np.log2(np.maximum(shown.scale, 200) / 2000) * mask
    out[9:12] = 5 * shown.strain
    out[12:14] = np.moveaxis(sheet.rest[..., :2], -1, 0) / 0.05
    return out


def _tilt(normals: np.ndarray, light: np.ndarray) -> np.ndarray:
    """[n, 3] how the harmonics' shade changes with the normal; light [9]."""
    x, y, z = normals.T
    _, a, b, c, xy, xz, yz, d, e = light
    return np.stack(
        [a + xy * y + xz * z + 2 * d * x, b + xy * x + yz * z - 2 * d * y, c + xz * x + yz * y + 6 * e * z], 1
    )
