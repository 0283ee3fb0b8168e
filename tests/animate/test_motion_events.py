"""Jitter, misalignment and intensity against signals whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animate.face_vertices import FaceVertices
from animate.jitter import highpass, jitter, track_jitter
from animate.lip_intensity import lip_speed, slcc, slcc_windows
from animate.misalignment import mean_temporal_misalignment
from animate.misalignment_numba import warp
from tests.animate.test_motion_metrics import track_of, waves


def swinging(hertz, amplitude_mm, fps, seconds=6.0):
    """One vertex [T, 1, 3] that swings along x."""
    path = np.zeros((round(seconds * fps), 1, 3))
    path[:, 0, 0] = amplitude_mm * np.sin(2 * np.pi * hertz * np.arange(len(path)) / fps)
    return path


@pytest.mark.parametrize("hertz", [12.0, 20.0, 27.0])
def test_a_tremor_has_its_own_acceleration(hertz):
    fps, amplitude = 60.0, 0.5
    found = jitter([swinging(hertz, amplitude, fps)], fps)
    second_difference = amplitude * (2 * fps * np.sin(np.pi * hertz / fps)) ** 2 / np.sqrt(2)
    assert found == pytest.approx(second_difference, rel=0.02)


@pytest.mark.parametrize("hertz", [0.5, 3.0, 6.0])
def test_speech_is_no_tremor(hertz):
    whole = 0.5 * (2 * np.pi * hertz) ** 2 / np.sqrt(2)
    assert jitter([swinging(hertz, 0.5, 60.0)], 60.0) < 0.03 * max(whole, 20)


def test_a_line_and_a_rest_have_none():
    line = np.linspace(0, 100, 300)[:, None, None] * np.ones(3)
    assert jitter([line], 30.0) < 1e-6
    assert highpass(30.0).sum() == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_blocks_do_not_show(sizes):
    path = np.random.default_rng(0).normal(size=(200, 2, 3))
    blocks = np.split(path, [cut for cut in np.cumsum(sizes) if cut < 200])
    assert jitter(blocks, 30.0) == pytest.approx(jitter([path], 30.0), rel=1e-12)


def test_too_short_or_too_slow_to_say(head):
    assert jitter([swinging(5, 1, 30.0, seconds=0.9)], 30.0) is None
    assert jitter([swinging(5, 1, 15.0)], 15.0) is None
    track, face = track_of(head, {"jawOpen": waves(2.0)}), FaceVertices.of(head).face
    assert track_jitter(track, head, face) > 0
    assert track_jitter(track.replace(time_s=track.time_s**1.1), head, face) is None


def test_noise_trembles_more_than_speech(head):
    noise = np.random.default_rng(0).normal(0, 0.01, 40)
    face = FaceVertices.of(head).face
    calm, shaken = (track_jitter(track_of(head, {"jawOpen": w}), head, face) for w in (waves(2), waves(2) + noise))
    assert shaken > 5 * calm


# --- misalignment -----------------------------------------------------------------------------------------------------


def mouth(times, shift_s=0.0):
    """An opening with peaks and valleys at uneven times."""
    t = times - shift_s
    return 5 + 4 * np.sin(2 * np.pi * 2.1 * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 0.31 * t))


@pytest.mark.parametrize("shift_s", [0.0, 0.04, 0.08, -0.06])
def test_a_mouth_that_comes_late_by_so_much(shift_s):
    times = np.arange(500) / 50
    found = mean_temporal_misalignment(mouth(times, shift_s), mouth(times), times)
    assert found.mean_ms == pytest.approx(1e3 * abs(shift_s), abs=6)
    assert found.events > 25


def test_size_does_not_matter_to_time():
    times = np.arange(300) / 30
    assert mean_temporal_misalignment(0.9 * mouth(times), mouth(times), times).mean_ms == 0.0
    assert mean_temporal_misalignment(np.zeros(300), mouth(times), times) is None
    assert mean_temporal_misalignment(np.zeros(2), np.zeros(2), np.arange(2.0)) is None


def plain_cost(x, y, band):
    """What the cheapest path costs, and the path's own cost is checked against it."""
    n = len(x)
    cost = np.full((n + 1, n + 1), np.inf)
    cost[0, 0] = 0
    for i in range(n):
        for j in range(max(i - band, 0), min(i + band, n - 1) + 1):
            cost[i + 1, j + 1] = abs(x[i] - y[j]) + min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
    return cost[n, n]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(0, 30))
def test_the_path_is_the_cheapest_in_the_band(seed, n, band):
    x, y = np.random.default_rng(seed).normal(size=(2, n))
    path = warp(x, y, band)
    assert path[0].tolist() == [0, 0] and path[-1].tolist() == [n - 1, n - 1]
    steps = {tuple(step) for step in np.diff(path, axis=0).tolist()}
    assert steps <= {(1, 1), (1, 0), (0, 1)} and np.abs(path[:, 0] - path[:, 1]).max() <= band
    assert np.abs(x[path[:, 0]] - y[path[:, 1]]).sum() == pytest.approx(plain_cost(x, y, band))


# --- intensity --------------------------------------------------------------------------------------------------------


def test_lips_that_follow_the_voice(head):
    frames, lips = 25 * 16, FaceVertices.of(head).lips
    loud = np.repeat([0.1, 0.9, 0.4, 0.7, 0.2, 0.6, 0.3, 1.0], 50)
    wave = waves(2.0, frames) * loud
    sound = (np.repeat(loud, 640) * 0.2 * np.sin(np.arange(frames * 640))).astype(np.float32)
    track = track_of(head, {"jawOpen": wave}).replace(audio=sound, audio_rate=16000)
    assert slcc_windows(track, head, lips) > 0.95
    against = track.replace(audio=(0.2 * np.sin(np.arange(len(sound))) * np.repeat(1.1 - loud, 640)).astype(np.float32))
    assert slcc_windows(against, head, lips) < -0.95
    assert slcc_windows(track.replace(audio=None, audio_rate=0), head, lips) is None
    assert slcc_windows(track.replace(audio=0 * sound), head, lips) is None


def test_lip_speed_is_in_mm_a_second(head):
    lips = FaceVertices.of(head).lips
    track = track_of(head, {"mouthSmileLeft": np.linspace(0, 0.5, 100)})
    found = lip_speed(track, head, lips)
    ends = 1e3 * head.vertices(track.params).double().numpy()[[0, -1]][:, lips]
    np.testing.assert_allclose(found, np.linalg.norm(ends[1] - ends[0], axis=-1).mean() / (99 / 25), rtol=2e-3)


def test_a_correlation_by_hand():
    assert slcc(np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 4, 6, 8, 10])) == pytest.approx(1.0)
    assert slcc(np.array([1.0, 2, 3, 4]), np.array([2.0, 4, 6, 8])) is None
    assert slcc(np.ones(6), np.arange(6.0)) is None
