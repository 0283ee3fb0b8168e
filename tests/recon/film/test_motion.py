"""Fits of single frames as one motion: what happens at its ends, where nobody looks on."""

import itertools

import numpy as np
import pytest

from recon.film.motion import joined
from recon.film.smoothing import COAST_S
from recon.fitting.layout import Layout
from recon.fitting.priors import prior

LAST, FIRST = 1.9, 1.1  # seconds


def turning(fps: int, good, head, **options):
    """A head 1 m away that turns by a radian from 1 to 2 s, seen well at `good` times: times, motion and yaw."""
    times, lay = np.arange(4 * fps) / fps, Layout.of(0, head.arrays.expressiondirs.shape[2])
    unknowns, variance = np.zeros((len(times), lay.size)), np.full((len(times), lay.size), 1e-4)
    unknowns[:, lay.rotation.start + 1] = np.clip(times - 1, 0, 1)
    unknowns[:, lay.translation.stop - 1] = -1
    trust, cuts = good(times).astype(float), (0, 10, 3 * fps, 4 * fps)
    stretches = [(unknowns[a:b], variance[a:b]) for a, b in itertools.pairwise(cuts)]
    found = joined(times, stretches, trust, np.zeros(len(times)), head.arrays, lay, **options)
    np.testing.assert_allclose(found.unknowns[:, lay.translation.stop - 1], -1, atol=1e-3)  # not in the camera
    return times, found, found.unknowns[:, lay.rotation.start + 1]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("fps", [24, 60])
def test_who_turns_away_at_the_end_comes_to_rest(fps, causal, head):
    times, found, yaw = turning(fps, lambda t: t < LAST, head, causal=causal)
    assert found.bridged[times >= LAST].all()
    assert LAST - 1 < yaw[-1] < LAST - 1 + 1.3 * COAST_S
    assert abs(yaw[-1] - yaw[-fps]) < 1e-2


@pytest.mark.parametrize("fps", [24, 60])
def test_who_is_seen_late_was_at_rest_before(fps, head):
    times, found, yaw = turning(fps, lambda t: t > FIRST, head)
    assert FIRST - 1 - 1.3 * COAST_S < yaw[0] < FIRST - 1
    assert (found.sd[0] > found.sd[times > FIRST][5]).all()


def test_before_the_first_good_frame_a_causal_motion_stands_where_that_is(head):
    times, found, _ = turning(30, lambda t: t > FIRST, head, causal=True)
    first = int(np.argmax(times > FIRST))
    np.testing.assert_array_equal(found.unknowns[:first], np.repeat(found.unknowns[first : first + 1], first, 0))
    assert np.isnan(found.sd[:first]).all() and np.isfinite(found.sd[first:]).all()


def test_who_is_long_unseen_comes_to_rest_between(head):
    back = 3.5
    peaks = []
    for fps in (24, 60):
        times, found, yaw = turning(fps, lambda t: (t < LAST) | (t > back), head)
        assert found.bridged[(times > LAST) & (times < back)].all()
        assert np.abs(np.diff(yaw)).max() < 1.1 / fps  # no jump where the gap begins and ends
        peaks.append(yaw.max())
        assert LAST - 1 < yaw.max() < 1.07  # a cubic goes to 1.15
        lay = Layout.of(0, head.arrays.expressiondirs.shape[2])
        assert (found.sd[fps * 5 // 2] > found.sd[fps]).all()
        assert (found.sd <= prior(head.arrays, lay)[1]).all()
    np.testing.assert_allclose(*peaks, atol=0.01)


@pytest.mark.parametrize("fps", [24, 60])
def test_who_is_unseen_for_a_moment_goes_on(fps, head):
    times, _, yaw = turning(fps, lambda t: (t < 1.3) | (t > 1.7), head)
    inside = (times > 1.25) & (times < 1.75)
    np.testing.assert_allclose(yaw[inside], times[inside] - 1, atol=3e-3)
