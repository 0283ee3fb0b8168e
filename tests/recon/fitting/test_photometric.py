"""Refinement by pictures: derivatives as by differences, made heads found better, and whatever is no skin ignored."""

import dataclasses

import numpy as np
import pytest

from flame_tools.errors import ShapeError
from recon.fitting.fit import fit_many
from recon.fitting.observation import View
from recon.fitting.photometric import PhotometricOptions, refine
from recon.fitting.photometric_residuals import Blurred, blurred, change_of, harmonics_change, seen_well, shown
from recon.fitting.residuals import expected
from recon.fitting.skin_samples import skin_samples
from recon.synthetic.expressions import EXPRESSIONS
from recon.synthetic.people import random_person
from recon.synthetic.pictures import picture_of
from recon.synthetic.scenes import random_views
from recon.texture.light import harmonics

LIGHT = np.array([0.5, 0.1, -0.05, 0.2, 0.02, -0.03, 0.01, 0.02, 0.05])


@pytest.fixture(scope="module")
def samples(head):
    return skin_samples(head.arrays)


@pytest.fixture(scope="module")
def views(head):
    """Three pictures of somebody made, with their truths and what a reader says who bends all faces alike."""
    rng = np.random.default_rng(11)
    person = random_person(head.arrays, rng)
    scenes = [dataclasses.replace(s, blur_px=0.5, noise=2.0) for s in random_views(rng, size=256)[1:4]]
    pictures = [picture_of(head, person, EXPRESSIONS[0], scene) for scene in scenes]
    seen = []
    for picture in pictures:
        exact = picture.truth.seen()
        across = exact.iris[1] - exact.iris[0]
        side = (exact.landmarks - exact.landmarks.mean(0)) @ across / (across @ across)
        bent = 0.08 * np.linalg.norm(across) * np.stack([np.sin(2.5 * side + 1), np.cos(2 * side)], 1)
        seen.append(dataclasses.replace(exact, landmarks=exact.landmarks + bent))
    return person, pictures, seen


def test_harmonics_change_as_differences_say():
    normals = np.random.default_rng(0).normal(size=(50, 3))
    change, step = harmonics_change(normals), 1e-2  # harmonics are of second degree: central differences are exact
    for axis in range(3):
        off = step * np.eye(3)[axis]
        slope = (harmonics(normals + off).astype(float) - harmonics(normals - off)) / (2 * step)
        np.testing.assert_allclose(change[:, :, axis], slope, atol=2e-4)  # harmonics are float32


@pytest.mark.parametrize("weak", [False, True])
def test_derivatives_are_those_of_differences(head, model, samples, weak):
    rng, lay = np.random.default_rng(1), model.layout
    x = np.zeros(lay.size)
    x[lay.shape], x[lay.expression] = rng.normal(0, 0.7, lay.shape.stop), rng.uniform(0, 0.3, 42)
    x[lay.jaw], x[lay.eyelids], x[lay.rotation] = (0.1, 0.03), (0.2, 0.4), (0.1, -0.3, 0.05)
    x[lay.translation], x[lay.log_focal] = (0.01, -0.02, -0.8), np.log(900.0)
    columns, rows = np.meshgrid(np.arange(600) + 0.5, np.arange(600) + 0.5)
    ramp = np.stack([0.002 * columns - 0.003 * rows, np.full_like(rows, 0.002), np.full_like(rows, -0.003)], -1)
    picture, view = Blurred(ramp, 0.0, 0.0, 1), View((600, 600), weak=weak)
    points = samples.model.points
    at = shown(samples, picture, view, x, LIGHT, points(x), change_of(samples, x))
    for k in (*range(0, lay.size, 7), lay.jaw.start, lay.eyelids.start, *range(lay.rotation.start, lay.size)):
        step = 1e-5 * np.eye(lay.size)[k]
        high, low = (shown(samples, picture, view, y, LIGHT, points(y)).values for y in (x + step, x - step))
        slope = (high - low) / 2e-5
        off = np.abs(at.by_unknowns[:, k] - slope)
        # harmonics are float32: a part in 1e7 of a shade over a step of 1e-5
        assert (off < 0.03 + 0.01 * np.abs(slope)).mean() > 0.98, k
        assert np.linalg.norm(off) < 0.02 * np.linalg.norm(slope) + 0.01 * np.sqrt(len(off)), k
    for k in range(9):
        step = 1e-3 * np.eye(9)[k]
        high, low = (
            shown(samples, picture, view, x, light, points(x)).values for light in (LIGHT + step, LIGHT - step)
        )
        np.testing.assert_allclose(at.by_light[:, k], (high - low) / 2e-3, atol=2e-3)


