import numpy as np
import pytest

from readers.faces import read_faces
from recon.evaluate import cross_score, errors
from recon.fit import FitOptions, Observation, fit, project, starting_pose
from recon.landmark_model import rotation_matrix
from recon.priors import IRIS_RADIUS_M
from render.image import read_image

from .conftest import shared
from .test_landmark_model import some_unknowns

SIZE, FOCAL = (800, 1000), 1400.0


def photographed(head, model, seed: int, *, turn=(0.1, 0.3, -0.05), noise_px: float = 0.0):
    """A face of known unknowns before a known camera, and what a perfect reader would see of it."""
    lay, rng = model.layout, np.random.default_rng(seed)
    x = some_unknowns(head, model, seed)
    x[lay.expression] = np.clip(rng.normal(size=head.expression_size) * 0.25, 0, 1)
    tongues = [i for i, name in enumerate(head.arrays.expression_names) if name.startswith("tongue")]
    x[lay.expression][tongues] = 0  # nothing that landmarks could tell
    x[lay.jaw], x[lay.eyes], x[lay.eyelids] = (0.1, 0.02), (0.05, 0.1, 0.05, 0.1), (0.2, 0.25)
    x[lay.rotation], x[lay.translation], x[lay.log_focal] = turn, (0.05, 0.1, -1.2), np.log(FOCAL)
    points = model.points(x)
    centre = np.array(SIZE) / 2
    pixels = project(points, FOCAL, centre)
    irises = model.slices["iris"].start + np.array([0, 5])
    radius = FOCAL * IRIS_RADIUS_M / -points[irises, 2]
    marks = pixels[model.slices["468"]] + rng.normal(size=(468, 2)) * noise_px
    return x, Observation(marks, pixels[irises], radius, SIZE, FOCAL)


@pytest.mark.parametrize("seed", range(4))
def test_a_known_face_is_found_again(head, model, seed):
    x, seen = photographed(head, model, seed)
    options = FitOptions(noise=0.003, gap_noise=0.003, along_oval=1.0, iris_noise=0.003)  # a perfect reader
    found = fit(head.arrays, model, seen, options=options)
    lay = model.layout
    assert errors(found, seen.landmarks).mean() < 0.004
    for part, tolerance in ((lay.rotation, 0.02), (lay.jaw, 0.05), (lay.eyes, 0.03), (lay.eyelids, 0.2)):
        np.testing.assert_allclose(found.unknowns[part], x[part], atol=tolerance)
    # depth is known only as well as a size is: by the iris
    np.testing.assert_allclose(found.unknowns[lay.translation], x[lay.translation], rtol=0.05, atol=0.01)
    # the face itself, pose apart: millimetres, where people differ by five
    there = model.points(np.where(np.arange(len(x)) < lay.rotation.start, x, 0.0))[:468]
    ours = model.points(np.where(np.arange(len(x)) < lay.rotation.start, found.unknowns, 0.0))[:468]
    gap = np.linalg.norm((ours - ours.mean(0)) - (there - there.mean(0)), axis=1)
    mean_face = model.points(np.zeros(len(x)))[:468]
    before = np.linalg.norm((mean_face - mean_face.mean(0)) - (there - there.mean(0)), axis=1)
    assert gap.mean() < 0.6 * before.mean() and gap.mean() < 0.003


@pytest.mark.parametrize("turn", [(0, 0, 0), (0, 1.0, 0), (0, -1.0, 0.1), (0.5, 0, 0), (0, 0, 2.5), (-0.4, 0.3, -1.5)])
def test_the_starting_pose_is_near_from_any_side(head, model, turn):
    x, seen = photographed(head, model, 1, turn=turn)
    lay = model.layout
    start = starting_pose(model, seen)
    apart = rotation_matrix(start[lay.rotation]).T @ rotation_matrix(np.array(turn))
    assert np.degrees(np.arccos(np.clip((np.trace(apart) - 1) / 2, -1, 1))) < 22
    assert abs(start[lay.translation][2] / x[lay.translation][2] - 1) < 0.25


def test_a_few_wild_landmarks_do_not_drag_the_face(head, model):
    _, seen = photographed(head, model, 2, noise_px=1.0)
    wild = seen.landmarks.copy()
    wild[::40] += 300
    plain = fit(head.arrays, model, seen)
    found = fit(head.arrays, model, Observation(wild, seen.iris, seen.iris_radius, SIZE, FOCAL))
    good = np.arange(468) % 40 != 0
    assert errors(found, seen.landmarks)[good].mean() < errors(plain, seen.landmarks)[good].mean() + 0.004


def test_what_a_picture_cannot_tell_stays_uncertain(head, model):
    _, seen = photographed(head, model, 3)
    found = fit(head.arrays, model, seen)
    lay = model.layout
    assert (found.sd[lay.shape] <= 1.0001).all() and found.sd[lay.shape].min() < 0.5  # never beyond the prior
    first, last = found.sd[lay.shape][:10].mean(), found.sd[lay.shape][-10:].mean()
    assert first < last  # large components are seen best
    assert 0 < found.sd[lay.rotation].max() < 0.1


def test_a_focal_length_that_is_known_stays(head, model):
    _, seen = photographed(head, model, 0)
    assert fit(head.arrays, model, seen).focal == pytest.approx(FOCAL)


@pytest.mark.parametrize("name", ["astronaut.png", "grace_hopper.jpg", "obama_official_2012.jpg"])
def test_portraits_are_met_where_the_fit_has_not_looked(head, model, name):
    image = read_image(shared(name))
    (reading,) = read_faces(image)
    seen = Observation.of(reading, image.shape[1::-1])
    score = cross_score(head.arrays, model, seen)
    assert score.nme_468 < 0.03 and score.nme_68 < 0.035
    shape = score.fit.unknowns[model.layout.shape]
    assert np.sqrt((shape**2).mean()) < 1.3  # a likely person
