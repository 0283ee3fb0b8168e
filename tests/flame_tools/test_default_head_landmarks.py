import numpy as np
import pytest
import torch

from flame_tools import FaceParams, Head
from flame_tools.arkit import ARKIT_NAMES, to_params
from flame_tools.identity import random_identities
from flame_tools.load import load_head

# iBUG's 68 from the other side
MIRROR_68 = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31]
MIRROR_68 += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
MIRROR_68 += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
# MediaPipe: the inner lips and the lids' margins, upper and lower landmarks that face each other
INNER_LIPS = [(13, 14), (82, 87), (312, 317), (81, 178), (311, 402)]
LIDS = [(159, 145), (158, 153), (160, 144), (386, 374), (385, 380), (387, 373)]
SIDED = ("eyeball", "lids", "ear")
REGIONS = [f"{side}_{name}" for side in ("left", "right") for name in SIDED]
REGIONS += ["face", "lips", "eyes", "nose", "brow", "ears", "scalp", "neck", "mouth"]
REGIONS += ["teeth", "upper_teeth", "lower_teeth", "tongue", "gums"]


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head("default")


def posed(head: Head, **weights: float) -> torch.Tensor:
    """Vertices of the mean head with ARKit weights; a name without its side means both."""
    row = torch.zeros(52)
    for name, value in weights.items():
        for full in (name, f"{name}Left", f"{name}Right"):
            if full in ARKIT_NAMES:
                row[ARKIT_NAMES.index(full)] = value
    assert row.any() or not weights
    return head.vertices(to_params(row, head))


def mm(points: torch.Tensor, pairs) -> torch.Tensor:
    upper, lower = np.array(pairs).T
    return 1000.0 * torch.linalg.norm(points[..., upper, :] - points[..., lower, :], dim=-1)


@pytest.mark.parametrize(("name", "count"), [("68", 68), ("468", 468), ("iris", 10)])
def test_embeddings_are_places_on_triangles(head, name, count):
    embedding = head.arrays.landmarks[name]
    assert embedding.faces.shape == (count,) and embedding.barycentrics.shape == (count, 3)
    assert embedding.faces.min() >= 0 and embedding.faces.max() < len(head.arrays.faces)
    np.testing.assert_allclose(embedding.barycentrics.sum(1), 1.0, atol=1e-6)
    assert embedding.barycentrics.min() >= 0.0


def test_68_are_symmetric(head):
    points = head.landmarks(head.v_template, "68")
    mirrored = points[MIRROR_68] * torch.tensor([-1.0, 1.0, 1.0])
    assert 1000.0 * (mirrored - points).abs().max() < 0.005


def test_468_are_symmetric(head):
    points = head.landmarks(head.v_template, "468").double()
    distance = torch.cdist(points * torch.tensor([-1.0, 1.0, 1.0]).double(), points)
    twin = distance.argmin(1)
    assert (twin[twin] == torch.arange(468)).all() and (twin == torch.arange(468)).sum() == 28
    assert 1000.0 * distance.min(1).values.max() < 0.005
    assert twin[33] == 263 and twin[61] == 291 and twin[234] == 454 and twin[1] == 1


def test_468_are_all_different_places(head):
    points = head.landmarks(head.v_template, "468").double()
    points[[13, 82, 312, 81, 311, 80, 310, 191, 415]] += 0.01  # upper inner lips lie on the lower ones
    distance = torch.cdist(points, points) + torch.eye(468)
    assert 1000.0 * distance.min() > 0.2


def test_points_lie_where_their_names_say(head):
    p = head.landmarks(head.v_template, "68")
    assert p[:17, 1].argmin() == 8 and (p[1:16, 0].diff() > 0).all()  # the jaw line runs from the right ear to the left
    assert (p[17:22, 1].min() > p[36:42, 1].max()) and (p[22:27, 1].min() > p[42:48, 1].max())
    assert p[:, 2].argmax() == 30  # the tip of the nose
    assert p[27, 1] > p[28, 1] > p[29, 1] > p[30, 1] > p[33, 1] > p[51, 1] > p[57, 1] > p[8, 1]
    q = head.landmarks(head.v_template, "468")
    assert q[152, 1] == q[:, 1].min() and q[10, 1] > q[:, 1].max() - 1e-3
    assert (q[234, 0] < q[33, 0] < q[133, 0] < 0) and (0 < q[362, 0] < q[263, 0] < q[454, 0])


