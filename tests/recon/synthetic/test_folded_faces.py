"""Made faces with folds: the same again, smooth where asked, folding where an expression presses."""

import numpy as np

from recon.detail.sheet import COLUMNS, ROWS, sheet_of
from recon.synthetic.folded_faces import FoldedFaces
from recon.synthetic.wrinkles import STEP_MM, noise, places_of, random_relief


def test_a_number_is_a_face(head):
    first, again, other = (FoldedFaces(head, seed).face(5) for seed in (1, 1, 2))
    for a, b in ((first.height, again.height), (first.shown.colours, again.shown.colours)):
        np.testing.assert_array_equal(a, b)
    assert np.abs(first.shown.colours - other.shown.colours).max() > 0.05


def test_a_smooth_face_has_no_relief_and_still_looks_like_one(head):
    face = FoldedFaces(head, 1).face(2, smooth=True)
    assert not face.height.any() and not face.rest.any()
    seen = face.shown.seen > 0.5
    assert seen.mean() > 0.2 and face.shown.colours[seen].std() > 0.01
    np.testing.assert_allclose(np.linalg.norm(face.shown.normals[seen], axis=-1), 1, atol=1e-5)


def test_folds_come_when_skin_is_pressed(head):
    """Pressed up and down a forehead folds across; the young have nothing at rest, the old have."""
    none = np.zeros((3, ROWS, COLUMNS), np.float32)
    pressed = none.copy()
    pressed[1] = -0.15
    column, row = np.rint(places_of(head.arrays).marks[151] / STEP_MM).astype(int)
    forehead = (slice(row - 12, row + 25), slice(column - 60, column + 60))
    young = [random_relief(head.arrays, pressed, 0.0, np.random.default_rng(k)) for k in range(6)]
    assert all(np.abs(r.rest[forehead]).max() < 1e-6 for r in young)
    assert max(-r.shown[forehead].min() for r in young) > 0.2  # mm
    old = [random_relief(head.arrays, none, 1.0, np.random.default_rng(k)) for k in range(6)]
    assert min(np.abs(r.rest).max() for r in old) > 0.2
    for r in old:
        np.testing.assert_allclose(r.shown, r.rest, atol=1e-3)


def test_noise_is_as_wide_as_it_is_asked_to_be():
    for width in (1.0, 8.0):
        values = noise(np.random.default_rng(0), width)
        assert values.shape == (ROWS, COLUMNS) and 0.5 < values.std() < 1.5
        step = max(1, round(width / STEP_MM[0]))
        apart = np.corrcoef(values[:, :-step].ravel(), values[:, step:].ravel())[0, 1]
        far = np.corrcoef(values[:, : -5 * step].ravel(), values[:, 5 * step :].ravel())[0, 1]
        assert apart > 0.4 > 0.3 > abs(far)


def test_the_sheet_is_its_own_mirror_image(head):
    area = sheet_of(head.arrays).area
    assert np.abs(area - area[:, ::-1]).mean() < 0.02
