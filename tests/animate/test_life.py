import numpy as np
import pytest

import emberface
from animate.life import Life, life_of
from animate.speech import RATE
from flame_tools.errors import InputError
from tests.animate.test_eyes import swelling


def test_words_a_dict_and_nothing():
    assert life_of(None) == Life() == life_of("") == life_of({})
    assert life_of(" Head:0.5, blinks:0") == Life(head=0.5, blinks=0.0) == life_of({"head": 0.5, "blinks": 0})
    assert life_of({"head": np.float32(0.5), "blinks": np.int64(0)}) == Life(head=0.5, blinks=0.0)


@pytest.mark.parametrize(
    "spec, match",
    [
        ("hands:1", "no 'hands'; there are: head, gaze, brows, blinks"),
        ("head", "no amount after a colon"),
        ("head:0.2,Head:2", "twice"),
        ("head:3", "wanted a number from 0 to 2"),
        ("head:nan", "wanted a number from 0 to 2"),
        ({"gaze": "much"}, "wanted a number"),
        (3, "life is a int"),
    ],
)
def test_what_is_refused(spec, match):
    with pytest.raises(InputError, match=match):
        life_of(spec)


def test_amounts_reach_the_face_and_leave_the_mouth():
    usual, still, half = (
        emberface.animate(swelling(), RATE, model="rules", life=life)
        for life in (None, "head:0,gaze:0,brows:0,blinks:0", "head:0.5")
    )
    assert usual.params.neck.abs().max() > 0 and not still.params.neck.any() and not still.params.eyes.any()
    assert len(usual.intervals["events"]) and not len(still.intervals["events"])
    np.testing.assert_allclose(half.params.neck, 0.5 * usual.params.neck, atol=1e-7)
    np.testing.assert_array_equal(half.params.jaw, usual.params.jaw)
    np.testing.assert_array_equal(still.params.jaw, usual.params.jaw)
