import dataclasses

import numpy as np
import pytest

from flame_tools.errors import InputError
from flame_tools.surface.eyeball import IRIS_RADIUS_M
from readers.faces import read_faces
from recon.fitting.arrow import solve_shared
from recon.fitting.evaluate import cross_score, errors
from recon.fitting.fit import fit, fit_many, starting_pose
from recon.fitting.least_squares import Problem
from recon.fitting.observation import FitOptions, Observation, View
from recon.fitting.priors import DISTANCE_M, PEOPLE_SHARE, prior
from recon.fitting.rotation import rotation_matrix
from render.camera import project
from render.image import read_image
from tests.recon.conftest import shared

from .test_landmark_model import some_unknowns

SIZE, FOCAL = (800, 1000), 1400.0


def photographed(head, model, seed: int, *, turn=(0.1, 0.3, -0.05), noise_px: float = 0.0, weak: bool = False):
    """A face of known unknowns before a known camera, and what a perfect reader would see of it."""
    lay, rng = model.layout, np.random.default_rng(seed)
    x = some_unknowns(head, model, seed)
    x[lay.expression] = np.clip(rng.normal(size=head.expression_size) * 0.25, 0, 1)
    tongues = [i for i, name in enumerate(head.arrays.expression_names) if name.startswith("tongue")]
    x[lay.expression][tongues] = 0  # nothing that landmarks could tell
    x[lay.jaw], x[lay.eyes], x[lay.eyelids] = (0.1, 0.02), (0.05, 0.1, 0.05, 0.1), (0.2, 0.25)
    x[lay.rotation], x[lay.translation], x[lay.log_focal] = turn, (0.05, 0.1, -1.2), np.log(FOCAL)
    points = model.points(x)
    view, focal, depth = View(SIZE, FOCAL), FOCAL, -points[:, 2:]
    if weak:
        view, focal, depth = View(SIZE, weak=True), FOCAL / 1.2, np.ones_like(depth)
        x[lay.log_focal] = np.log(focal)
    pixels = focal * points[:, :2] * (1, -1) / depth + np.array(SIZE) / 2
    irises = model.slices["iris"].start + np.array([0, 5])
    radius = focal * IRIS_RADIUS_M / depth[irises, 0]
    marks = pixels[model.slices["468"]] + rng.normal(size=(468, 2)) * noise_px
    return x, Observation(marks, pixels[irises], radius, view)


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_known_face_is_found_again(head, model, seed, weak):
    x, seen = photographed(head, model, seed, weak=weak)
    options = FitOptions(noise=0.003, gap_noise=0.003, along_oval=1.0, iris_noise=0.003)  # a perfect reader
    found = fit(head.arrays, model, seen, options=options)
    lay = model.layout
    assert errors(found, seen.landmarks).mean() < 0.004
    for part, tolerance in ((lay.rotation, 0.02), (lay.jaw, 0.05), (lay.eyes, 0.03), (lay.eyelids, 0.2)):
        np.testing.assert_allclose(found.unknowns[part], x[part], atol=tolerance)
    assert found.focal == pytest.approx(np.exp(x[lay.log_focal][0]), rel=0.05)
    # depth, or pixels a metre, is known only as well as a size is: by the iris
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
    found = fit(head.arrays, model, Observation(wild, seen.iris, seen.iris_radius, seen.view))
    good = np.arange(468) % 40 != 0
    assert errors(found, seen.landmarks)[good].mean() < errors(plain, seen.landmarks)[good].mean() + 0.004


def test_what_a_picture_cannot_tell_stays_uncertain(head, model):
    _, seen = photographed(head, model, 3)
    found = fit(head.arrays, model, seen)
    lay = model.layout
    assert (found.sd[lay.shape] <= 1.0001).all() and found.sd[lay.shape].min() < 0.8  # never beyond the prior
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


# --- several pictures ---------------------------------------------------------------------------------------------