def test_a_blurred_picture_knows_its_slopes():
    rows, columns = np.mgrid[:400, :500]
    image = np.clip(90 + 40 * np.sin(columns / 60) + 30 * np.cos(rows / 50), 0, 255).astype(np.uint8)
    image = np.repeat(image[..., None], 3, 2)
    picture = blurred(image, np.array([[100.0, 80.0], [400.0, 330.0]]), 200.0, 0.03)
    assert picture.factor == 2
    at = np.random.default_rng(0).uniform((120, 100), (380, 300), (200, 2))
    for axis in range(2):
        off = 4 * np.eye(2)[axis]
        slope = (picture.at(at + off)[:, 0] - picture.at(at - off)[:, 0]) / 8
        np.testing.assert_allclose(picture.at(at)[:, 1 + axis], slope, atol=1.5e-3)  # of up to 0.02


def test_no_sample_lies_in_the_mouth_on_an_eye_or_beyond_the_face(head, samples):
    used = set(samples.vertices[samples.used > 0])
    assert len(used) > 1500
    for name in ("mouth", "teeth", "tongue", "gums", "left_eyeball", "right_eyeball", "ears", "neck"):
        assert not used & set(head.arrays.regions[name].tolist()), name
    assert not used & set(head.arrays.inner_lip_pairs.ravel().tolist())


@pytest.mark.parametrize("weak", [False, True])
def test_what_turns_away_or_lies_behind_is_not_seen(head, model, samples, weak):
    lay = model.layout
    x = np.zeros(lay.size)
    x[lay.rotation], x[lay.translation], x[lay.log_focal] = (0, np.radians(50), 0), (0, 0, -0.8), np.log(900.0)
    seen = seen_well(samples, View((600, 600), weak=weak), x, samples.model.points(x))
    side = samples.places[:, 0]  # the subject's left; turned to it, the left cheek goes out of sight, less so from afar
    assert seen[side > 0.3].mean() < 0.1 and seen[(side < -0.3) & (samples.used > 0.9)].mean() > 0.5


@pytest.mark.parametrize("count", [1, 3])
def test_pictures_are_explained_better_and_the_head_is_kept(head, model, views, count):
    person, pictures, seen = views
    first, seen = (pictures[1:2], seen[1:2]) if count == 1 else (pictures, seen)
    found = fit_many(head.arrays, model, seen)
    refined = refine(head.arrays, model, [p.image for p in first], seen, found)
    assert refined.cost[1] < refined.cost[0] and not np.array_equal(refined.fits[0].unknowns, found[0].unknowns)
    errors = [_neutral_mm(head, person, fits[0]) for fits in (found, refined.fits)]
    # landmarks that all views bend alike pull on, of three 1.28 to 1.54 mm; read ones do not (test_one_moment)
    assert errors[1] < (1.15 if count == 1 else 1.25) * errors[0], errors
    shape = model.layout.shape
    assert all(np.array_equal(f.unknowns[shape], refined.fits[0].unknowns[shape]) for f in refined.fits)
    assert np.median(refined.fits[0].sd[shape] / found[0].sd[shape]) < 1
    face = slice(model.layout.expression.start, model.layout.eyelids.stop)
    assert not np.array_equal(refined.fits[0].unknowns[face], found[0].unknowns[face])


def test_each_pictures_deviations_are_bounded_by_its_own_prior(head, model, views):
    _, pictures, seen = views
    seen = [dataclasses.replace(one, together=together) for one, together in zip(seen, (0.0, 1.0, 0.0), strict=True)]
    found = fit_many(head.arrays, model, seen)
    how = PhotometricOptions(scales=(0.06,), steps=1)
    refined = refine(head.arrays, model, [p.image for p in pictures], seen, found, photometric=how)
    jaw = model.layout.jaw
    usual = [expected(head.arrays, model, one)[1][jaw] for one in seen]
    assert usual[1][0] < usual[0][0] / 2
    for one, own in zip(refined.fits, usual, strict=True):
        assert (one.sd[jaw] <= own * (1 + 1e-9)).all()


