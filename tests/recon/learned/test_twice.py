"""A photo and its mirror image say the same of a face."""

import dataclasses

import numpy as np
import pytest
import torch

from assets.locate import asset_path
from flame_tools.load import load_head
from readers.faces import read_faces
from recon.fitting.observation import View
from recon.learned.mirror import Mirror
from recon.learned.regressed import base_of, expected
from recon.learned.twice import Twice, twice
from recon.pipeline import landmark_model
from render.image import read_image


@pytest.fixture(scope="module")
def arrays():
    return load_head().arrays


def test_a_mirrored_photo_gives_a_mirrored_face(arrays):
    image, model, mirror = read_image(asset_path("astronaut")), landmark_model(arrays), Mirror(arrays)
    wide, facing = image.shape[1], mirror.marks.numpy()
    reading, view, net = read_faces(image)[0], View((wide, image.shape[0])), twice(base_of("default"), arrays)

    def reflected(points: np.ndarray, order: np.ndarray) -> np.ndarray:
        points = points[order].copy()
        points[:, 0] = wide - points[:, 0]
        return points

    iris = reflected(reading.iris, facing[468:] - 468)
    other = image[:, ::-1], reflected(reading.landmarks, facing[:468]), iris, view
    seen, opposite = expected(net, arrays, model, [(image, reading.landmarks, reading.iris, view), other])
    np.testing.assert_allclose(reflected(opposite.landmarks, facing[:468]), seen.landmarks, atol=1e-3)
    np.testing.assert_allclose(opposite.landmarks_sd[facing[:468]], seen.landmarks_sd, rtol=1e-3)
    face = slice(model.layout.rotation.start)
    np.testing.assert_allclose(mirror.face(torch.as_tensor(opposite.mean[face])), seen.mean[face], atol=1e-3)
    turn, place = model.layout.rotation, model.layout.translation
    np.testing.assert_allclose(opposite.mean[turn] * (1, -1, -1), seen.mean[turn], atol=1e-4)
    np.testing.assert_allclose(opposite.mean[place] * (-1, 1, 1), seen.mean[place], atol=1e-4)

    (once,) = expected(base_of("default"), arrays, model, [(image, reading.landmarks, reading.iris, view)])
    apart = np.linalg.norm(once.landmarks - seen.landmarks, axis=1)
    assert 0 < apart.max() < 0.05 * reading.size  # the mirror image says nearly the same


def test_a_head_without_a_mirror_image_is_looked_at_once(arrays):
    askew = np.array(arrays.shapedirs)
    askew[0, :, 0] += 0.01
    net = base_of("default")
    assert twice(net, dataclasses.replace(arrays, shapedirs=askew)) is net and isinstance(twice(net, arrays), Twice)
