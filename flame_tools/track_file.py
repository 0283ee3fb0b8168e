"""Tracks on disk: `NAME.face.npz`, arrays plus one JSON header, no pickle. The format is settled by VERSION."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import torch

from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError, ShapeError
from flame_tools.track_check import check_track
from flame_tools.types import Appearance, Camera, Curves, FaceParams, Intervals, Track

FORMAT, VERSION = "emberface.track", 1
_PARAMS = tuple(f.name for f in dataclasses.fields(FaceParams))
_APPEARANCE = tuple(f.name for f in dataclasses.fields(Appearance))


def save_track(track: Track, path: str | os.PathLike) -> None:
    """Write `track` to `path` (by convention `NAME.face.npz`): whole or not at all; same track, same bytes.

    Raises ShapeError where the track does not fit together, OutputError where `path` cannot be written.
    """
    check_track(track)
    arrays = {"time_s": np.asarray(track.time_s, np.float64)}
    for group, params in (("params", track.params), ("std", track.std)):
        if params is not None:
            arrays |= {f"{group}.{name}": getattr(params, name).detach().cpu().numpy() for name in _PARAMS}
    if track.audio is not None:
        arrays["audio"] = np.asarray(track.audio, np.float32)
    if track.visibility is not None:
        arrays["visibility"] = np.asarray(track.visibility, np.float32)
    if track.camera is not None:
        arrays |= {f"camera.{name}": np.asarray(getattr(track.camera, name), np.float64) for name in _CAMERA}
    for name, intervals in track.intervals.items():
        arrays[f"intervals.{name}.start_s"] = np.asarray(intervals.start_s, np.float64)
        arrays[f"intervals.{name}.end_s"] = np.asarray(intervals.end_s, np.float64)
    for name, curves in track.curves.items():
        arrays[f"curves.{name}"] = np.asarray(curves.values, np.float32)
    if track.appearance is not None:
        for name in _APPEARANCE:
            if (value := getattr(track.appearance, name)) is not None:
                arrays[f"appearance.{name}"] = value
    header = {
        "format": FORMAT,
        "version": VERSION,
        "head_id": track.head_id,
        "fps": track.fps,
        "audio_rate": track.audio_rate,
        "audio_start_s": track.audio_start_s,
        "camera": track.camera and {"size": track.camera.size, "orthographic": track.camera.orthographic},
        "intervals": {name: list(intervals.names) for name, intervals in track.intervals.items()},
        "curves": {name: list(curves.names) for name, curves in track.curves.items()},
        "provenance": track.provenance,
        "licences": list(track.licences),
    }
    write_npz(path, arrays, header)


_CAMERA = ("focal", "centre", "world_to_camera")
_HEADER = ("head_id", "fps", "audio_rate", "audio_start_s", "camera", "intervals", "curves", "provenance", "licences")


def load_track(path: str | os.PathLike) -> Track:
    """Read a track. Raises FormatError for another kind of file, a newer version, or arrays that do not fit."""
    arrays, header = read_npz(path, FORMAT, VERSION)
    missing = [n for n in ("time_s", *(f"params.{name}" for name in _PARAMS)) if n not in arrays]
    missing += [name for name in _HEADER if name not in header]
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}; it is no complete track")
    try:
        track = _track(arrays, header)
        check_track(track)
    except (ShapeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            f"{path} does not fit together: {error}; write it again with the program that made it"
        ) from error
    return track


def _track(arrays: dict[str, np.ndarray], header: dict) -> Track:
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise ShapeError(f"{name} has type {array.dtype}, wanted real numbers")
    for name, kind in (("head_id", str), ("provenance", dict), ("audio_rate", int), ("audio_start_s", float | int)):
        if not isinstance(header[name], kind):
            raise ShapeError(f"{name} is {header[name]!r}, which is no {kind}")

    def params(group: str) -> FaceParams | None:
        if f"{group}.shape" not in arrays:
            return None
        return FaceParams(**{name: torch.as_tensor(arrays[f"{group}.{name}"].astype(np.float32)) for name in _PARAMS})

    camera = header["camera"] and Camera(
        **{name: arrays[f"camera.{name}"] for name in _CAMERA},
        size=tuple(header["camera"]["size"]),
        orthographic=header["camera"]["orthographic"],
    )
    parts = {name: arrays[f"appearance.{name}"] for name in _APPEARANCE if f"appearance.{name}" in arrays}
    return Track(
        head_id=header["head_id"],
        params=params("params"),
        time_s=arrays["time_s"].astype(np.float64),
        audio=arrays.get("audio"),
        audio_rate=header["audio_rate"],
        audio_start_s=header["audio_start_s"],
        camera=camera,
        std=params("std"),
        visibility=arrays.get("visibility"),
        intervals={
            name: Intervals(tuple(names), arrays[f"intervals.{name}.start_s"], arrays[f"intervals.{name}.end_s"])
            for name, names in header["intervals"].items()
        },
        curves={name: Curves(tuple(names), arrays[f"curves.{name}"]) for name, names in header["curves"].items()},
        appearance=Appearance(**parts) if parts else None,
        fps=tuple(header["fps"]) if header["fps"] else None,
        provenance=header["provenance"],
        licences=tuple(header["licences"]),
    )
