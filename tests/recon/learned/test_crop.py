"""Where a head stands in a crop: the way there and back, and what it means in pixels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from readers.sampling import Square
from recon.fitting.rotation import rotation_matrix
from recon.learned.crop import CropCamera

angles = st.floats(-1.2, 1.2)


@settings(deadline=None, max_examples=50)
@given(angles, angles, angles, st.floats(-300, 900), st.floats(-200, 700), st.floats(-3, 3), st.floats(0.3, 3))
def test_there_and_back(a, b, c, x, y, turned, distance):
    camera = CropCamera(Square(x, y, 220.0, turned), 700.0, np.array([320.0, 240.0]))
    rotation, anchor = rotation_matrix(np.array([a, b, c])), np.array([0.1, -0.2, -1.0]) * distance
    seen, place = camera.to_crop(rotation, anchor)
    back, at = camera.to_world(seen, place)
    np.testing.assert_allclose(back, rotation, atol=1e-12)
    np.testing.assert_allclose(at, anchor, atol=1e-9)
    np.testing.assert_allclose(seen @ seen.T, np.eye(3), atol=1e-12)


def test_a_face_that_looks_into_the_lens_is_frontal_wherever_it_stands():
    """A head off the axis, turned so that it looks at the camera, is a frontal face in its own crop."""
    for at in (np.array([0.5, 0.3, -1.0]), np.array([-0.6, 0.1, -1.5])):
        forward = -at / np.linalg.norm(at)
        right = np.cross([0, 1, 0], forward)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward], 1)
        pixels = 600 * at[:2] * (1, -1) / -at[2] + (320, 240)
        seen, place = CropCamera(Square(*pixels, 200.0, 0.0), 600.0, np.array([320.0, 240.0])).to_crop(rotation, at)
        np.testing.assert_allclose(seen[:, 2], [0, 0, 1], atol=1e-9)
        np.testing.assert_allclose(place[:2], 0, atol=1e-9)


def test_a_turned_crop_turns_the_head_the_other_way():
    square = Square(320.0, 240.0, 200.0, 0.4)  # clockwise on the screen
    seen, _ = CropCamera(square, 600.0, np.array([320.0, 240.0])).to_crop(np.eye(3), np.array([0, 0, -1.0]))
    np.testing.assert_allclose(seen, rotation_matrix(np.array([0, 0, 0.4])), atol=1e-12)  # against the clock


def test_the_scale_is_how_many_sides_a_metre_has():
    camera = CropCamera(Square(320.0, 240.0, 200.0), 600.0, np.array([320.0, 240.0]))
    _, place = camera.to_crop(np.eye(3), np.array([0, 0, -1.5]))
    np.testing.assert_allclose(np.exp(place[2]) * 200, 600 / 1.5)
