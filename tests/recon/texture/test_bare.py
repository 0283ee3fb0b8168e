"""Hair is looked for above the forehead."""

import numpy as np

from recon.texture.bare import BALD, hair_colour
from render.camera import portrait_camera, project
from render.materials import linear_to_srgb, srgb_to_linear

SKIN, HAIR = np.array([190, 140, 112]), np.array([62, 52, 50])


def photo(head, hair_from_m, *, shine_m=0.0, forehead=1.0, hair_to_m=1.0, sky=None):
    """Plain skin, hair from so far above the forehead to so far; below it a highlight that is so high.

    The forehead may be brighter than the cheeks. What lies above the hair is the sky, which is also beside the head.
    """
    arrays = head.arrays
    camera = portrait_camera((400, 400), arrays.v_template)
    marks = arrays.landmarks["468"]
    corners = arrays.v_template[arrays.faces[marks.faces[[10, 9]]]]
    top, brow = (corners * marks.barycentrics[[10, 9], :, None]).sum(1)
    image = np.tile(SKIN.astype(np.uint8), (400, 400, 1))

    def row(height, base=top):
        return max(int(project((base + np.array([0, height, 0]))[None], camera)[0, 1]), 0)

    image[: row(0.0, brow)] = np.clip(SKIN * forehead, 0, 255)
    if shine_m:
        image[row(shine_m) : row(-0.004)] = np.clip(SKIN * 1.25, 0, 255)
    image[: row(hair_from_m)] = HAIR
    if sky is not None:
        image[: row(hair_to_m)] = sky
        outside = int(project((top + np.array([0.1, 0, 0]))[None], camera)[0, 0])
        image[: row(0.0, brow), outside:] = image[: row(0.0, brow), : 400 - outside] = sky
    return image, arrays, arrays.v_template.astype(np.float64), camera, srgb_to_linear(SKIN / 255)


def test_hair_has_its_colour(head):
    found = hair_colour(*photo(head, 0.01))
    assert np.abs(255 * linear_to_srgb(found) - HAIR).max() < 3


def test_a_highlight_is_no_hair(head):
    found = hair_colour(*photo(head, 0.03, shine_m=0.006))
    assert np.abs(255 * linear_to_srgb(found) - HAIR).max() < 3


def test_who_is_bald_has_darker_skin(head):
    arguments = photo(head, 1.0)
    np.testing.assert_allclose(hair_colour(*arguments), BALD * arguments[-1])


def test_a_forehead_brighter_than_the_cheeks_is_no_hair(head):
    found = hair_colour(*photo(head, 0.035, forehead=1.3))
    assert np.abs(255 * linear_to_srgb(found) - HAIR).max() < 3
    bright = photo(head, 1.0, forehead=1.3)
    np.testing.assert_allclose(hair_colour(*bright), BALD * bright[-1])


def test_what_is_seen_beside_a_bald_head_is_no_hair(head):
    dark = HAIR.astype(np.uint8)
    skull = np.ptp(head.arrays.v_template[head.arrays.regions["scalp"], 1])
    bald = photo(head, 1.0, sky=dark, hair_to_m=skull)
    np.testing.assert_allclose(hair_colour(*bald), BALD * bald[-1])


def test_hair_is_found_before_a_bright_wall(head):
    found = hair_colour(*photo(head, 0.02, sky=np.array([240, 240, 240], np.uint8), hair_to_m=0.05))
    assert np.abs(255 * linear_to_srgb(found) - HAIR).max() < 3
