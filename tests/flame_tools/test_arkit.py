import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools import Head, ShapeError, arkit
from flame_tools.arkit import ARKIT_NAMES, INDEX
from tests.flame_tools.conftest import as_character, random_arrays

HEAD = Head(random_arrays(), dtype=torch.float64)
OPPOSED = [("jawLeft", "jawRight")] + [
    (f"eyeLook{a}{side}", f"eyeLook{b}{side}") for a, b in (("Up", "Down"), ("In", "Out")) for side in ("Left", "Right")
]


def test_the_52_names_are_apples():
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52
    assert list(ARKIT_NAMES) == sorted(ARKIT_NAMES)
    assert len(arkit.JOINT_OWNED) + len(arkit.LID_OWNED) + len(arkit.EXPRESSION_OWNED) == 52


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=52, max_size=52))
def test_weights_survive_the_round_trip(values):
    weights = torch.tensor(values, dtype=torch.float64)
    for _, other in OPPOSED:  # a joint cannot turn both ways at once
        weights[INDEX[other]] = 0
    back = arkit.from_params(arkit.to_params(weights, HEAD), HEAD)
    torch.testing.assert_close(back, weights, rtol=0, atol=1e-12)


def test_a_character_with_all_names_says_them_whatever_its_map_repeats():
    """Exactly, and without a look at its surface: a solve for each frame takes seconds."""
    arrays = as_character(random_arrays())
    head = Head(arrays, dtype=torch.float64)
    params = arkit.to_params(0.5 * torch.eye(52), HEAD)
    torch.testing.assert_close(arkit.from_params(params, head), 0.5 * torch.eye(52).double(), rtol=0, atol=1e-12)
    assert arkit.says_names(arrays)
    assert not arkit.says_names(as_character(random_arrays(), "tongueOut"))
    other = np.array(arrays.arkit_map)
    other[INDEX["jawOpen"], 3] = 0.2  # it smiles as it opens
    assert not arkit.says_names(dataclasses.replace(arrays, arkit_map=other))


def test_each_motion_has_one_owner():
    params = arkit.to_params(torch.eye(52, dtype=torch.float64), HEAD)
    for name in arkit.JOINT_OWNED + arkit.LID_OWNED:
        assert params.expression[INDEX[name]].abs().sum() == 0, name
    assert params.jaw[INDEX["jawOpen"], 0] == pytest.approx(0.4)
    assert params.jaw[INDEX["jawLeft"], 1] > 0 > params.jaw[INDEX["jawRight"], 1]
    # Both eyes look to the subject's left, +y: the left one outward, the right one inward.
    assert params.eyes[INDEX["eyeLookOutLeft"], 0, 1] == pytest.approx(0.7)
    assert params.eyes[INDEX["eyeLookInRight"], 1, 1] == pytest.approx(0.6)
    assert params.eyes[INDEX["eyeLookDownLeft"], 0, 0] == pytest.approx(0.5)
    assert params.eyelids[INDEX["eyeBlinkRight"]].tolist() == [0, 1]


def test_leading_dimensions():
    weights = torch.rand(2, 3, 52, dtype=torch.float64)
    params = arkit.to_params(weights, HEAD)
    assert params.leading == (2, 3)
    assert arkit.from_params(params, HEAD).shape == (2, 3, 52)


def test_arrays_are_taken_as_tensors_are():
    weights = np.random.default_rng(0).random((2, 52))
    of_array, of_tensor = (arkit.to_params(w, HEAD) for w in (weights, torch.from_numpy(weights)))
    assert torch.equal(of_array.expression, of_tensor.expression) and torch.equal(of_array.eyes, of_tensor.eyes)


@pytest.mark.parametrize("kind", [np.float64, np.float32, int])
def test_a_head_takes_what_came_of_any_array(kind):
    head = Head(random_arrays())
    weights = np.zeros((3, 52), kind)
    weights[:, INDEX["jawOpen"]] = 1
    assert head.vertices(arkit.to_params(weights, head)).dtype == torch.float32
    assert arkit.to_params(weights, HEAD).jaw.dtype == torch.float64


def test_wrong_count_and_heads_without_names_are_refused():
    with pytest.raises(ShapeError, match="51"):
        arkit.to_params(torch.zeros(51), HEAD)
    with pytest.raises(ShapeError, match=r"are \[\], wanted"):
        arkit.to_params(0.5, HEAD)
    with pytest.raises(ShapeError, match="NaN"):
        arkit.to_params(torch.full((52,), float("nan")), HEAD)
    import dataclasses

    nameless = Head(dataclasses.replace(HEAD.arrays, expression_names=tuple(map(str, range(41))), id="plain"))
    with pytest.raises(ShapeError, match="plain"):
        arkit.to_params(torch.zeros(52), nameless)
