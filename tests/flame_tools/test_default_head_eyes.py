"""The default head's eyes and lids, through Head: spheres, closure, no penetration, gaze, symmetry."""

import itertools

import numpy as np
import pytest
import torch

from flame_tools.arkit import ARKIT_NAMES, to_params
from flame_tools.load import load_head
from flame_tools.types import FaceParams

RADIUS = 0.012  # metres, the same in every identity
IDENTITIES = 50
LID_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def head():
    return load_head("default")


@pytest.fixture(scope="module")
def people(head):  # [51, S]: the mean and 50 random identities within 2 SD
    drawn = np.clip(np.random.default_rng(11).normal(size=(IDENTITIES, head.shape_size)), -2.0, 2.0)
    return torch.tensor(np.concatenate([np.zeros((1, head.shape_size)), drawn]), dtype=head.v_template.dtype)


def posed(head, **fields):
    return head.vertices(FaceParams.neutral(head).replace(**fields)).double().numpy()


def ball_centres(head, vertices, side):
    return vertices[:, head.arrays.regions[f"{side}_eye_equator"]].mean(1)


def lid_faces(head, side):
    """Triangles of a lid that can be seen: the conjunctiva behind the margin is no part of the region."""
    lids = np.zeros(len(head.arrays.v_template), bool)
    lids[head.arrays.regions[f"{side}_lids"]] = True
    return head.arrays.faces[lids[head.arrays.faces].all(1)]


def distance_to_ball(head, vertices, side):
    """Smallest distance [K] in mm from the ball to the lids' triangles, their interiors included."""
    faces = lid_faces(head, side)
    steps = [(i, j, 6 - i - j) for i, j in itertools.product(range(7), repeat=2) if i + j <= 6]
    weights = np.array(steps) / 6.0  # [28, 3] corners, edges and inside
    out = vertices[:, faces] - ball_centres(head, vertices, side)[:, None, None]
    return np.array([np.linalg.norm(weights @ person, axis=-1).min() for person in out]) * 1e3 - RADIUS * 1e3


def slit(head, vertices, side):
    """Largest distance [K] in mm from a point of one margin to the other margin's line, both ways."""
    upper, lower = (head.arrays.regions[f"{side}_{lid}_lid_margin"] for lid in ("upper", "lower"))
    lower = lower[np.sort(np.unique(lower, return_index=True)[1])]
    worst = [max(to_line(p[upper], p[lower]).max(), to_line(p[lower], p[upper]).max()) for p in vertices]
    return np.array(worst) * 1e3


