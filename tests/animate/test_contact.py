import dataclasses

import numpy as np
import pytest
import torch

from animate.contact import closures, led, part, seal
from animate.emotion import EMOTIONS, layer
from animate.textgrid import intervals
from flame_tools import Head
from flame_tools.arkit import INDEX, to_params
from flame_tools.errors import InputError
from flame_tools.lips import CLOSED_MM, Lips


def identity(head, seed: int) -> torch.Tensor:
    return torch.randn(head.shape_size, generator=torch.Generator().manual_seed(seed)).clamp(-2, 2)


def test_lips_are_the_heads_own(head):
    shape = identity(head, 3)
    lips = Lips(head, shape)
    weights = torch.rand(5, 52, generator=torch.Generator().manual_seed(0)) * 0.5
    params = to_params(weights, head).replace(shape=shape)
    whole = head.vertices(params).numpy()
    pairs = head.arrays.inner_lip_pairs
    gap = 1e3 * (whole[:, pairs[:, 0], 1] - whole[:, pairs[:, 1], 1])
    # float32 metres: 1e-4 mm is the last digit.
    np.testing.assert_allclose(lips.gaps_mm(params), gap[:, lips.central], atol=2e-3)
    assert 3 <= lips.central.sum() < len(pairs)
    width = 1e3 * np.linalg.norm(whole[:, pairs[0]].mean(1) - whole[:, pairs[-1]].mean(1), axis=-1)
    np.testing.assert_allclose(lips.widths_mm(params), width, atol=2e-3)