TURNS = ((0.05, 0.8, 0), (0.1, 0.4, 0.05), (0, 0, 0), (0.1, -0.4, 0), (0, -0.8, 0.1))
EXACT = FitOptions(noise=0.01, gap_noise=0.01, along_oval=1.0, iris_noise=0.01, alike=0.0)


def face_error(model, unknowns, truth, upto: int | None = None) -> float:
    """Metres between two faces at their 468 landmarks, centred; neutral ones, or with the unknowns before `upto`."""
    upto = upto or model.layout.shape.stop
    apart = [model.points(np.where(np.arange(len(x)) < upto, x, 0.0))[:468] for x in (unknowns, truth)]
    return float(np.linalg.norm((apart[0] - apart[0].mean(0)) - (apart[1] - apart[1].mean(0)), axis=1).mean())


def sides(head, model, seed: int, noise_px: float):
    """One person, five pictures: an expression of its own in each, or the same."""
    truths, seen = zip(*(photographed(head, model, seed, turn=t, noise_px=noise_px) for t in TURNS), strict=True)
    return np.stack(truths), list(seen)


@pytest.mark.parametrize("seed", [1, 2])
def test_five_pictures_tell_more_of_a_person_than_one(head, model, seed):
    truths, seen = sides(head, model, seed, noise_px=0.7)
    alone = [face_error(model, fit(head.arrays, model, s, options=EXACT).unknowns, truths[0]) for s in seen]
    together = fit_many(head.arrays, model, seen, options=EXACT)
    shape = model.layout.shape
    for found in together:
        np.testing.assert_array_equal(found.unknowns[shape], together[0].unknowns[shape])
    assert face_error(model, together[0].unknowns, truths[0]) < 0.75 * np.mean(alone)
    for found, s in zip(together, seen, strict=True):
        assert errors(found, s.landmarks).mean() < 0.015
        assert (found.sd[shape] < fit(head.arrays, model, s, options=EXACT).sd[shape]).all()


def test_pictures_of_one_moment_share_the_face(head, model):
    truths, seen = sides(head, model, 3, noise_px=0.7)
    lay = model.layout
    found = fit_many(head.arrays, model, seen, one_moment=True, one_camera=True, options=EXACT)
    for part in (lay.expression, lay.jaw, lay.eyelids, lay.log_focal):
        assert all(np.array_equal(f.unknowns[part], found[0].unknowns[part]) for f in found)
    apart = fit_many(head.arrays, model, seen, options=EXACT)
    alone = [face_error(model, f.unknowns, truths[0], upto=lay.rotation.start) for f in apart]
    assert face_error(model, found[0].unknowns, truths[0], upto=lay.rotation.start) < 0.9 * np.mean(alone)


