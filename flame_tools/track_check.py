"""What makes a Track whole: checked before one is written and after one is read."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from flame_tools.errors import ShapeError
from flame_tools.types import Appearance, Camera, FaceParams, Track

RATE_TOLERANCE_S = 1e-3  # how far time_s may lie from the frames of the rate that fps states


def check_track(track: Track) -> None:
    """Raise ShapeError, naming the part and what is wrong with it, where `track` does not fit together."""
    frames = len(track.time_s)
    _check_times(track)
    _check_params("", track.params, frames)
    if track.std is not None:
        _check_params("std ", track.std, frames, like=track.params)
    if track.audio is not None:
        _check_array("audio", track.audio, (None,))
        if not 0 < track.audio_rate <= 1_000_000 or not np.isfinite(track.audio_start_s):
            raise ShapeError(f"audio is at {track.audio_rate} Hz from {track.audio_start_s} s, wanted a positive rate")
    if track.visibility is not None:
        _check_array("visibility", track.visibility, (frames,), nan=True)
    if track.camera is not None:
        _check_camera(track.camera, frames)
    for name, intervals in track.intervals.items():
        for part in ("start_s", "end_s"):
            _check_array(f"intervals {name!r} {part}", getattr(intervals, part), (len(intervals.names),))
        if (intervals.end_s < intervals.start_s).any() or (np.diff(intervals.start_s) < 0).any():
            raise ShapeError(f"intervals {name!r} end before they start, or are not sorted")
    for name, curves in track.curves.items():
        _check_array(f"curves {name!r}", curves.values, (frames, len(curves.names)), nan=True)
    if track.appearance is not None:
        _check_appearance(track.appearance)


def _check_times(track: Track) -> None:
    _check_array("time_s", track.time_s, (None,))
    frames = len(track.time_s)
    if not frames:
        raise ShapeError("the track has no frame")
    if (np.diff(track.time_s) <= 0).any():
        raise ShapeError("time_s does not increase from frame to frame")
    if track.fps is None:
        return
    if not (len(track.fps) == 2 and all(isinstance(n, int) and n > 0 for n in track.fps)):
        raise ShapeError(f"fps is {track.fps}, wanted a rational rate of two positive integers, such as (30, 1)")
    wanted = track.time_s[0] + np.arange(frames) * (track.fps[1] / track.fps[0])
    if np.abs(track.time_s - wanted).max() > RATE_TOLERANCE_S:
        raise ShapeError(f"fps is {track.fps[0]}/{track.fps[1]} but the frames in time_s do not come at that rate")


def _check_params(label: str, params: FaceParams, frames: int, like: FaceParams | None = None) -> None:
    tails = {"expression": (None,), "eyes": (2, 3), "eyelids": (2,)}
    for f in dataclasses.fields(params):
        value = getattr(params, f.name)
        wanted = (None,) if f.name == "shape" else (frames, *tails.get(f.name, (3,)))
        if like is not None:
            wanted = tuple(getattr(like, f.name).shape)
        _check_array(label + f.name, value, wanted, nan=like is not None)


def _check_camera(camera: Camera, frames: int) -> None:
    for name, tail in (("focal", (2,)), ("centre", (2,)), ("world_to_camera", (4, 4))):
        value = np.asarray(getattr(camera, name))
        leading = () if value.ndim == len(tail) else (frames,)
        _check_array(f"camera {name}", value, (*leading, *tail))
    if (np.asarray(camera.focal) <= 0).any() or len(camera.size) != 2 or min(camera.size) <= 0:
        raise ShapeError(f"camera has focal length {camera.focal} and size {camera.size}, wanted positive ones")


def _check_appearance(appearance: Appearance) -> None:
    shapes = {
        "albedo": (None, None, 3),
        "light": (9, 3),
        "detail": (None, None),
        "detail_rest": (None, None),
        "vertex_offsets": (None, 3),
        "skin": (3,),
    }
    for name, shape in shapes.items():
        if (value := getattr(appearance, name)) is not None:
            _check_array(f"appearance {name}", value, shape)
    if appearance.albedo is not None and (appearance.albedo.dtype != np.uint8 or 0 in appearance.albedo.shape):
        raise ShapeError(
            f"appearance albedo is {appearance.albedo.dtype} {list(appearance.albedo.shape)}, wanted uint8 [H, W, 3]"
        )
    if appearance.skin is not None and np.asarray(appearance.skin).dtype != np.uint8:
        raise ShapeError(f"appearance skin is {np.asarray(appearance.skin).dtype}, wanted uint8 [3]")


def _check_array(name: str, value: np.ndarray | torch.Tensor, shape: tuple[int | None, ...], *, nan=False) -> None:
    """Real numbers of `shape` (None: any length), finite, or NaN where `nan`."""
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ShapeError(f"{name} has type {array.dtype}, wanted real numbers")
    if array.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ShapeError(f"{name} is {list(array.shape)}, wanted [{wanted}]")
    if np.isinf(array).any() or (not nan and np.isnan(array).any()):
        raise ShapeError(f"{name} holds NaN or infinite values")