def test_in_weak_perspective_the_scale_moves(head, model, views):
    _, pictures, seen = views
    lay, size = model.layout, pictures[1].image.shape[1::-1]
    weak = [dataclasses.replace(seen[1], view=View(size, weak=True))]
    found = fit_many(head.arrays, model, weak)
    how = PhotometricOptions(scales=(0.06,), steps=2)
    refined = refine(head.arrays, model, [pictures[1].image], weak, found, photometric=how)
    (before,), (after,) = found, refined.fits
    assert refined.cost[1] < refined.cost[0]
    assert after.unknowns[lay.translation][2] == before.unknowns[lay.translation][2]
    assert abs(np.log(after.focal / before.focal)) > 1e-4 and after.sd[lay.log_focal][0] > 0
    found = fit_many(head.arrays, model, seen[1:2])
    near = refine(head.arrays, model, [pictures[1].image], seen[1:2], found, photometric=how)
    assert near.fits[0].focal == found[0].focal  # in perspective the depth does instead


def test_what_covers_the_face_is_ignored(head, model, views):
    person, pictures, seen = views
    image, one = pictures[1].image.copy(), seen[1:2]
    middle = pictures[1].truth.landmarks[[50, 187, 205]].mean(0)  # of a cheek
    half = 0.3 * np.linalg.norm(one[0].iris[0] - one[0].iris[1])
    (left, top), (right, bottom) = (middle - half).astype(int), (middle + half).astype(int)
    image[top:bottom, left:right] = (20, 60, 30)
    found = fit_many(head.arrays, model, one)
    clear, covered = (refine(head.arrays, model, [i], one, found) for i in (pictures[1].image, image))
    samples = skin_samples(head.arrays)
    x = found[0].unknowns
    at = one[0].view.project(samples.model.points(x), found[0].focal)
    inside = (np.abs(at - middle) < 0.8 * half).all(1) & (clear.weights[0] > 0.5)
    assert inside.sum() > 15
    assert covered.weights[0][inside].mean() < 0.15 < 0.5 < clear.weights[0][inside].mean()
    assert _neutral_mm(head, person, covered.fits[0]) < 1.1 * _neutral_mm(head, person, found[0])


def test_the_same_pictures_give_the_same_bytes(head, model, views):
    _, pictures, seen = views
    found = fit_many(head.arrays, model, seen[:1])
    how = PhotometricOptions(scales=(0.06,), steps=2)
    first, second = (
        refine(head.arrays, model, [pictures[0].image], seen[:1], found, photometric=how) for _ in range(2)
    )
    assert first.fits[0].unknowns.tobytes() == second.fits[0].unknowns.tobytes()
    assert not np.array_equal(first.fits[0].unknowns, found[0].unknowns)


def test_what_does_not_belong_together_is_refused(head, model, views):
    _, pictures, seen = views
    found = fit_many(head.arrays, model, seen[:1])
    with pytest.raises(ShapeError, match="2 pictures came with 1 observations"):
        refine(head.arrays, model, [p.image for p in pictures[:2]], seen[:1], found)
    with pytest.raises(ShapeError, match=r"picture 1 is uint8 \[100, 256, 3\]"):
        refine(head.arrays, model, [pictures[0].image[:100]], seen[:1], found)


def _neutral_mm(head, person, found) -> float:
    """Mean distance of the face's vertices at rest from the truth's, mm, after a similarity."""
    from flame_tools.surface.alignment import align

    face = head.arrays.regions["face"]
    rest = head.arrays.v_template[face].astype(float)
    true, guess = (rest + head.arrays.shapedirs[face] @ s for s in (person.shape, found.unknowns[found.layout.shape]))
    return 1000 * float(np.linalg.norm(align(guess, true, kind="similarity")(guess) - true, axis=1).mean())
