"""A Track at other moments than its own: its face, and the curves that go with it."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import torch

from flame_tools.sampling import axis_angle_of, frames_between, linear, quaternions_of, turned
from flame_tools.types import Curves, FaceParams, Track

_TURNS = ("global_rotation", "neck", "jaw", "eyes")


def at_rate(track: Track, rate: Fraction, source: str = "the track") -> Track:
    """`track` at `rate` frames a second from its first frame on; straight lines, and the short way for rotations.

    What is known for each frame of its own (standard deviations, visibility, cameras) is left out.
    """
    times = frames_between(float(track.time_s[0]), float(track.time_s[-1]), rate, source)
    return at_times(track, times).replace(fps=(rate.numerator, rate.denominator))


def at_times(track: Track, times: np.ndarray) -> Track:
    """`track` at `times` [T], without a rate; its first and last frames are held beyond its ends."""
    own = np.asarray(track.time_s, np.float64)
    curves = {
        name: Curves(c.names, linear(times, own, np.asarray(c.values, np.float64)).astype(np.float32))
        for name, c in track.curves.items()
    }
    params = params_at(track.params, own, times)
    return track.replace(params=params, time_s=times, curves=curves, fps=None, std=None, visibility=None, camera=None)


def params_at(params: FaceParams, own: np.ndarray, times: np.ndarray) -> FaceParams:
    """Parameters over frames at the times `own` [N] as they are at `times` [T]."""

    def sampled(name: str, value: torch.Tensor) -> torch.Tensor:
        if name == "shape":
            return value
        if name in _TURNS:
            found = turned(times, own, quaternions_of(value))
            return axis_angle_of(found).to(value)
        return torch.from_numpy(np.array(linear(times, own, value.detach().cpu().double().numpy()))).to(value)

    return FaceParams(**{f.name: sampled(f.name, getattr(params, f.name)) for f in dataclasses.fields(params)})
