"""A texture without the folds that its picture's expression presses into the skin.

Those of a smile are dark lines, and would stay on the face at rest. recon-detail says where there are furrows, the
fitted expression where the skin is pressed together; where both are so, colours come from beside the furrow, and only
what is finer than it stays. What an old skin shows without any expression stays, too.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import max_pool2d

from flame_tools.head import Head
from flame_tools.smooth import smooth_step
from flame_tools.types import Appearance, FaceParams
from readers.sampling import gaussian
from recon.detail.photo import bundled_detail, read, shown_in
from recon.detail.sheet import ATLAS, sheet_of
from recon.texture.fill import push_pull
from recon.texture.posed_view import PosedView, encode, linear

PRESSED = (0.03, 0.12)  # strain: from nothing to all of a furrow is the expression's
FURROW_MM = (0.02, 0.2)  # below the skin around it
AROUND, NEAR = 7.0, 9  # texels of the sheet: what a furrow lies below; how wide it is with its brinks
FINE, FAINT = 1.0, 0.06  # texels, and natural logarithm: what is finer and no darker is pores, not folds
DARKEST = 1e-3  # linear
GRID = 512  # texels along the atlas on which colours are filled in; a power of two


def without_pressed_folds(appearance: Appearance, view: PosedView, head: Head, params: FaceParams) -> Appearance:
    """The appearance of a face with `params` (one frame) in a view, its texture smooth where the expression folds it.

    The same for a head that recon-detail does not know.
    """
    net = bundled_detail()
    if appearance.albedo is None or net.config.head_id != head.arrays.id:
        return appearance
    sheet, shown = sheet_of(head.arrays), shown_in(view, head, params)
    pressed = _pressed(shown.strain) * sheet.area
    if pressed.max() <= 0:
        return appearance
    share = sheet.in_atlas(pressed) * _furrows(1000 * read(shown, sheet, net).shown)
    plain = sheet.in_atlas(sheet.area * sheet.plain)
    return dataclasses.replace(appearance, albedo=_smoothed(appearance.albedo, share, plain))


def _pressed(strain: np.ndarray) -> np.ndarray:
    """[ROWS, COLUMNS] in [0, 1]: how far the skin near by is pressed together, in whichever direction."""
    across, down, aslant = strain
    most = np.hypot((across - down) / 2, aslant) - (across + down) / 2
    return smooth_step(gaussian(_widened(most), NEAR / 2), *PRESSED)


def _furrows(heights: np.ndarray) -> np.ndarray:
    """Where heights in mm are furrows, and their brinks, in [0, 1]."""
    below = gaussian(heights, AROUND) - gaussian(heights, FINE)
    furrows = _widened(smooth_step(below, *FURROW_MM))
    return np.minimum(1.3 * gaussian(furrows, 2.0), 1)


def _widened(values: np.ndarray) -> np.ndarray:
    """The largest of the NEAR x NEAR texels around each."""
    return max_pool2d(torch.from_numpy(values)[None], NEAR, stride=1, padding=NEAR // 2)[0].numpy()


def _smoothed(albedo: np.ndarray, share: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """Albedo [n, n, 3] uint8 sRGB with colours from beside furrows; `share` of them, `plain` skin [ATLAS, ATLAS]."""
    share, known = _resized(share, GRID), _resized(plain, GRID)
    small = np.asarray(Image.fromarray(albedo).resize((GRID, GRID), Image.Resampling.BOX))
    logs = np.log(np.maximum(linear(small), DARKEST))
    coarse = gaussian(logs, FINE * GRID / ATLAS)
    beside = push_pull(coarse, known * (1 - share) ** 2)
    lines = np.minimum(logs - coarse + FAINT, 0)
    gains = share[..., None] * (beside - coarse - lines)
    rows, columns = np.nonzero(_resized(share, len(albedo)))
    gains = np.stack([_resized(gains[..., k], len(albedo))[rows, columns] for k in range(3)], 1)
    smooth = albedo.copy()
    smooth[rows, columns] = encode(linear(albedo[rows, columns]) * np.exp(gains))
    return smooth


def _resized(values: np.ndarray, size: int) -> np.ndarray:
    """A map of the atlas at [size, size]."""
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize((size, size), Image.Resampling.BILINEAR))
