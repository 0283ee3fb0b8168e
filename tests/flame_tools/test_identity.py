import numpy as np
import pytest
import torch

from flame_tools import FaceParams, Head, InputError, ShapeError
from flame_tools.identity import ANCESTRIES, direction, mix, random_cast, random_identities
from flame_tools.load import load_head


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head("default")


def reflect(offsets: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    return offsets[mirror] * np.array([-1.0, 1.0, 1.0])[(..., *(None,) * (offsets.ndim - 2))]


# --- the default head's identity space


def test_basis_is_large_and_explains_the_samples(head):
    learnt = head.arrays.provenance["identity"]
    share = np.array(learnt["variance_share"])
    assert head.shape_size >= 60 and len(share) == head.shape_size
    assert share.sum() > 0.99 and (np.diff(share) <= 1e-9).all()
    assert learnt["variance_explained"] == pytest.approx(share.sum(), abs=1e-3)


def test_mean_is_symmetric(head):
    template = head.arrays.v_template
    np.testing.assert_allclose(reflect(template, head.arrays.mirror), template, atol=1e-6)


def test_every_component_is_even_or_odd(head):
    dirs = head.arrays.shapedirs.astype(np.float64)
    mirrored = reflect(dirs, head.arrays.mirror)
    scale = np.abs(dirs).max((0, 1))
    error = np.minimum(np.abs(mirrored - dirs).max((0, 1)), np.abs(mirrored + dirs).max((0, 1)))
    assert (error < 0.01 * scale + 4e-6).all(), "offsets are stored to 2 micrometres as float16"


def test_asymmetry_is_small(head):
    dirs = head.arrays.shapedirs.astype(np.float64)
    odd = dirs - reflect(dirs, head.arrays.mirror)
    assert 0.0 < (odd**2).sum() / (4.0 * (dirs**2).sum()) < 0.05


def test_people_within_two_sd_are_whole(head):
    people = random_identities(head, 30, 3)
    rest = head.vertices(FaceParams.neutral(head).replace(shape=people)).double()
    mean = head.v_template.double()
    upper, lower = head.inner_lip_pairs.T
    gap = (rest[:, upper, 1] - rest[:, lower, 1]) - (mean[upper, 1] - mean[lower, 1])
    assert gap.abs().max() < 5e-4
    outside = torch.isin(head.faces, torch.cat([head.region("face"), head.region("scalp")])).all(1)
    a, b, _ = head.faces[outside].T
    long = torch.linalg.norm(mean[a] - mean[b], dim=-1) > 0.004
    ratio = torch.linalg.norm(rest[:, a] - rest[:, b], dim=-1) / torch.linalg.norm(mean[a] - mean[b], dim=-1)
    assert ratio[:, long].min() > 0.2 and ratio[:, long].max() < 2.5
    ears = rest[:, head.region("ears"), 0]
    breadth = ears.amax(1) - ears.amin(1)
    assert breadth.min() > 0.13 and breadth.max() < 0.24


@pytest.mark.parametrize("name", ["age", "sex", "weight", *(f"ancestry_{a}" for a in ANCESTRIES)])
def test_directions_change_the_face_clearly(head, name):
    step = direction(head, name)
    offsets = torch.as_tensor(head.arrays.shapedirs.astype(np.float32)) @ step
    moved_mm = 1000.0 * torch.linalg.norm(offsets[head.region("face")], dim=-1)
    assert 0.4 < moved_mm.mean() < 12.0
    even = reflect(offsets.numpy(), head.arrays.mirror)
    np.testing.assert_allclose(even, offsets.numpy(), atol=5e-5)


def test_ancestries_balance(head):
    total = sum(direction(head, f"ancestry_{name}") for name in ANCESTRIES)
    assert total.abs().max() < 1e-5


def test_men_are_larger_and_children_smaller(head):
    def height(step: torch.Tensor) -> float:
        v = head.vertices(FaceParams.neutral(head).replace(shape=step))[head.region("face")]
        return float(v[:, 1].max() - v[:, 1].min())

    assert height(direction(head, "sex")) > height(torch.zeros(head.shape_size)) > height(-direction(head, "sex"))
    assert height(direction(head, "child")) < 0.95 * height(torch.zeros(head.shape_size))


# --- mixing


def test_mix_weighs_and_normalises():
    shapes = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert torch.allclose(mix(shapes), torch.tensor([0.5, 0.5]))
    assert torch.allclose(mix(shapes, [3.0, 1.0]), torch.tensor([0.75, 0.25]))
    assert torch.allclose(mix(shapes, [2.0, -1.0]), torch.tensor([2.0, -1.0]))
    assert mix(torch.zeros(4, 7, 5)).shape == (7, 5)


def test_mix_refuses_what_it_cannot_mean():
    with pytest.raises(ShapeError, match=r"2 identities and weights \[3\]"):
        mix(torch.zeros(2, 5), [1.0, 1.0, 1.0])
    with pytest.raises(InputError, match="sum to 0"):
        mix(torch.zeros(2, 5), [1.0, -1.0])
    with pytest.raises(ShapeError, match=r"\[5\]"):
        mix(torch.zeros(5))


# --- casts


def test_cast_is_balanced(head):
    cast = random_cast(head, 60, seed=7)
    assert cast.shapes.shape == (60, head.shape_size)
    assert (cast.sex == 1).sum() == 30
    assert cast.ancestry.sum(0).tolist() == [20, 20, 20]
    combinations = {(s, int(a)) for s, a in zip(cast.sex, cast.ancestry.argmax(1), strict=True)}
    assert len(combinations) == 6
    counts, _ = np.histogram(cast.age_years, bins=5, range=(20, 75))
    assert counts.tolist() == [12] * 5
    assert abs(np.corrcoef(cast.age_years, cast.sex)[0, 1]) < 0.1


def test_complexions_follow_ancestry_and_differ_between_people(head):
    cast = random_cast(head, 60, seed=7)
    assert cast.skin.shape == (60, 3) and cast.skin.dtype == np.uint8
    light = cast.skin.astype(float).mean(1)
    african, asian, european = (light[cast.ancestry[:, k] == 1] for k in range(3))
    assert african.mean() + 50 < asian.mean() < european.mean()
    assert min(len(np.unique(part)) for part in (african, asian, european)) > 8
    assert (cast.skin[:, 0] > cast.skin[:, 1]).all() and (cast.skin[:, 1] > cast.skin[:, 2]).all()
    assert np.array_equal(random_cast(head, 60, seed=7).skin, cast.skin)


def test_cast_is_its_seed(head):
    assert torch.equal(random_identities(head, 5, 1), random_identities(head, 5, 1))
    assert not torch.equal(random_identities(head, 5, 1), random_identities(head, 5, 2))
    assert random_identities(head, 0, 1).shape == (0, head.shape_size)


def test_people_of_a_cast_differ(head):
    people = random_identities(head, 12, 4, age=30.0, sex="female", ancestry="asian")
    distance = torch.cdist(people, people) + 100.0 * torch.eye(12)
    assert distance.min() > 5.0


def test_age_is_added_along_its_direction(head):
    young = random_identities(head, 4, 5, age=30.0, sex="male", ancestry="african")
    old = random_identities(head, 4, 5, age=70.0, sex="male", ancestry="african")
    expected = (2.0 * direction(head, "age")).expand(4, -1)
    torch.testing.assert_close(old - young, expected, atol=1e-5, rtol=1e-5)


def test_a_mixed_ancestry_lies_between(head):
    ask = {"age": 40.0, "sex": 0.0}
    a, b = (random_identities(head, 3, 6, ancestry=name, **ask) for name in ("asian", "european"))
    both = random_identities(head, 3, 6, ancestry={"asian": 1.0, "european": 1.0}, **ask)
    torch.testing.assert_close(both, 0.5 * (a + b), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        ({"age": 3.0}, "age 3.0 is outside 8 to 90"),
        ({"age": (60.0, 30.0)}, "outside 8 to 90"),
        ({"age": (20.0, 30.0, 40.0)}, "a number or low, high"),
        ({"age": "old"}, "a number or low, high"),
        ({"age": float("nan")}, "outside 8 to 90"),
        ({"n": 1.5}, "1.5 people .* whole numbers"),
        ({"n": -1}, "-1 people .* whole numbers"),
        ({"seed": -1}, "seed -1 .* whole numbers"),
        ({"sex": "robot"}, "'robot' is unknown"),
        ({"ancestry": "martian"}, "african, asian, european"),
        ({"ancestry": {"asian": 0.0}}, "african, asian, european"),
    ],
)
def test_cast_refuses_what_it_does_not_know(head, ask, message):
    with pytest.raises(InputError, match=message):
        random_cast(head, **{"n": 3, "seed": 0, **ask})


def test_a_head_without_directions(arrays):
    import dataclasses

    plain = Head(dataclasses.replace(arrays, directions={}))
    assert random_identities(plain, 4, 0).abs().max() <= 2.0
    with pytest.raises(InputError, match="no identity directions, so sex cannot be chosen"):
        random_identities(plain, 4, 0, sex="male")
    with pytest.raises(InputError, match="no identity direction 'age'; it has none"):
        direction(plain, "age")
