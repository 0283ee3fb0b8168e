import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools import InputError, ShapeError, facs
from flame_tools.arkit import ARKIT_NAMES, INDEX

TOLD = tuple(facs.from_arkit(torch.zeros(52)).codes)
ALIKE = {"26", "27", "61", "62", "65", "66"}  # one replaces the other, or two together are a third


def test_units_and_shapes_are_known():
    numbers = [unit.number for unit in facs.ACTION_UNITS]
    assert numbers == sorted(set(numbers))
    table = torch.stack([facs.to_arkit({code: 1.0}) for code in TOLD])
    # mouthLeft and mouthRight are no action unit; everything else is part of some
    assert {ARKIT_NAMES[i] for i in torch.where(table.sum(0) == 0)[0]} == {"mouthLeft", "mouthRight"}


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from([c for c in TOLD if c not in ALIKE]), st.floats(0, 1)))
def test_units_survive_the_round_trip(units):
    coding = facs.from_arkit(facs.to_arkit(units))
    for code, value in zip(coding.codes, coding.intensity.tolist(), strict=True):
        assert value == pytest.approx(units.get(code, 0.0), abs=1e-3), code
    assert coding.residual < 1e-3


def test_sides_letters_and_lines():
    weights = facs.to_arkit("6C + L12D, AU25 r2")
    assert weights[INDEX["cheekSquintLeft"]] == pytest.approx(0.6)
    assert weights[INDEX["mouthSmileLeft"]] == pytest.approx(0.8)
    assert weights[INDEX["mouthSmileRight"]] == 0
    assert weights[INDEX["browOuterUpRight"]] == 1
    assert facs.from_arkit(weights).units() == {"R2": 1.0, "L12": 0.8, "6": 0.6, "16": 0.25, "10": 0.15}
    torch.testing.assert_close(facs.to_arkit({12: "B"}), facs.to_arkit({"12": 0.4}))


def test_the_jaw_is_dropped_or_stretched_never_both():
    for opening, code in ((0.3, "26"), (0.6, "26"), (0.8, "27"), (1.0, "27")):
        weights = torch.zeros(52)
        weights[INDEX["jawOpen"]] = opening
        assert list(facs.from_arkit(weights).units()) == [code]


def test_performances_and_what_no_unit_says():
    loud = torch.linspace(0, 1, 7)
    weights = facs.to_arkit({"12": loud, "26": 1 - loud})
    assert weights.shape == (7, 52)
    weights[3, INDEX["mouthLeft"]] = 0.7
    coding = facs.from_arkit(weights[None])
    assert coding.intensity.shape == (1, 7, len(TOLD))
    assert coding.residual[0, 3] == pytest.approx(0.7, abs=1e-3)
    assert coding.residual[0, [0, 1, 2, 4, 5, 6]].max() < 1e-3
    with pytest.raises(ShapeError, match="1, 7"):
        coding.units()


@pytest.mark.parametrize(
    ("units", "why"),
    [("smile", "smile"), ("L17", "no sides"), ("30", "needs a side"), ("51", "moves the head"), ("99", "there are"),
     ({"12": 1.2}, "outside 0 to 1"), ({"12": "F"}, "'F'"), ({"12C": 1.0}, "one of them")],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(units, why):
    with pytest.raises(InputError, match=why):
        facs.to_arkit(units)


def test_wrong_length_is_refused():
    with pytest.raises(ShapeError, match="51"):
        facs.from_arkit(torch.zeros(51))