def to_line(points, line):
    start, along = line[:-1], np.diff(line, axis=0)
    t = np.clip(((points[:, None] - start) * along).sum(-1) / (along**2).sum(-1), 0.0, 1.0)
    return np.linalg.norm(points[:, None] - start - t[..., None] * along, axis=-1).min(1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_an_eyeball_is_a_sphere_of_constant_size_in_every_identity(head, people, side):
    vertices = posed(head, shape=people)
    ball = vertices[:, head.arrays.regions[f"{side}_eyeball"]]
    distance = np.linalg.norm(ball - ball_centres(head, vertices, side)[:, None], axis=-1)
    assert np.abs(distance - RADIUS).max() < 5e-6  # float32 positions and float16 shape dirs: worst seen 2e-7


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_eye_turns_about_its_centre(head, people, side):
    vertices = posed(head, shape=people, eyes=torch.tensor([[0.4, -0.5, 0.0]] * 2))
    still = posed(head, shape=people)
    moved = ball_centres(head, vertices, side) - ball_centres(head, still, side)
    assert np.abs(moved).max() < 2e-5  # of 12 mm: the joint's regressor is float32


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("weight", LID_WEIGHTS)
def test_lids_stay_outside_the_eyeball_while_they_close(head, people, side, weight):
    vertices = posed(head, shape=people, eyelids=torch.full((2,), weight))
    assert distance_to_ball(head, vertices, side).min() > 0.0


@pytest.mark.parametrize("side", ["left", "right"])
def test_lids_meet_in_every_identity(head, people, side):
    assert slit(head, posed(head, shape=people, eyelids=torch.ones(2)), side).max() < 0.5


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_opening_shrinks_steadily_and_the_upper_lid_does_the_work(head, side):
    upper, lower = (head.arrays.regions[f"{side}_{lid}_lid_margin"] for lid in ("upper", "lower"))
    weights = torch.linspace(0.0, 1.0, 11)
    vertices = posed(head, eyelids=weights[:, None].expand(-1, 2))
    middle = len(upper) // 2
    gap = vertices[:, upper[middle], 1] - vertices[:, lower[middle], 1]
    assert (np.diff(gap) < 0).all() and gap[0] > 0.008
    travel = np.ptp(vertices[:, upper[middle], 1]) / np.ptp(vertices[:, lower[middle], 1])
    assert travel > 4.0


def test_each_lid_has_its_own_weight(head):
    rest, left = posed(head), posed(head, eyelids=torch.tensor([1.0, 0.0]))
    assert np.abs((left - rest)[head.arrays.regions["right_lids"]]).max() < 1e-6
    assert np.abs((left - rest)[head.arrays.regions["left_lids"]]).max() > 0.008


GLANCES = [pair for pair in itertools.product(("", "Up", "Down"), ("", "In", "Out")) if any(pair)]


@pytest.mark.parametrize("glance", GLANCES, ids="".join)
@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_lids_stay_outside_the_eyeball_when_the_eyes_turn(head, people, glance, amount):
    weights = torch.zeros(len(ARKIT_NAMES), dtype=people.dtype)
    for name in filter(None, glance):
        for side in ("Left", "Right"):
            weights[ARKIT_NAMES.index(f"eyeLook{name}{side}")] = amount
    params = to_params(weights, head).replace(shape=people)
    vertices = head.vertices(params).double().numpy()
    for side in ("left", "right"):
        assert distance_to_ball(head, vertices, side).min() > 0.0


def test_lids_follow_the_gaze(head):
    upper, lower = (head.arrays.regions[f"left_{lid}_lid_margin"] for lid in ("upper", "lower"))
    middle = len(upper) // 2

    def opening(name):
        weights = torch.zeros(len(ARKIT_NAMES))
        weights[ARKIT_NAMES.index(name)] = 1.0
        moved = (head.vertices(to_params(weights, head)) - head.vertices(FaceParams.neutral(head))).numpy()
        return moved[upper[middle], 1] * 1e3, moved[lower[middle], 1] * 1e3

    up, up_lower = opening("eyeLookUpLeft")
    down, down_lower = opening("eyeLookDownLeft")
    assert up > 1.5 and up_lower > 0.5
    assert down < -3.5 and down_lower < -0.5


def test_shapes_leave_the_eyeballs_whole(head, people):
    a = head.arrays
    some = people[:13]
    for index, name in enumerate(a.expression_names):
        expression = torch.zeros(head.expression_size, dtype=people.dtype)
        expression[index] = 1.0
        still = np.abs(a.expressiondirs[a.regions["eyes"], :, index]).max()
        assert still == 0.0, name
        vertices = posed(head, shape=some, expression=expression)
        for side in ("left", "right"):
            assert distance_to_ball(head, vertices, side).min() > 0.0, name


def test_eyes_and_lids_are_mirror_images(head):
    mirror, flip = head.arrays.mirror, np.array([-1.0, 1.0, 1.0])
    eyes = torch.tensor([[0.2, 0.3, 0.0], [0.1, -0.2, 0.0]])
    turned = torch.stack([eyes[1], eyes[0]]) * torch.tensor([1.0, -1.0, -1.0])
    one = posed(head, eyelids=torch.tensor([0.7, 0.2]), eyes=eyes)
    other = posed(head, eyelids=torch.tensor([0.2, 0.7]), eyes=turned)
    for name in ("left_eyeball", "right_eyeball", "left_lids", "right_lids"):
        region = head.arrays.regions[name]
        assert np.abs(one[mirror[region]] * flip - other[region]).max() < 2e-6, name  # float32; worst seen 4e-7


def test_iris_points_lie_on_the_limbus_in_mediapipes_order(head):
    points = head.landmarks(head.vertices(FaceParams.neutral(head)), "iris").numpy().reshape(2, 5, 3)
    for eye, to_nose in zip(points, (1.0, -1.0), strict=True):  # right eye first; its nose side is +x
        ring = (eye[1:] - eye[0])[:, :2]
        wanted = 0.00585 * np.array([[to_nose, 0.0], [0.0, 1.0], [-to_nose, 0.0], [0.0, -1.0]])
        assert np.abs(ring - wanted).max() < 1e-5
    assert points[0, 0, 0] < 0 < points[1, 0, 0]


def test_iris_is_visible_at_rest(head):
    """The upper lid covers a little of the iris, the lower one about touches it, as in people."""
    rest = posed(head)
    centre = rest[head.arrays.regions["left_pupil"]].mean(0)
    upper, lower = (rest[head.arrays.regions[f"left_{lid}_lid_margin"]][:, 1] for lid in ("upper", "lower"))
    covered_mm = (0.00585 - (upper.max() - centre[1])) * 1e3
    bare_mm = (centre[1] - lower.min() - 0.00585) * 1e3
    assert 0.8 < covered_mm < 2.6
    assert -1.0 < bare_mm < 1.0