def test_cameras_of_known_place_tell_size_and_depth(head, model):
    lay = model.layout
    x, _ = photographed(head, model, 4)
    points, seen = model.points(x), []
    for yaw in (-0.7, 0.0, 0.7):  # cameras on a circle of 1.2 m round the head
        turn = rotation_matrix(np.array([0, -yaw, 0]))
        pose = np.eye(4)
        pose[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ turn
        middle = points[:468].mean(0)
        pose[:3, 3] = np.array([0, 0, 1.2]) - pose[:3, :3] @ middle
        view = View(SIZE, FOCAL, centre=np.array([390.0, 510.0]), world_to_camera=pose)
        pixels = view.project(points, FOCAL)
        depth = (points @ pose[:3, :3].T + pose[:3, 3])[:, 2]
        irises = model.slices["iris"].start + np.array([0, 5])
        seen.append(Observation(pixels[:468], pixels[irises], FOCAL * IRIS_RADIUS_M / depth[irises], view))
    found = fit_many(head.arrays, model, seen, options=EXACT)
    np.testing.assert_allclose(found[0].unknowns[lay.translation], x[lay.translation], atol=0.004)
    np.testing.assert_allclose(found[0].unknowns[lay.rotation], x[lay.rotation], atol=0.02)
    np.testing.assert_array_equal(found[0].unknowns, found[2].unknowns)
    assert face_error(model, found[0].unknowns, x) < 0.0012
    with pytest.raises(InputError, match="1 of 2"):
        fit_many(head.arrays, model, [seen[0], photographed(head, model, 4)[1]])


def test_weak_perspective_tells_a_scale_for_each_picture_and_no_distance(head, model):
    scales, lay = (1.0, 0.7, 1.5), model.layout
    truths, seen = zip(*(photographed(head, model, 1, turn=t, weak=True) for t in TURNS[1:4]), strict=True)
    seen = [
        dataclasses.replace(s, landmarks=s.landmarks * k, iris=s.iris * k, iris_radius=s.iris_radius * k)
        for s, k in zip(seen, scales, strict=True)
    ]
    found = fit_many(head.arrays, model, seen, one_camera=True, options=EXACT)
    for one, s, x, scale in zip(found, seen, truths, scales, strict=True):
        assert one.focal / found[0].focal == pytest.approx(scale, rel=0.01)
        assert one.focal == pytest.approx(scale * FOCAL / 1.2, rel=0.05)
        np.testing.assert_allclose(one.unknowns[lay.rotation], x[lay.rotation], atol=0.02)
        assert one.unknowns[lay.translation][2] == -DISTANCE_M
        told = s.view.told(one.sd, lay)
        assert np.flatnonzero(np.isnan(told)).tolist() == [lay.translation.stop - 1] and told[lay.log_focal][0] > 0
        np.testing.assert_allclose(
            project(model.points(one.unknowns)[:468], s.view.camera(one.focal))[:, :2], one.projected, atol=1e-9
        )
        assert errors(one, s.landmarks).mean() < 0.01
    assert face_error(model, found[0].unknowns, truths[0]) < 0.0015
    with pytest.raises(InputError, match="weak perspective"):
        View(SIZE, FOCAL, weak=True)


def test_the_covariance_is_that_of_the_whole_problem(head, model):
    """Eliminating blocks gives what inverting one large matrix gives."""
    rng = np.random.default_rng(0)
    problems, whole = [], np.zeros((2 + 3 * 4, 2 + 3 * 4))
    for t in range(3):
        matrix = rng.normal(size=(9, 6))

        def residuals(x, wants_jacobian, matrix=matrix):
            return (matrix @ x)[:, None], matrix[:, None] if wants_jacobian else None

        free = np.full(6, np.inf)
        problems.append(Problem(residuals, np.zeros(9, bool), np.zeros(6), free, -free, free))
        ids = np.r_[0:2, 2 + 4 * t : 6 + 4 * t]
        whole[np.ix_(ids, ids)] += matrix.T @ matrix
    found = solve_shared(problems, rng.normal(size=(3, 6)), np.arange(6) < 2, tolerance=1e-12)
    np.testing.assert_allclose(found.x, 0, atol=1e-6)
    inverse = np.linalg.inv(whole)
    for t in range(3):
        ids = np.r_[0:2, 2 + 4 * t : 6 + 4 * t]
        np.testing.assert_allclose(found.covariance()[t], inverse[np.ix_(ids, ids)], rtol=1e-8)


def test_faces_of_which_little_is_seen_are_an_average_person_s(head, model):
    lay, arrays = model.layout, head.arrays
    mean, _ = prior(arrays, lay)
    np.testing.assert_allclose(mean[lay.shape], PEOPLE_SHARE * arrays.people_mean, rtol=1e-6)
    _, seen = photographed(head, model, 5)
    eyes_only = seen.only(np.isin(np.arange(468), [33, 133, 362, 263]))
    found = fit(arrays, model, eyes_only).unknowns[lay.shape]
    nobody = dataclasses.replace(arrays, people_mean=np.zeros(0))
    assert not prior(nobody, lay)[0][lay.shape].any()
    other = fit(nobody, model, eyes_only).unknowns[lay.shape]
    assert (found - other) @ arrays.people_mean > 0.5 * PEOPLE_SHARE * (arrays.people_mean**2).sum()
