"""The sheet's geometry, on a face that is stretched by known amounts."""

import numpy as np

from recon.detail.sheet import ATLAS, COLUMNS, LEFT, ROWS, TOP, sheet_of, steps, strain, surface_of


def test_the_face_lies_within(head):
    sheet = sheet_of(head.arrays)
    outside = sheet.face.area[sheet.inside < 0]
    nostrils = 0.02 * len(sheet.inside)  # they lie apart in the layout
    assert (outside > 0.3).sum() < nostrils
    assert sheet.area.shape == (ROWS, COLUMNS) and sheet.area.max() < 1.001
    assert sheet.area[40:50, 140:200].mean() > 0.9  # the forehead
    told = sheet.in_atlas(sheet.area)
    assert told.shape == (ATLAS, ATLAS) and told[TOP : TOP + ROWS, LEFT : LEFT + COLUMNS].sum() == told.sum()


def test_strain_is_what_was_pulled(head):
    sheet, a = sheet_of(head.arrays), head.arrays
    rest = surface_of(sheet, a.v_template, a.faces)
    wide = surface_of(sheet, a.v_template * 1.1, a.faces)
    middle = (slice(30, 60), slice(120, 220))
    np.testing.assert_allclose(strain(rest, rest), 0, atol=1e-7)
    pulled = strain(rest, wide)[(slice(None), *middle)]
    np.testing.assert_allclose(pulled[:2], 0.5 * (1.1**2 - 1), atol=2e-3)
    squeezed = strain(rest, surface_of(sheet, a.v_template * [0.8, 1, 1], a.faces))[(slice(None), *middle)]
    assert squeezed[0].mean() < -0.1 and abs(squeezed[1].mean()) < 0.02


def test_gradients_are_those_of_the_surface(head):
    """Heights that grow with x have a gradient along x, less what of it stands on the surface."""
    sheet, a = sheet_of(head.arrays), head.arrays
    surface = surface_of(sheet, a.v_template, a.faces)
    across, down = steps(sheet.rest[..., 0], sheet.covered)
    gradient = across[..., None] * surface.along[0] + down[..., None] * surface.along[1]
    x = np.array([1.0, 0.0, 0.0])
    true = x - surface.normals[..., :1] * surface.normals
    off = np.linalg.norm(gradient - true, axis=-1)[sheet.area > 0.5]
    assert np.median(off) < 0.08 and np.quantile(off, 0.9) < 0.25  # triangles are flat, the normals smooth
