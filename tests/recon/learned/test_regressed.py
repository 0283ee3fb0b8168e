"""What a network tells of a crop, in the unknowns of a fit and the picture's pixels: told the truth, it is true."""

import dataclasses

import numpy as np
import pytest
import torch

from readers.faces import read_faces
from recon.fitting.fit import fit
from recon.fitting.observation import USUAL, Guess, Observation, View
from recon.fitting.priors import prior
from recon.learned.regressed import _sure, base_of, crop_of, expected, sharpened
from recon.learned.regressor import Estimate, Regressor, RegressorConfig, fused
from recon.pipeline import landmark_model
from recon.synthetic.expressions import EXPRESSIONS
from recon.synthetic.people import random_person
from recon.synthetic.pictures import picture_of
from recon.synthetic.scenes import random_scene


@pytest.fixture(scope="module")
def made(head):
    rng = np.random.default_rng(4)
    person, scene = random_person(head.arrays, rng), dataclasses.replace(random_scene(rng, size=320), yaw_deg=20.0)
    return picture_of(head, person, EXPRESSIONS[2], scene)


class Told(Regressor):
    """Instead of looking, it tells what it was given."""

    def forward(self, pictures, marks):
        return self.answer


def test_the_truth_in_the_crop_is_the_truth_in_the_picture(made, head):
    from recon.learned.crop import CropCamera, anchor_of

    truth, model = made.truth, landmark_model(head.arrays)
    z = np.zeros((468, 1))
    roi, picture, marks = crop_of(made.image, np.concatenate([truth.landmarks, z], 1), truth.iris, 112)
    assert picture.shape == (112, 112, 3) and marks.shape == (478, 3)
    anchor = anchor_of(head.arrays)
    focal = float(truth.camera.focal[0])
    turn, place = CropCamera(roi, focal, np.full(2, 160.0)).to_crop(
        truth.rotation, truth.rotation @ anchor + truth.translation
    )
    net = Told(RegressorConfig("default", 100, 42))
    pose = np.concatenate([np.zeros(3), place, [0.0]])
    net.answer = Estimate(
        *(torch.as_tensor(v)[None] for v in (np.zeros(150), np.zeros(150), turn, pose, np.zeros(7))),
        torch.as_tensor(roi.from_image(truth.landmarks))[None], torch.full((1, 468), -8.0),
    )  # fmt: skip
    view = View((320, 320), focal)
    read = np.concatenate([truth.landmarks, z], 1)
    (found,) = expected(net, head.arrays, model, [(made.image, read, truth.iris, view)])
    np.testing.assert_allclose(found.landmarks, truth.landmarks, atol=1e-6)
    rest = view.project(model.points(found.mean)[model.slices["468"]], focal)
    assert np.linalg.norm(rest.mean(0) - truth.landmarks.mean(0)) < 6  # the mean face where this one stands
    np.testing.assert_allclose(found.landmarks_sd, roi.size * np.exp(-4.0))


def test_a_reader_that_tells_its_noise_is_believed_by_it(made, head):
    """Landmarks that are said to be poor do not move the fit; the same ones believed do."""

    model, truth = landmark_model(head.arrays), made.truth
    true = truth.seen()
    wrong = true.landmarks.copy()
    wrong[:100] += 12.0
    noise = np.full(468, 0.7)
    believed = dataclasses.replace(true, landmarks=wrong, noise=noise)
    doubted = dataclasses.replace(believed, noise=np.where(np.arange(468) < 100, 60.0, noise))
    off = [
        np.linalg.norm(fit(head.arrays, model, one).projected - truth.landmarks, axis=1).mean()
        for one in (believed, doubted)
    ]
    assert off[1] < 1.0 and off[1] < 0.5 * off[0]


