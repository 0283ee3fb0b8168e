"""Lips that are seen shut are shut, on anybody, and nothing else moves."""

import numpy as np
import pytest
import torch

from flame_tools.arkit import INDEX, to_params
from flame_tools.identity import random_identities
from flame_tools.lips import Lips, gaps_mm
from recon.fitting.shut_lips import LEFT_MM, faded, lips_met, seen_shut


@pytest.fixture(scope="module")
def ajar(head):
    """Four frames of somebody whose lips stand a little apart, as fits leave them; the last is open."""
    weights = torch.zeros(4, len(INDEX))
    for name, value in (("jawOpen", 0.06), ("mouthStretchLeft", 0.4), ("mouthUpperUpRight", 0.1)):
        weights[:, INDEX[name]] = torch.tensor([1.0, 0.7, 1.0, 1.0]) * value
    weights[3, INDEX["jawOpen"]] = 0.5
    shape = torch.as_tensor(random_identities(head, 1, 3)[0], dtype=head.v_template.dtype)
    return to_params(weights, head).replace(shape=shape)


def opened(params, head):
    """[T] widest gap of the middle of the lips beyond that at rest, mm."""
    lips = Lips(head, params.shape)
    rest = gaps_mm(lips.head.v_template.numpy(), lips.pairs[lips.central])
    return (lips.gaps_mm(params) - rest).max(1)


def test_lips_meet_where_they_are_shut_and_nowhere_else(ajar, head):
    before, met = opened(ajar, head), lips_met(ajar, np.array([1.0, 0.0, 1.0, 0.0]), head)
    assert before.min() > 0.8
    after = opened(met, head)
    assert after[[0, 2]].max() < LEFT_MM + 0.15
    for name in ("expression", "jaw"):
        assert torch.equal(getattr(met, name)[[1, 3]], getattr(ajar, name)[[1, 3]])
    for name in ("shape", "eyes", "eyelids", "global_rotation", "translation"):
        assert torch.equal(getattr(met, name), getattr(ajar, name))
    low, high = head.arrays.expression_bounds.T
    moved = met.expression.numpy()
    assert (moved >= np.minimum(low, ajar.expression.numpy()) - 1e-6).all() and (moved <= high + 1e-6).all()


def test_half_sure_is_half_shut(ajar, head):
    whole, half = (opened(lips_met(ajar, np.full(4, share), head), head)[0] for share in (1.0, 0.3))
    assert whole + 0.2 < half < opened(ajar, head)[0] - 0.2


def test_a_head_at_rest_is_seen_shut_and_one_that_speaks_is_not(head):
    marks = head.arrays.landmarks["468"]

    def points(jaw):
        weights = torch.zeros(1, len(INDEX))
        weights[0, INDEX["jawOpen"]] = jaw
        vertices = head.vertices(to_params(weights, head)).numpy()[0]
        return 900 * (vertices[head.arrays.faces[marks.faces]] * marks.barycentrics[..., None]).sum(1)

    for knows in (True, False):
        shut = seen_shut(np.stack([points(0.0), points(0.25)]), np.full(2, knows), head.arrays)
        np.testing.assert_allclose(shut, [1, 0], atol=1e-6)


def test_closures_fade_alike_at_any_frame_rate():
    for rate in (25, 50, 100):
        times = np.arange(rate) / rate
        shut = np.zeros(rate)
        shut[rate // 2] = 1
        soft = faded(shut, times)
        assert soft[rate // 2] == 1 and soft[rate // 2 + round(0.04 * rate)] == pytest.approx(np.exp(-2), abs=0.02)
        assert soft[: rate // 4].max() == 0


def test_live_closures_know_nothing_of_what_comes():
    times, shut = np.arange(10) / 50, np.zeros(10)
    shut[5] = 1
    soft = faded(shut, times, causal=True)
    assert not soft[:5].any() and soft[5] == 1
    np.testing.assert_array_equal(soft[5:], faded(shut, times)[5:])


def test_a_film_without_shut_lips_stays_as_it_is(ajar, head):
    assert lips_met(ajar, np.zeros(4), head) is ajar
