"""Made people and their pictures: the same every time, and with a truth that meets the pixels."""

import dataclasses

import numpy as np
import pytest
import torch

from flame_tools.errors import InputError
from flame_tools.load import load_head
from readers.faces import read_faces
from recon.synthetic.expressions import EXPRESSIONS, KINDS, Expression, posed
from recon.synthetic.people import BROWS_ABOVE, BROWS_BELOW, EYES_APART_M, look_of_person, random_person
from recon.synthetic.pictures import picture_of, true_of
from recon.synthetic.scenes import VIEW_YAWS_DEG, random_scene, random_views
from render.kept_looks import look_of
from tests.shared_data import shared_file

NOSE_TIP, RIGHT_EAR, LEFT_EAR, CHIN, FOREHEAD = 1, 234, 454, 152, 10


def test_the_same_seeds_give_the_same_bytes(head, someone, scene):
    again = random_person(head.arrays, np.random.default_rng(5))
    assert np.array_equal(again.shape, someone.shape) and again.complexion == someone.complexion
    noisy = dataclasses.replace(scene, noise=3.0, blur_px=0.5)
    first, second = (picture_of(head, person, EXPRESSIONS[1], noisy) for person in (someone, again))
    assert first.image.shape == (256, 256, 3) and first.image.dtype == np.uint8
    assert np.array_equal(first.image, second.image)
    other = picture_of(head, someone, EXPRESSIONS[1], dataclasses.replace(noisy, seed=noisy.seed + 1))
    assert (first.image != other.image).mean() > 0.5
    assert np.array_equal(first.truth.landmarks, other.truth.landmarks)


def test_true_irises_lie_on_dark_pupils(head, someone, scene):
    picture = picture_of(head, someone, EXPRESSIONS[0], scene)
    face = picture.image[tuple(np.clip(picture.truth.landmarks.astype(int), 0, 255).T[::-1])].mean()
    for centre in picture.truth.iris[[0, 5]]:
        x, y = centre.astype(int)
        assert picture.image[y - 1 : y + 2, x - 1 : x + 2].mean() < 0.5 * face


def test_brows_lie_between_their_landmarks(head, someone, scene):
    dark = dataclasses.replace(someone, brows=1.0, complexion=(226, 190, 170))
    picture = picture_of(head, dark, EXPRESSIONS[0], scene)
    marks = picture.truth.landmarks
    for above, below in zip((BROWS_ABOVE[2], BROWS_ABOVE[7]), (BROWS_BELOW[2], BROWS_BELOW[7]), strict=True):
        middle, half = (marks[above] + marks[below]) / 2, (marks[below] - marks[above]) / 2
        brow, over = (picture.image[tuple(at.astype(int)[::-1])].mean() for at in (middle, middle - 3.5 * half))
        assert brow < 0.7 * over


def test_what_reads_faces_finds_a_head_of_another_topology_where_the_truth_is():
    ict = load_head(shared_file("heads/ict_facekit.npz"))
    person = random_person(ict.arrays, np.random.default_rng(1))
    front = dataclasses.replace(random_scene(np.random.default_rng(4)), yaw_deg=12.0, pitch_deg=4.0)
    picture = picture_of(ict, person, EXPRESSIONS[1], front)
    (reading,) = read_faces(picture.image)
    apart = np.linalg.norm(picture.truth.iris[0] - picture.truth.iris[5])
    off = np.linalg.norm(reading.landmarks[:, :2] - picture.truth.landmarks, axis=1) / apart
    assert off.mean() < 0.07  # seen 0.03 to 0.06: the reader's own error and the embedding's
    assert np.linalg.norm(reading.iris[[0, 5]] - picture.truth.iris[[0, 5]], axis=1).max() / apart < 0.04


def test_the_truth_is_one_face_in_several_frames(head, someone, scene):
    truth = true_of(head, someone, EXPRESSIONS[6], dataclasses.replace(scene, yaw_deg=30.0, roll_deg=10.0))
    assert np.allclose(truth.rotation @ truth.rotation.T, np.eye(3), atol=1e-12)
    back = (truth.world - truth.translation) @ truth.rotation
    assert np.abs(back - truth.expressed).max() < 1e-12
    marks = head.arrays.landmarks["468"]
    points = (truth.world[head.arrays.faces[marks.faces]] * marks.barycentrics[..., None]).sum(1)
    by_hand = points[:, :2] * (1, -1) / -points[:, 2:] * truth.camera.focal + truth.camera.centre
    assert np.abs(by_hand - truth.landmarks).max() < 1e-4  # pixels; single precision leaves 3e-6
    rest = true_of(head, someone, EXPRESSIONS[0], scene)
    assert np.array_equal(rest.expressed, rest.neutral) and np.array_equal(rest.neutral, truth.neutral)
    seen = truth.seen()
    assert np.array_equal(seen.landmarks, truth.landmarks) and np.array_equal(seen.iris, truth.iris[[0, 5]])


