import numpy as np
import pytest

from animate.emotion import ACTION_UNITS, EMOTIONS, MOUTH, PROTOTYPES, during_speech, layer, parse
from flame_tools.arkit import ARKIT_NAMES, INDEX
from flame_tools.errors import InputError


def test_specs():
    happy = np.eye(8)[1]
    np.testing.assert_array_equal(parse(None), np.zeros(8))
    np.testing.assert_array_equal(parse("happy"), happy)
    np.testing.assert_array_equal(parse("Joy:0.5 , surprised:0.2"), 0.5 * happy + 0.2 * np.eye(8)[3])
    np.testing.assert_array_equal(parse({"anger": 0.3}), 0.3 * np.eye(8)[6])
    assert parse(np.zeros((5, 8))).shape == (5, 8)


@pytest.mark.parametrize(
    "spec, match",
    [
        ("hapy:1", "unknown; there are: neutral, happy.*did you mean happy"),
        ("zzz", "unknown; there are: .*contempt$"),
        ("happy=1", "follows a colon, as in happy:0.8"),
        ("happy:lots", "no number"),
        ("happy:7", "emotion happy is 7, wanted 0 to 1"),
        ("sad:-1", "emotion sad is -1, wanted 0 to 1"),
        ("sad:nan", r"wanted \[0, 1\]"),
        ("happy:0.5,happy:0.8", "names happy twice"),
        ({"happy": 0.5, "joy": 0.2}, "names happy twice"),
        (np.zeros(7), r"wanted \[8\] or \[T, 8\]"),
    ],
)
def test_bad_specs_are_refused(spec, match):
    with pytest.raises(InputError, match=match):
        parse(spec)


def test_the_table_names_real_shapes_and_units():
    for units in PROTOTYPES.values():
        assert set(units) <= set(ACTION_UNITS)
    for weights in ACTION_UNITS.values():
        for name in weights:
            assert name in INDEX or (name[-1] == "*" and name[:-1] + "Left" in INDEX)
    assert set(PROTOTYPES) == set(EMOTIONS)


def test_layers_grow_with_intensity_and_stay_in_range():
    assert (layer(np.zeros(8)) == 0).all() and (layer(np.eye(8)[0]) == 0).all()
    for e in range(1, 8):
        half, full = layer(0.5 * np.eye(8)[e]), layer(np.eye(8)[e])
        assert full.max() > 0.5 and (half <= full + 1e-12).all() and half.max() < full.max()
    everything = layer(np.ones(8))
    assert everything.max() <= 1 and everything.min() >= 0


def test_emotions_differ_and_have_their_own_sign():
    faces = layer(np.eye(8))
    for a in range(8):
        for b in range(a):
            assert np.abs(faces[a] - faces[b]).sum() > 1.0, (EMOTIONS[a], EMOTIONS[b])
    assert faces[1, INDEX["mouthSmileLeft"]] > 0.8 and faces[2, INDEX["mouthFrownLeft"]] > 0.8
    assert faces[7, INDEX["mouthSmileRight"]] > 0.4 and faces[7, INDEX["mouthSmileLeft"]] == 0


def test_speech_holds_back_the_mouth_only():
    felt = np.tile(layer(np.eye(8)[3]), (2, 1))
    spoken = during_speech(felt, np.array([0.0, 1.0]), np.zeros(2))
    np.testing.assert_array_equal(spoken[0], felt[0])
    upper = [i for i in range(len(ARKIT_NAMES)) if i not in MOUTH]
    np.testing.assert_array_equal(spoken[1, upper], felt[1, upper])
    assert spoken[1, INDEX["jawOpen"]] < felt[1, INDEX["jawOpen"]]
    round_lips = during_speech(np.tile(layer(np.eye(8)[1]), (1, 1)), np.ones(1), np.ones(1))
    assert round_lips[0, INDEX["mouthSmileLeft"]] < 0.2
