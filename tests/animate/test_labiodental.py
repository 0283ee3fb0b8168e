import dataclasses

import numpy as np
import pytest
import torch

from animate.emotion import EMOTIONS, layer
from animate.labiodental import CONTACT_MM, bite_of, bitten, holds
from animate.textgrid import intervals
from flame_tools import Head
from flame_tools.arkit import INDEX, to_params
from flame_tools.lips import Lips

TIMES = np.arange(60) / 30
SAID = intervals([("AA", 0.0, 0.8), ("F", 0.8, 0.92), ("M", 0.92, 1.0), ("AA", 1.0, 2.0)])


@pytest.fixture(scope="module")
def bite(head):
    return bite_of(head.bake(torch.zeros(head.shape_size)))


def distances(bite, weights) -> np.ndarray:
    return bite.distances_mm(to_params(torch.as_tensor(weights, dtype=torch.float32), bite.head))


def mouths(**units: float) -> np.ndarray:
    out = np.zeros((len(TIMES), 52))
    for name, unit in units.items():
        out[:, INDEX[name]] = unit
    return out


@pytest.mark.parametrize("emotion", ("neutral", "sad", "happy", "anger"))
def test_the_lip_comes_to_the_teeth_in_any_emotion(bite, emotion):
    felt = layer(np.eye(8)[EMOTIONS.index(emotion)])
    said = 1 - (1 - mouths(jawOpen=0.08, mouthRollLower=0.6, mouthClose=0.04)[:1]) * (1 - felt)
    reached = bite.reached(said)
    assert distances(bite, reached)[0] <= CONTACT_MM < 3.0 < distances(bite, said)[0]
    assert reached.min() >= 0 and reached.max() <= 1


def test_no_lip_goes_through_a_tooth(bite):
    reached = bite.reached(np.random.default_rng(0).uniform(0, 0.3, (40, 52)))
    assert distances(bite, reached).min() > 0.3  # mm


def test_distances_do_not_depend_on_the_heads_pose(bite):
    params = to_params(torch.rand(1, 52, generator=torch.Generator().manual_seed(1)) * 0.4, bite.head)
    turned = params.replace(neck=torch.tensor([[0.3, 0.5, 0.1]]), translation=torch.tensor([[0.1, 1.0, 0.2]]))
    np.testing.assert_allclose(bite.distances_mm(turned), bite.distances_mm(params), atol=1e-4)


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_every_labiodental_falls_on_a_frame(fps):
    times = np.arange(20 * fps) / fps
    starts = np.arange(0.5, 19.0, 0.737)
    hold = holds(intervals([("V", s, s + 0.03) for s in starts]), times)
    for start in starts:
        assert hold[(times >= start - 0.04) & (times <= start + 0.07)].max() == 1.0
        assert hold[(times > start - 0.3) & (times < start - 0.15)].max() == 0.0


def test_it_comes_and_goes_smoothly_and_leaves_shut_lips_alone(bite):
    said, shut = mouths(jawOpen=0.15), np.where((TIMES > 0.93) & (TIMES < 0.99), 1.0, 0.0)
    made = bitten(said, holds(SAID, TIMES), shut, bite)
    np.testing.assert_array_equal(made[shut == 1], said[shut == 1])
    np.testing.assert_array_equal(made[TIMES < 0.6], said[TIMES < 0.6])
    rolled = made[TIMES < 0.9, INDEX["mouthRollLower"]]
    assert rolled.max() == pytest.approx(1.0, abs=0.02) and np.diff(rolled).max() < 0.6
    assert distances(bite, made[np.abs(TIMES - 0.86) < 0.02]).max() <= CONTACT_MM


def test_a_head_without_teeth_is_left_alone(head):
    regions = {name: rows for name, rows in head.arrays.regions.items() if "teeth" not in name}
    bare = Lips(Head(dataclasses.replace(head.arrays, regions=regions)), torch.zeros(head.shape_size)).person
    said = mouths(jawOpen=0.15)
    assert bite_of(bare) is None
    np.testing.assert_array_equal(bitten(said, holds(SAID, TIMES), np.zeros(len(TIMES)), bite_of(bare)), said)