def test_how_a_head_turns(head, someone, scene):
    def marks(**pose):
        return true_of(head, someone, EXPRESSIONS[0], dataclasses.replace(scene, **pose)).landmarks

    def nose_between_ears(at):
        return at[NOSE_TIP, 0] - (at[RIGHT_EAR, 0] + at[LEFT_EAR, 0]) / 2

    front = marks()
    assert nose_between_ears(marks(yaw_deg=20.0)) > nose_between_ears(front) + 5  # its left is the picture's right
    down = marks(pitch_deg=15.0)
    assert down[NOSE_TIP, 1] - down[RIGHT_EAR, 1] > front[NOSE_TIP, 1] - front[RIGHT_EAR, 1] + 5
    tilted = marks(roll_deg=10.0)
    assert tilted[FOREHEAD, 0] > tilted[CHIN, 0] + 5  # to its left shoulder
    assert abs(front[FOREHEAD, 0] - front[CHIN, 0]) < 2
    near = marks(fill=0.6)
    far = marks(fill=0.4)
    assert 1.3 < np.ptp(near[:, 1]) / np.ptp(far[:, 1]) < 1.7


def test_a_lens_changes_perspective_and_not_size(head, someone, scene):
    short, long = (
        true_of(head, someone, EXPRESSIONS[0], dataclasses.replace(scene, focal_px=f)).landmarks for f in (256, 1024)
    )
    assert 0.8 < np.ptp(short[:, 1]) / np.ptp(long[:, 1]) < 1.25
    ears = [at[LEFT_EAR, 0] - at[RIGHT_EAR, 0] for at in (short, long)]
    eyes = [at[263, 0] - at[33, 0] for at in (short, long)]
    assert ears[0] / eyes[0] < ears[1] / eyes[1] - 0.05  # what is behind shrinks from near


def test_five_views_are_from_five_sides_in_one_light():
    views = random_views(np.random.default_rng(3))
    assert np.abs(np.array([v.yaw_deg for v in views]) - VIEW_YAWS_DEG).max() <= 4
    assert len({v.lights for v in views}) == len({v.focal_px for v in views}) == 1
    assert len({v.seed for v in views}) == 5


def test_people_have_human_sizes_and_skins_of_their_own(head):
    rng = np.random.default_rng(0)
    people = [random_person(head.arrays, rng) for _ in range(12)]
    shapes = np.array([person.shape for person in people])
    assert np.abs(shapes).max() <= 2.0 + 1e-9 and np.linalg.norm(shapes[0] - shapes[1]) > 3
    rest = head.arrays.v_template + np.tensordot(shapes, head.arrays.shapedirs, (1, 2))
    eyes = head.arrays.J_regressor[3:5] @ rest
    apart = np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1)
    assert apart.min() >= EYES_APART_M[0] and apart.max() <= EYES_APART_M[1]
    usual = look_of(head.arrays).skin_texture.copy()
    skins = [look_of_person(head.arrays, person).skin_texture for person in people[:2]]
    assert np.array_equal(look_of(head.arrays).skin_texture, usual)
    assert np.abs(skins[0].astype(int) - skins[1]).mean() > 3


def test_no_human_face_is_drawn_from_a_head_in_other_units(head):
    grown = dataclasses.replace(head.arrays, v_template=head.arrays.v_template * 100)
    with pytest.raises(InputError, match="metres"):
        random_person(grown, np.random.default_rng(0))


def test_ten_expressions_of_four_kinds(head):
    kinds = [expression.kind for expression in EXPRESSIONS]
    assert [kinds.count(kind) for kind in KINDS] == [1, 5, 2, 2]
    with torch.no_grad():
        offsets = [
            (head.vertices(posed(e, head, np.zeros(head.shape_size))) - head.v_template).numpy() for e in EXPRESSIONS
        ]
    reach = np.array([np.linalg.norm(o, axis=1).max() for o in offsets])
    assert reach[0] < 1e-6 and reach[1:].min() > 0.004
    for expression, offset in zip(EXPRESSIONS, offsets, strict=True):
        mirrored = offset[head.arrays.mirror] * (-1, 1, 1)
        face = head.arrays.regions["face"]
        lopsided = np.linalg.norm((offset - mirrored)[face], axis=1).max()
        if expression.kind in ("extreme", "neutral"):
            assert lopsided < 1e-4
        if expression.kind == "asymmetric":
            assert lopsided > 0.004
    with pytest.raises(InputError, match="has mouthSmile, which"):
        posed(Expression("half", "ordinary", {"mouthSmile": 0.5}), head, np.zeros(head.shape_size))