def test_a_new_network_leaves_landmarks_nearly_where_they_were_read(made, head, model):
    torch.manual_seed(0)
    net = Regressor(RegressorConfig("default", 100, 42, channels=(8, 8, 16, 16), width=32))
    net.fit(head.arrays)
    net.eval()
    reading = read_faces(made.image)[0]
    seen = Observation.of(reading, (320, 320))
    better = sharpened(net, head.arrays, model, made.image, reading, seen)
    moved = np.linalg.norm(better.landmarks - seen.landmarks, axis=1)
    assert 0 < moved.max() < 0.05 * reading.size and (better.noise > 0).all()
    again = sharpened(net, head.arrays, model, made.image, reading, seen)
    assert (again.landmarks == better.landmarks).all()


def test_where_a_fit_begins_does_not_matter(made, head, model):
    reading, net = read_faces(made.image)[0], base_of("default")
    seen = sharpened(net, head.arrays, model, made.image, reading, Observation.of(reading, (320, 320)))
    quick, slow = (fit(head.arrays, model, one) for one in (seen, dataclasses.replace(seen, guess=None)))
    np.testing.assert_allclose(quick.projected, slow.projected, atol=0.05)
    np.testing.assert_allclose(quick.unknowns, slow.unknowns, atol=0.03)
    for view in (dataclasses.replace(seen.view, weak=True), View((320, 320), 500.0, world_to_camera=np.eye(4))):
        other = sharpened(net, head.arrays, model, made.image, reading, dataclasses.replace(seen, view=view))
        assert other.guess is None


def test_a_guess_is_believed_for_what_it_is_worth(made, head, model):
    reading, net, lay = read_faces(made.image)[0], base_of("default"), model.layout
    seen = sharpened(net, head.arrays, model, made.image, reading, Observation.of(reading, (320, 320)))

    def away(guess: Guess, parts: tuple[str, ...]) -> dict[str, float]:
        """How far parts of a fit are from the guess, in units of the priors."""
        found = fit(
            head.arrays,
            model,
            dataclasses.replace(seen, guess=guess),
            options=dataclasses.replace(USUAL, guessed=parts),
        )
        off = (found.unknowns - guess.mean) / prior(head.arrays, lay)[1]
        return {part: float(np.abs(off[getattr(lay, part)]).mean()) for part in ("shape", "expression")}

    sure, unsure = (Guess(seen.guess.mean, seen.guess.sd * times) for times in (1e-3, 1e3))
    assert away(sure, ("shape",))["shape"] < 1e-3 < 0.1 < away(unsure, ("shape",))["shape"]
    without, identity, all_of_it = (away(seen.guess, parts) for parts in ((), ("shape",), ("shape", "expression")))
    assert identity["shape"] < without["shape"]
    assert all_of_it["expression"] < min(identity["expression"], without["expression"])


def test_a_fused_network_tells_the_same(made, head):
    torch.manual_seed(0)
    net = Regressor(RegressorConfig("default", head.shape_size, head.expression_size))
    net.fit(head.arrays)
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    quick = fused(net.eval())
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in quick.modules())
    read = np.concatenate([made.truth.landmarks, np.zeros((468, 1))], 1)
    faces = [(made.image, read, made.truth.iris, View((320, 320)))]
    ours, same = (expected(n, head.arrays, landmark_model(head.arrays), faces)[0] for n in (net, quick))
    for name in ("mean", "landmarks", "landmarks_sd"):
        np.testing.assert_allclose(getattr(same, name), getattr(ours, name), rtol=1e-4, atol=1e-4)
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())  # the one it was made of still learns


def test_where_the_network_is_lost_the_reader_is_heard():
    """Deviations of a fifth of the distance between the eyes, as under a thick moustache, are no knowledge."""
    read = np.zeros((468, 3))
    read[[33, 133], 0], read[[263, 362], 0] = -50, 50
    places, sd = read[:, :2] + [0.0, 20.0], np.full(468, 3.0)
    sd[[13, 14]] = 21.0
    sure, deviations = _sure(places, sd, read)
    lost = np.isin(np.arange(468), [13, 14])
    np.testing.assert_array_equal(sure[~lost], places[~lost])
    np.testing.assert_allclose(sure[lost], read[lost, :2], atol=1e-9)
    assert (deviations[~lost] == 3.0).all() and 4 < deviations[13] < 8
