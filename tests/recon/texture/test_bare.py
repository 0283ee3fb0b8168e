"""Hair is looked for above the forehead."""

import numpy as np

from recon.texture.bare import hair_colour
from render.camera import portrait_camera, project
from render.materials import linear_to_srgb, srgb_to_linear

SKIN, HAIR = np.array([190, 140, 112]), np.array([62, 52, 50])


def photo(head, hair_from_m, *, shine_m=0.0):
    """Plain skin, hair from so far above the forehead on, and below it a highlight that is so high."""
    arrays = head.arrays
    camera = portrait_camera((400, 400), arrays.v_template)
    marks = arrays.landmarks["468"]
    top = (arrays.v_template[arrays.faces[marks.faces[10]]] * marks.barycentrics[10][:, None]).sum(0)
    image = np.tile(SKIN.astype(np.uint8), (400, 400, 1))
    row = [
        int(project((top + np.array([0, height, 0]))[None], camera)[0, 1]) for height in (-0.004, shine_m, hair_from_m)
    ]
    if shine_m:
        image[row[1] : row[0]] = np.clip(SKIN * 1.25, 0, 255)
    image[: row[2]] = HAIR
    return image, arrays, arrays.v_template.astype(np.float64), camera, srgb_to_linear(SKIN / 255)


def test_hair_has_its_colour(head):
    found = hair_colour(*photo(head, 0.01))
    assert np.abs(255 * linear_to_srgb(found) - HAIR).max() < 3


def test_a_highlight_is_no_hair(head):
    found = hair_colour(*photo(head, 0.03, shine_m=0.006))
    assert np.abs(255 * linear_to_srgb(found) - HAIR).max() < 3


def test_who_is_bald_has_darker_skin(head):
    arguments = photo(head, 1.0)
    np.testing.assert_allclose(hair_colour(*arguments), 0.6 * arguments[-1])
