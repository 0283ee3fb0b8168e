import numpy as np
import pytest
import torch

from flame_tools import InputError, load_head
from flame_tools.cast import cast, random_identity, still


@pytest.fixture(scope="module")
def head():
    return load_head()


def test_the_same_seed_is_the_same_person(head):
    a, b, c = (random_identity(head, seed=s) for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_towards_moves_along_the_named_direction_alone(head):
    base = random_identity(head, seed=5, towards={"age": 0.0})
    older = random_identity(head, seed=5, towards={"age": 1.5})
    np.testing.assert_allclose((older - base).numpy(), 1.5 * head.arrays.directions["age"], atol=1e-5)


def test_chance_does_not_touch_what_has_a_name(head):
    shape = random_identity(head, seed=9, towards={"sex": 0.0}).double().numpy()
    for name, direction in head.arrays.directions.items():
        assert abs(shape @ direction) < 1e-4, name


def test_a_cast_is_balanced(head):
    people = cast(head, 12, seed=3)
    assert sum(w["sex"] > 0 for w, _ in people) == 6
    for ancestry in (n for n in head.arrays.directions if n.startswith("ancestry_")):
        chosen = [w for w, _ in people if ancestry in w]
        assert len(chosen) == 4 and {w["sex"] > 0 for w in chosen} == {True, False}
    assert abs(np.mean([w["age"] for w, _ in people])) < 1e-3
    shapes = torch.stack([s for _, s in people])
    assert torch.cdist(shapes, shapes).fill_diagonal_(9).min() > 2  # twelve different people


def test_a_still_is_a_track_of_one_frame(head):
    track = still(head, random_identity(head, seed=0))
    assert len(track) == 1 and track.licences == (head.arrays.licence,)


def test_an_unknown_direction_is_refused_with_the_known_ones(head):
    with pytest.raises(InputError, match=r"charm.*age"):
        random_identity(head, seed=0, towards={"charm": 1.0})
