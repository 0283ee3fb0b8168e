"""A tongue that is out in pictures is out in what they become: a photo, and a film whose face puts it out and in."""

import dataclasses

import numpy as np
import pytest
import torch

import emberface
from flame_tools.arkit import ARKIT_NAMES, to_params
from readers.faces import read_faces
from recon.fitting.observation import View
from recon.fitting.priors import tongue_in
from recon.pipeline import observe, reconstruct
from render.camera import portrait_camera
from render.preview import draw
from render.video import write_video

FRAMES = 12  # the tongue is out in the second half


@pytest.fixture(scope="module")
def faces(head) -> dict[bool, np.ndarray]:
    """Pictures of the mean face, by whether its tongue is out."""
    camera = portrait_camera((360, 400), head.v_template, yaw_deg=6)
    shown = {}
    for out in (False, True):
        weights = torch.zeros(len(ARKIT_NAMES))
        weights[ARKIT_NAMES.index("jawOpen")] = 0.25 if out else 0.05
        weights[ARKIT_NAMES.index("tongueOut")] = 0.9 * out
        shown[out] = draw(head, head.vertices(to_params(weights, head)), camera)
    return shown


@pytest.fixture(scope="module")
def film(faces, tmp_path_factory):
    path = tmp_path_factory.mktemp("tongue") / "tongue.mp4"
    write_video(path, (faces[i >= FRAMES // 2] for i in range(FRAMES)), 12)
    return path


@pytest.mark.parametrize("method", ["auto", "solve", "regress"])
def test_a_photo(faces, head, method):
    at = head.arrays.expression_names.index("tongueOut")
    for out, picture in faces.items():
        (track,) = reconstruct(picture, head, method=method)
        told = float(track.params.expression[0, at])
        assert (told > 0.5) if out else (told < 0.05), (method, out, told)


@pytest.mark.parametrize("method", ["auto", "regress"])
def test_a_film(film, head, method):
    track = emberface.recon(film, method=method)
    told = track.params.expression[:, head.arrays.expression_names.index("tongueOut")].numpy()
    assert told[: FRAMES // 2 - 2].max() < 0.1 and told[FRAMES // 2 + 2 :].min() > 0.5


def test_who_has_no_tongue_has_nothing_to_put_out(faces, head, model):
    image = faces[True]
    seen = observe(image, read_faces(image)[0], View(image.shape[1::-1]), head.arrays, None)
    assert seen.tongue > 0.5 and seen.together < 0.1
    at = tongue_in(head.arrays, model.layout)
    assert at.stop - at.start == 1
    without = dataclasses.replace(
        head.arrays, expression_names=tuple("other" if n == "tongueOut" else n for n in head.arrays.expression_names)
    )
    at = tongue_in(without, model.layout)
    assert at.start == at.stop
