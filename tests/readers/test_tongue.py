"""How far the tongue is out: of drawn heads, and of a portrait that smiles."""

import numpy as np
import pytest

from assets import asset_path
from flame_tools import load_head
from flame_tools.arkit import INDEX, to_params
from readers.faces import read_faces
from readers.teeth import teeth_together
from readers.tongue import APART, bundled_tongue_reader, lips_apart, teeth_and_tongue, tongue_out, window
from render.camera import portrait_camera
from render.image import read_image
from render.preview import draw, head_bounds

HEAD = load_head()


def picture(tongue: float) -> tuple[np.ndarray, np.ndarray]:
    """A drawn head and the landmarks read in it."""
    import torch

    weights = torch.zeros(len(INDEX))
    weights[INDEX["tongueOut"]], weights[INDEX["jawOpen"]] = tongue, 0.3
    vertices = HEAD.vertices(to_params(weights, HEAD)).numpy()
    image = draw(HEAD, vertices, portrait_camera((320, 360), head_bounds(HEAD), yaw_deg=8))
    return image, read_faces(image)[0].landmarks[:, :2]


@pytest.fixture(scope="module")
def drawn() -> dict[float, tuple[np.ndarray, np.ndarray]]:
    return {tongue: picture(tongue) for tongue in (0.0, 0.9)}


def test_a_tongue_is_seen_and_an_open_mouth_is_none(drawn):
    inside = {tongue: teeth_and_tongue(*shown) for tongue, shown in drawn.items()}
    assert inside[0.0][1] < 0.1 and inside[0.9][1] > 0.5
    assert inside[0.9][0] < 0.05  # teeth are not together behind it


def test_teeth_speak_against_it(drawn):
    out = [tongue_out(*drawn[0.9], together) for together in (0.0, 0.5, 1.0)]
    assert out[0] >= out[1] >= out[2]
    smile = read_image(asset_path("astronaut"))
    landmarks = read_faces(smile)[0].landmarks[:, :2]
    assert teeth_together(smile, landmarks) > 0.5
    assert teeth_and_tongue(smile, landmarks)[1] == 0


def test_the_window_follows_the_face(drawn):
    image, landmarks = drawn[0.9]
    square = window(landmarks)
    inside = np.abs(square.from_image(landmarks[[61, 291, 0, 17]]) - 0.5) < 0.5
    assert inside.all()  # the whole mouth
    larger = window(2 * landmarks)
    np.testing.assert_allclose([larger.x, larger.y, larger.size], 2 * np.array([square.x, square.y, square.size]))
    twice = np.ascontiguousarray(image.repeat(2, 0).repeat(2, 1))
    assert abs(tongue_out(twice, 2 * landmarks, 0.0) - tongue_out(image, landmarks, 0.0)) < 0.1
    assert not bundled_tongue_reader().training


def test_lips_that_are_not_apart_hold_no_tongue(drawn):
    """Full red lips look like one to the network: nine in a hundred photographed faces did."""
    image, landmarks = drawn[0.9]
    shut = landmarks.copy()
    shut[13] = shut[14] = (landmarks[13] + landmarks[14]) / 2
    assert tongue_out(image, landmarks, 0.0) > 0.5 and lips_apart(landmarks) > APART[1]
    assert tongue_out(image, shut, 0.0) == 0.0