def test_68_agree_with_468(head):
    p, q = (head.landmarks(head.v_template, name) for name in ("68", "468"))
    shared = {30: 1, 36: 33, 39: 133, 42: 362, 45: 263, 48: 61, 54: 291, 51: 0, 57: 17, 62: 13, 66: 14, 8: 152}
    assert torch.equal(p[list(shared)], q[list(shared.values())])


def test_inner_lips_meet_at_rest_and_part_with_the_jaw(head):
    closed = mm(head.landmarks(head.v_template, "468"), INNER_LIPS)
    assert closed.max() < 2.5
    opened = head.landmarks(posed(head, jawOpen=1.0), "468")
    upper, lower = np.array(INNER_LIPS).T
    drop = 1000.0 * (opened[upper, 1] - opened[lower, 1])
    assert drop[0] > 20.0 and drop.min() > 10.0
    for a, b in ((62, 66), (61, 67), (63, 65)):
        points = head.landmarks(posed(head, jawOpen=1.0), "68")
        assert 1000.0 * (points[a, 1] - points[b, 1]) > 10.0


def test_inner_lips_ride_on_the_contact_ring(head):
    ring = set(head.arrays.inner_lip_pairs.ravel().tolist())
    embedding = head.arrays.landmarks["468"]
    for landmark in (13, 14):
        corner = head.arrays.faces[embedding.faces[landmark]][embedding.barycentrics[landmark].argmax()]
        assert int(corner) in ring and embedding.barycentrics[landmark].max() > 0.999


def test_lids_meet_when_shut(head):
    assert mm(head.landmarks(head.v_template, "468"), LIDS).min() > 4.0
    people = torch.cat([torch.zeros(1, head.shape_size), random_identities(head, 8, 0)])
    shut = FaceParams.neutral(head).replace(shape=people, eyelids=torch.ones(2))
    points = head.landmarks(head.vertices(shut), "468")
    upper, lower = np.array(LIDS).T
    gap_mm = 1000.0 * (points[:, upper, 1] - points[:, lower, 1]).abs()
    assert gap_mm.max() < 0.6  # facing landmarks lie up to 1.5 mm apart along the seam, which slopes


def test_iris_rings_are_round_and_follow_the_gaze(head):
    iris = head.landmarks(head.v_template, "iris").reshape(2, 5, 3)
    radius = 1000.0 * torch.linalg.norm((iris[:, 1:] - iris[:, 1:].mean(1, keepdim=True)), dim=-1)
    torch.testing.assert_close(radius, torch.full((2, 4), 5.85), atol=0.1, rtol=0.0)
    assert iris[0, 0, 0] < 0 < iris[1, 0, 0]
    aside = head.landmarks(posed(head, eyeLookOutLeft=1.0, eyeLookInRight=1.0), "iris").reshape(2, 5, 3)
    assert (1000.0 * (aside[:, 0, 0] - iris[:, 0, 0]) > 4.0).all()


@pytest.mark.parametrize("name", REGIONS)
def test_regions_are_there(head, name):
    region = head.region(name).numpy()
    assert len(region) >= 20 and len(np.unique(region)) == len(region)


@pytest.mark.parametrize("name", REGIONS)
def test_regions_are_symmetric(head, name):
    other = name.replace("left", "right") if "left" in name else name.replace("right", "left")
    mirrored = np.sort(head.arrays.mirror[head.region(name).numpy()])
    assert np.array_equal(mirrored, np.sort(head.region(other).numpy()))


def test_regions_keep_to_their_place(head):
    sets = {name: set(head.region(name).tolist()) for name in REGIONS}
    assert sets["lips"] <= sets["face"] and sets["left_lids"] <= sets["face"]
    for a, b in (("face", "neck"), ("face", "scalp"), ("face", "ears"), ("scalp", "neck"), ("eyes", "face")):
        assert not sets[a] & sets[b], (a, b)
    v = head.v_template
    assert v[head.region("scalp"), 1].mean() > v[head.region("face"), 1].mean() > v[head.region("neck"), 1].mean()
    assert (v[head.region("left_ear"), 0] > 0.04).all()
