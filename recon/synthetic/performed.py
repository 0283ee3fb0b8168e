"""How made faces move: as performances say, or by chance from one expression to the next, with blinks, and swaying.

Everything is a function of time in seconds, so that a motion can be looked at at any rate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from flame_tools.arkit import INDEX, to_params
from flame_tools.head import Head
from flame_tools.types import FaceParams, Track
from recon.fitting.face_vector import face_vector
from recon.synthetic.random_expressions import random_weights

Motion = Callable[[np.ndarray], np.ndarray]  # times [T] seconds -> [T, S + E + 8] face vectors; their identity is 0

HOLD_S, MOVE_S = (0.0, 0.9), (0.12, 0.6)  # how long an expression stays, and takes to come
BLINK_EVERY_S = (0.6, 4.0)
CLOSING_S, CLOSED_S, OPENING_S = (0.06, 0.1), (0.02, 0.06), (0.1, 0.22)  # of a lid (Stern et al. 1984)
SWAYS, SWAY_HZ = 4, (0.08, 1.6)  # of the head: how many at once, and how fast
SWAY_DEG, SWAY_M = (14.0, 7.0, 4.0), 0.015  # deviations of yaw, pitch, roll, and of the place


def spoken(track: Track, start_s: float) -> Motion:
    """The face of a performance from `start_s` on; to and fro where it is too short."""
    vectors = _vectors(track.params)
    first, length = float(track.time_s[0]), float(track.time_s[-1] - track.time_s[0])

    def at(times: np.ndarray) -> np.ndarray:
        back = np.abs((np.asarray(times) + start_s + length) % (2 * length) - length) + first
        below = np.clip(np.searchsorted(track.time_s, back, side="right") - 1, 0, len(vectors) - 2)
        span = track.time_s[below + 1] - track.time_s[below]
        share = ((back - track.time_s[below]) / span)[:, None]
        return (1 - share) * vectors[below] + share * vectors[below + 1]

    return at


def _vectors(params: FaceParams) -> np.ndarray:
    """Face vectors of frames, of nobody in particular."""
    return face_vector(params.replace(shape=torch.zeros(len(params.expression), params.shape.shape[-1])))


def grimacing(head: Head, rng: np.random.Generator, span_s: tuple[float, float]) -> Motion:
    """Expressions by chance between two times, each held for a while, with blinks."""
    knots, poses, at_s = [], [], span_s[0] - 1.0
    while at_s < span_s[1] + 1.0:
        weights = random_weights(rng)
        for length in (rng.uniform(*MOVE_S), rng.uniform(*HOLD_S)):
            at_s += length
            knots.append(at_s)
            poses.append(weights)
    knots, poses, closed = np.array(knots), np.stack(poses), blinks(rng, span_s)
    lids = [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]

    def at(times: np.ndarray) -> np.ndarray:
        below = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, len(knots) - 2)
        share = np.clip((times - knots[below]) / (knots[below + 1] - knots[below]), 0, 1)
        share = (share**3 * (10 - 15 * share + 6 * share**2))[:, None]  # least jerk (Flash and Hogan 1985)
        weights = (1 - share) * poses[below] + share * poses[below + 1]
        weights[:, lids] = np.maximum(weights[:, lids], closed(times)[:, None])
        return _vectors(to_params(torch.as_tensor(weights).to(head.v_template), head))

    return at


def blinks(rng: np.random.Generator, span_s: tuple[float, float]) -> Callable[[np.ndarray], np.ndarray]:
    """How far the lids are shut by blinking, in [0, 1], at times [T]."""
    knots, shut, at_s = [span_s[0] - 2.0], [0.0], span_s[0] - 1.0
    while at_s < span_s[1] + 1.0:
        at_s += rng.uniform(*BLINK_EVERY_S)
        most = rng.uniform(0.75, 1.0)
        for length, now in ((0, 0.0), (rng.uniform(*CLOSING_S), most), (rng.uniform(*CLOSED_S), most),
                            (rng.uniform(*OPENING_S), 0.0)):  # fmt: skip
            at_s += length
            knots.append(at_s)
            shut.append(now)
    return lambda times: np.interp(times, knots, shut)


def swaying(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """[T, 6] at times [T]: radians of yaw, pitch and roll, metres right, up and near, about 0."""
    hertz = SWAY_HZ[0] * (SWAY_HZ[1] / SWAY_HZ[0]) ** rng.uniform(size=(SWAYS, 6))
    size = np.append(np.radians(SWAY_DEG), [SWAY_M] * 3) * rng.uniform(0.1, 1.2)
    size = size * rng.normal(size=(SWAYS, 6)) / np.sqrt(SWAYS) / np.maximum(hertz / 0.3, 1)  # what is fast is small
    phase = rng.uniform(0, 2 * np.pi, (SWAYS, 6))
    return lambda times: (size * np.sin(2 * np.pi * hertz * np.asarray(times)[:, None, None] + phase)).sum(1)
