import numpy as np
import pytest
import torch

from flame_tools.arkit import ARKIT_NAMES, to_params
from readers.faces import read_faces
from readers.teeth import teeth_share, teeth_together
from recon.fitting.evaluate import cross_score
from recon.fitting.fit import fit
from recon.fitting.observation import Observation, View
from render.camera import portrait_camera, project
from render.image import read_image
from render.preview import draw

from .conftest import shared

GRIN = {"mouthSmile": 0.8, "mouthUpperUp": 0.6, "mouthLowerDown": 0.6}


def made_up(head, recipe: dict[str, float], size: int = 700, *, yaw_deg: float = 10):
    """A picture [size, size, 3] of the mean face in an expression, what can be seen of it, and its camera."""
    weights = torch.zeros(len(ARKIT_NAMES))
    for name, value in recipe.items():
        for full in (name, f"{name}Left", f"{name}Right"):
            if full in ARKIT_NAMES:
                weights[ARKIT_NAMES.index(full)] = value
    vertices = head.vertices(to_params(weights, head))
    camera = portrait_camera((size, size), head.v_template, yaw_deg=yaw_deg)
    marks = project(head.landmarks(vertices, "468").double(), camera)[:, :2].numpy()
    irises = project(head.landmarks(vertices, "iris").double(), camera)[[0, 5]].numpy()
    radius = camera.focal[0] * 0.00585 / irises[:, 2]
    return draw(head, vertices, camera), Observation(
        marks, irises[:, :2], radius, View((size, size), float(camera.focal[0]))
    )


def test_teeth_are_told_from_the_open_mouth(head):
    for yaw in (-20, 0, 20):
        picture, seen = made_up(head, GRIN, yaw_deg=yaw)
        assert teeth_together(picture, seen.landmarks) > 0.8, yaw
        for recipe in ({"jawOpen": 0.4}, {"jawOpen": 0.9}, {"jawOpen": 0.5, "tongueOut": 1.0}):
            picture, seen = made_up(head, recipe, yaw_deg=yaw)
            assert teeth_together(picture, seen.landmarks) < 0.35, (yaw, recipe)


def test_a_shut_mouth_tells_nothing(head):
    picture, seen = made_up(head, {})
    assert np.isnan(teeth_share(picture, seen.landmarks)) and teeth_together(picture, seen.landmarks) == 0


def test_a_smile_with_teeth_together_comes_back_with_its_jaw_shut(head, model):
    picture, seen = made_up(head, GRIN)
    seen = Observation(**vars(seen) | {"together": teeth_together(picture, seen.landmarks)})
    found = fit(head.arrays, model, seen)
    assert found.unknowns[model.layout.jaw][0] < 0.1 * head.arrays.jaw_open_rad
    weight = dict(zip(head.arrays.expression_names, found.unknowns[model.layout.expression], strict=True))
    assert weight["mouthSmileLeft"] + weight["mouthSmileRight"] > 0.8


@pytest.mark.parametrize("opened", [0.3, 0.6, 0.9])
def test_an_open_jaw_comes_back_open(head, model, opened):
    picture, seen = made_up(head, {"jawOpen": opened})
    seen = Observation(**vars(seen) | {"together": teeth_together(picture, seen.landmarks)})
    jaw = fit(head.arrays, model, seen).unknowns[model.layout.jaw][0] / head.arrays.jaw_open_rad
    assert jaw > opened - 0.12


@pytest.mark.parametrize("name", ["astronaut.png", "obama_official_2012.jpg"])
def test_the_portraits_smile_with_their_teeth_together(head, model, name):
    image = read_image(shared(name))
    (reading,) = read_faces(image)
    together = teeth_together(image, reading.landmarks[:, :2])
    assert together > 0.8
    score = cross_score(head.arrays, model, Observation.of(reading, image.shape[1::-1], None, together))
    assert score.fit.unknowns[model.layout.jaw][0] < 0.1 and score.nme_468 < 0.03
