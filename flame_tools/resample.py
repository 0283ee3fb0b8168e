"""A track at other moments than its own: its poses between two frames lie on the straight, or shortest, way."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import torch

from flame_tools.frame_rate import frames_between, rational
from flame_tools.sampling import axis_angle_of, linear, quaternions_of, turned
from flame_tools.track_check import check_track
from flame_tools.types import Camera, Curves, FaceParams, Track

_TURNS = ("global_rotation", "neck", "jaw", "eyes")


def at_rate(track: Track, fps: Fraction | float | tuple[int, int], source: str = "the track") -> Track:
    """`track` read at `fps` frames a second, from its first frame to the last that it covers.

    Sound, phones and words stay as they are. Poses are read at moments and not averaged over the new frames, so that a
    lip that touches for a moment still touches; at a much lower rate a moment may be stepped over. A track of one
    frame stays one frame.

    Raises ShapeError where the track does not fit together, InputError where `fps` is no rate, FormatError, naming
    `source`, where there would be too many frames to hold.
    """
    check_track(track)
    rate = rational(fps)
    times = frames_between(float(track.time_s[0]), float(track.time_s[-1]), rate, source)
    return at_times(track, times).replace(fps=(rate.numerator, rate.denominator))


def at_times(track: Track, times: np.ndarray) -> Track:
    """`track` at `times` [T], without a rate; its first and last frames are held beyond its ends.

    Poses, curves, cameras, visibility and standard deviations are read between frames: rotations on the sphere
    (Shoemake 1985), the rest on straight lines.
    """
    own = np.asarray(track.time_s, np.float64)

    def read(values: np.ndarray) -> np.ndarray:
        values = np.asarray(values)
        return np.array(linear(times, own, values.astype(np.float64)), values.dtype)

    return track.replace(
        params=params_at(track.params, own, times),
        time_s=times,
        fps=None,
        camera=track.camera and _camera_at(track.camera, own, times),
        std=track.std and params_at(track.std, own, times, turning=False),
        visibility=None if track.visibility is None else read(track.visibility),
        curves={name: Curves(c.names, read(c.values)) for name, c in track.curves.items()},
    )


def params_at(params: FaceParams, own: np.ndarray, times: np.ndarray, *, turning: bool = True) -> FaceParams:
    """Parameters over frames at the times `own` [N] as they are at `times` [T].

    Where they are standard deviations and no rotations, `turning` is False.
    """

    def sampled(name: str, value: torch.Tensor) -> torch.Tensor:
        if name == "shape":
            return value
        if name in _TURNS and turning:
            found = axis_angle_of(turned(times, own, quaternions_of(value))).to(value)
            exact = np.searchsorted(own, times)  # a frame that is there keeps its very numbers
            there = np.flatnonzero(own[np.minimum(exact, len(own) - 1)] == times)
            found[there] = value[exact[there]]
            return found
        return torch.from_numpy(np.array(linear(times, own, value.detach().cpu().double().numpy()))).to(value)

    return FaceParams(**{f.name: sampled(f.name, getattr(params, f.name)) for f in dataclasses.fields(params)})


def _camera_at(camera: Camera, own: np.ndarray, times: np.ndarray) -> Camera:
    from scipy.spatial.transform import Rotation

    def moving(values: np.ndarray, still: int) -> np.ndarray:
        values = np.asarray(values)
        return values if values.ndim == still else np.array(linear(times, own, values))

    pose = moving(camera.world_to_camera, 2)
    if pose.ndim == 3:
        turns = Rotation.from_matrix(np.asarray(camera.world_to_camera)[:, :3, :3]).as_quat()
        pose[:, :3, :3] = Rotation.from_quat(turned(times, own, turns)).as_matrix()
    inner = {name: moving(getattr(camera, name), 1) for name in ("focal", "centre")}
    return dataclasses.replace(camera, world_to_camera=pose, **inner)
