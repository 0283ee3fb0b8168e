import numpy as np
import pytest

from recon.texture.face_area import face_of
from recon.texture.lips import with_even_lips

TONE = np.array([0.5, 0.3, 0.2])
RED = np.array([0.4, 0.15, 0.13])


@pytest.fixture(scope="module")
def face(head):
    return face_of(head.arrays, 256)


@pytest.fixture
def stretched(face):
    """A face whose lips were read red in their middle only."""
    middle = (face.lips > 0.5) & (np.abs(face.rest[:, 0]) < 0.010)
    return np.where(middle[:, None], RED, TONE).astype(np.float32), middle


def redness(colours):
    return np.log(colours[..., 0] / colours[..., 1])


def test_lips_are_red_from_corner_to_corner(face, stretched):
    colours, middle = stretched
    seen = np.ones(len(colours), np.float32)
    even = with_even_lips(colours, seen, TONE, face)
    sides = (face.lips > 0.95) & ~middle
    assert sides.sum() > 50 and redness(colours)[sides].max() < 0.6
    assert redness(even)[sides].min() > redness(TONE) + 0.7 * (redness(RED) - redness(TONE))
    np.testing.assert_array_equal(even[face.lips == 0], colours[face.lips == 0])
    np.testing.assert_allclose(even[middle], colours[middle], atol=1e-5)
    unseen = with_even_lips(colours, np.where(sides, 0, seen), TONE, face)
    np.testing.assert_allclose(unseen[sides], even[sides], atol=0.02)


def test_lips_that_nobody_saw_or_that_have_no_colour_of_their_own_are_left_alone(face, stretched):
    colours, _ = stretched
    assert with_even_lips(colours, np.zeros(len(colours), np.float32), TONE, face) is colours
    pale = np.tile(TONE, (len(colours), 1)).astype(np.float32)
    np.testing.assert_allclose(with_even_lips(pale, np.ones(len(pale), np.float32), TONE, face), pale, atol=1e-5)


def test_a_moustache_over_the_lips_stays_and_their_shine_goes(face, stretched):
    colours, _ = stretched
    seen = np.ones(len(colours), np.float32)
    hair = (face.lips > 0.95) & (face.rest[:, 0] > 0.015)
    shiny = (face.lips > 0.95) & (np.abs(face.rest[:, 0]) < 0.002)
    mixed = np.where(hair[:, None], 0.05, np.where(shiny[:, None], 2.0 * colours, colours)).astype(np.float32)
    found = with_even_lips(mixed, seen, TONE, face)
    np.testing.assert_allclose(found[hair], mixed[hair], atol=1e-4)
    assert (found[shiny].mean(1) < 0.8 * mixed[shiny].mean(1)).all()