def test_gaps_do_not_depend_on_the_heads_pose(head):
    lips = Lips(head, torch.zeros(head.shape_size))
    params = to_params(torch.rand(1, 52, generator=torch.Generator().manual_seed(1)) * 0.4, head)
    turned = params.replace(neck=torch.tensor([[0.3, 0.5, 0.1]]), translation=torch.tensor([[0.1, 1.0, 0.2]]))
    np.testing.assert_allclose(lips.gaps_mm(turned), lips.gaps_mm(params), atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("emotion", EMOTIONS)
def test_lips_meet_on_any_person_in_any_emotion(head, emotion, seed):
    lips = Lips(head, identity(head, seed))
    felt = layer(np.eye(8)[EMOTIONS.index(emotion)])
    random = np.random.default_rng(seed)
    mouths = np.zeros((6, 52))
    for name in (
        "jawOpen",
        "mouthPucker",
        "mouthFunnel",
        "mouthStretchLeft",
        "mouthUpperUpRight",
        "mouthLowerDownLeft",
    ):
        mouths[:, INDEX[name]] = random.uniform(0, 0.35, 6)
    shut = seal(1 - (1 - mouths) * (1 - felt), np.ones(6), lips)
    gaps = lips.gaps_of_weights_mm(shut)
    assert np.abs(gaps).max() <= CLOSED_MM
    assert shut.min() >= 0 and shut.max() <= 1


def test_half_closed_is_half_as_wide(head):
    lips = Lips(head, torch.zeros(head.shape_size))
    mouths = np.zeros((3, 52))
    mouths[:, INDEX["jawOpen"]] = 0.25
    gaps = lips.gaps_of_weights_mm(seal(mouths, np.array([0.0, 0.5, 1.0]), lips)).min(1) - lips.aim_mm
    assert gaps[0] > 4
    np.testing.assert_allclose(gaps[1:], [gaps[0] / 2, 0.0], atol=0.03)


def test_sealing_leaves_its_input_alone(head):
    mouths = np.full((2, 52), 0.1)
    seal(mouths, np.ones(2), Lips(head, torch.zeros(head.shape_size)))
    assert (mouths == 0.1).all()


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
@pytest.mark.parametrize("length", [0.03, 0.05, 0.12])
def test_every_closure_falls_on_a_frame(fps, length):
    times = np.arange(round(20 * fps)) / fps
    starts = np.arange(0.5, 19.0, 0.737)
    rows = [row for s in starts for row in (("AA", s - 0.2, s), ("B", s, s + length), ("AE", s + length, s + 0.3))]
    asked = closures(intervals(rows), times)
    for start in starts:
        near = (times >= start - 0.04) & (times <= start + length + 0.04)
        assert asked.hold[near].max() == 1.0, f"no frame is shut at {start:.3f} s"
        middle = (times > start - 0.15) & (times < start - 0.05)
        assert np.minimum(asked.hold, asked.limit)[middle].max() < 0.5


def test_what_is_said_with_open_lips_keeps_them_apart(head):
    lips, times = Lips(head, torch.zeros(head.shape_size)), np.arange(30) / 30
    wanted = closures(intervals([("Z", 0.0, 0.4), ("M", 0.4, 0.5), ("Z", 0.5, 0.7), ("SIL", 0.7, 1.0)]), times)
    mouths = np.zeros((30, 52))
    mouths[:, INDEX["jawOpen"]] = 0.02
    shut = seal(mouths, wanted.hold, lips)
    open_ = part(shut, wanted, lips)
    before, after = (np.abs(lips.gaps_of_weights_mm(weights)).max(1) for weights in (shut, open_))
    assert wanted.apart.sum() >= 8 and before[wanted.apart].max() <= CLOSED_MM < after[wanted.apart].min()
    np.testing.assert_array_equal(open_[wanted.hold == 1], shut[wanted.hold == 1])
    np.testing.assert_array_equal(open_[times > 0.8], shut[times > 0.8])
    steps = np.abs(np.diff(open_ - shut, axis=0)).max()
    assert steps < 0.3  # nothing snaps
    last = np.flatnonzero(times < 0.7)[-1]
    assert wanted.apart[last] and wanted.silent[last + 1 :].all()  # to the edge of the silence, which follows a little
    opened = (open_ - shut)[:, INDEX["mouthLowerDownLeft"]]
    assert 0 < opened[last + 1] < 0.4 * opened[last]


def test_lips_gain_speed_until_they_meet():
    times = np.arange(1000) / 1000
    hold = closures(intervals([("AA", 0.0, 0.5), ("B", 0.5, 0.6), ("AA", 0.6, 1.0)]), times).hold
    meet = int(np.argmax(hold == 1.0))
    way = hold[:meet][hold[:meet] > 0]
    assert len(way) > 50 and (np.diff(way, 2) > -1e-9).all()  # until they meet they never slow down
    assert times[np.argmax(hold >= 0.5)] == pytest.approx(0.5, abs=0.015)
    after = hold[meet:][hold[meet:] < 1]
    assert abs(after[1] - after[0]) < 0.01  # and part gently


def test_a_mouth_that_closes_by_itself_is_led_into_a_closure():
    hold = np.array([0.0, 0.0, 0.25, 1.0, 1.0, 0.5, 0.0, 0.0])
    own = np.array([0.2, 0.4, 0.9, 1.0, 1.0, 0.9, 0.3, 0.8])
    before = own.copy()
    # From 0.4 a quarter of the way to shut; where nothing closes and where lips part, as it wants.
    np.testing.assert_allclose(led(own, hold), [0.2, 0.4, 0.55, 1.0, 1.0, 0.9, 0.3, 0.8])
    np.testing.assert_allclose(led(np.zeros(8), hold), hold)
    np.testing.assert_array_equal(own, before)


def test_nothing_to_close():
    asked = closures(intervals([("AA", 0.0, 0.3), ("SIL", 0.3, 0.6)]), np.arange(18) / 30)
    assert (asked.hold == 0).all()


def test_lips_meet_where_pairs_lie_unevenly_at_rest(head):
    """As on characters, whose pairs are found by nearness: the middle one is a millimetre wider than its neighbours."""
    arrays = head.arrays
    pairs, template = arrays.inner_lip_pairs, arrays.v_template.copy()
    middle = len(pairs) // 2
    template[pairs[middle - 1 : middle + 2, 0], 1] += 0.0009
    lips = Lips(Head(dataclasses.replace(arrays, v_template=template)), torch.zeros(head.shape_size))
    mouths = np.zeros((1, 52))
    mouths[:, INDEX["jawOpen"]] = 0.25
    assert np.abs(lips.gaps_of_weights_mm(seal(mouths, np.ones(1), lips))).max() <= CLOSED_MM


def test_a_head_without_inner_lips_is_refused(head):
    bare = dataclasses.replace(head.arrays, inner_lip_pairs=np.zeros((0, 2), np.int32))
    with pytest.raises(InputError, match="has no inner_lip_pairs"):
        Lips(Head(bare), torch.zeros(head.shape_size))
