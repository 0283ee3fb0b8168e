"""Blinks over faces that squint, smile, stare and look down."""

import dataclasses

import numpy as np
import pytest

from animate.lids import Lids, blinked
from flame_tools import Head
from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params

UPPER, LOWER = [37, 38, 43, 44], [41, 40, 47, 46]  # of the 68 landmarks


def weights_of(**values: float) -> np.ndarray:
    weights = np.zeros((1, len(ARKIT_NAMES)))
    for name, value in values.items():
        weights[0, [INDEX[f"{name}Left"], INDEX[f"{name}Right"]]] = value
    return weights


def opening_mm(head: Head, weights: np.ndarray, look: np.ndarray) -> np.ndarray:
    params = to_params(weights, head)
    eyes = params.eyes.clone()
    eyes[..., :2] = eyes.new_tensor(look)[:, None]
    y = head.landmarks(head(params.replace(eyes=eyes)).vertices)[0, :, 1].numpy() * 1000
    return y[UPPER] - y[LOWER]


@pytest.mark.parametrize("down_rad", [0.0, 0.2])
@pytest.mark.parametrize("felt", [{}, {"eyeSquint": 1.0}, {"cheekSquint": 0.9, "eyeSquint": 0.35},
                                  {"eyeWide": 1.0}, {"eyeBlink": 0.4, "eyeSquint": 0.2}])  # fmt: skip
def test_a_blink_brings_the_lids_together_and_no_further(head, felt, down_rad):
    look = np.array([[down_rad, 0.0]])
    shut = blinked(weights_of(**felt), np.ones(1), look, Lids(head))
    assert np.abs(opening_mm(head, shut, look)).max() < 0.5


def test_without_a_blink_lids_stay_as_they_are(head):
    felt = weights_of(eyeSquint=0.7, eyeWide=0.3, eyeBlink=0.2)
    np.testing.assert_array_equal(blinked(felt, np.zeros(1), np.array([[0.3, 0.1]]), Lids(head)), felt)


def test_lids_close_steadily_from_where_a_feeling_holds_them(head):
    shut = np.linspace(0, 1, 9)
    felt = np.repeat(weights_of(eyeBlink=0.4, eyeSquint=0.5), len(shut), 0)
    blink = blinked(felt, shut, np.zeros((len(shut), 2)), Lids(head))[:, INDEX["eyeBlinkLeft"]]
    assert blink[0] == 0.4 and (np.diff(blink) > 0).all()


def test_a_head_without_landmarks_shuts_its_lids_by_the_blink_alone(head):
    bare = Head(dataclasses.replace(head.arrays, landmarks={}))
    lids = Lids(bare)
    assert not lids.lowered.any()
    out = blinked(weights_of(eyeSquint=0.7), np.ones(1), np.zeros((1, 2)), lids)
    assert out[0, INDEX["eyeBlinkLeft"]] == 1.0
