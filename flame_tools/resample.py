"""A track at another frame rate: its poses between two frames lie on the straight (for rotations, the shortest) way."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch

from flame_tools.errors import InputError
from flame_tools.track_check import check_track
from flame_tools.types import Camera, Curves, FaceParams, Track

_TURNS = ("global_rotation", "neck", "jaw", "eyes")
_ALMOST = 1e-6  # of a frame: a last frame that rounding puts this much behind the track's end belongs to it


def at_rate(track: Track, fps: Fraction | int) -> Track:
    """`track` read at `fps` frames a second, from its first frame to the last that it covers.

    Poses, cameras, curves and standard deviations are read between frames, rotations by spherical interpolation
    (Shoemake 1985); sound, phones and words stay as they are. Poses are read at moments and not averaged over the new
    frames, so that a lip that touches for a moment still touches; at a much lower rate a moment may be stepped over.
    A track of one frame stays one frame.

    Raises InputError where `fps` is not positive or would make more than a million frames.
    """
    check_track(track)
    rate = Fraction(fps)
    if rate <= 0:
        raise InputError(f"fps is {fps}, wanted a positive rate")
    old = np.asarray(track.time_s, np.float64)
    count = int(np.floor((old[-1] - old[0]) * float(rate) + _ALMOST)) + 1
    if count > 1_000_000:
        raise InputError(
            f"{old[-1] - old[0]:.0f} s at {float(rate):g} frames a second are {count} frames, a million at most"
        )
    new = old[0] + np.arange(count) * (rate.denominator / rate.numerator)
    read = _reader(old, np.minimum(new, old[-1]))
    changes = {"camera": track.camera and _camera(track.camera, read)}
    changes |= {"std": track.std and _std(track.std, read)}
    if track.visibility is not None:
        changes["visibility"] = read(track.visibility)
    curves = {name: Curves(c.names, read(c.values)) for name, c in track.curves.items()}
    return track.replace(
        params=_params(track.params, read),
        time_s=new,
        fps=(rate.numerator, rate.denominator),
        curves=curves,
        **changes,
    )


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Where each new frame lies among the old ones."""

    before: np.ndarray  # [N] the old frame at or before
    share: np.ndarray  # [N] in [0, 1), how far on to the next

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """values [T, ...] read linearly, [N, ...], in their own type."""
        values = np.asarray(values)
        after = np.minimum(self.before + 1, len(values) - 1)
        share = self.share.reshape(-1, *[1] * (values.ndim - 1))
        exact = share == 0  # NaN of a neighbour must not leak into a frame that is there already
        between = values[self.before] * (1 - share) + values[after] * share
        return np.where(exact, values[self.before], between).astype(values.dtype)

    def turns(self, rotvecs: np.ndarray) -> np.ndarray:
        """Axis-angles [T, ..., 3] read the short way round, [N, ..., 3]."""
        from scipy.spatial.transform import Rotation

        shape, kind = rotvecs.shape[1:], rotvecs.dtype
        after = np.minimum(self.before + 1, len(rotvecs) - 1)
        start = Rotation.from_rotvec(rotvecs[self.before].astype(np.float64).reshape(-1, 3))
        stop = Rotation.from_rotvec(rotvecs[after].astype(np.float64).reshape(-1, 3))
        share = np.repeat(self.share, int(np.prod(shape[:-1], dtype=int)))[:, None]
        turned = start * Rotation.from_rotvec(share * (start.inv() * stop).as_rotvec())
        between = turned.as_rotvec().reshape(-1, *shape)
        return np.where(self.share.reshape(-1, *[1] * len(shape)) == 0, rotvecs[self.before], between).astype(kind)


def _reader(old: np.ndarray, new: np.ndarray) -> _Reader:
    before = np.clip(np.searchsorted(old, new, side="right") - 1, 0, len(old) - 1)
    step = np.append(np.diff(old), 1.0)[before]
    share = (new - old[before]) / step
    near = np.abs(share - np.rint(share)) < _ALMOST  # the same moment, but for rounding
    before = np.where(near, np.minimum(before + np.rint(share).astype(int), len(old) - 1), before)
    return _Reader(before, np.where(near, 0.0, share))


def _params(params: FaceParams, read: _Reader) -> FaceParams:
    changed = {}
    for f in dataclasses.fields(params):
        if f.name == "shape":
            continue
        values = getattr(params, f.name).detach().cpu().numpy()
        changed[f.name] = torch.from_numpy(read.turns(values) if f.name in _TURNS else read(values))
    return params.replace(**changed)


def _std(std: FaceParams, read: Callable[[np.ndarray], np.ndarray]) -> FaceParams:
    changed = {
        f.name: torch.from_numpy(read(getattr(std, f.name).detach().cpu().numpy()))
        for f in dataclasses.fields(std)
        if f.name != "shape"
    }
    return std.replace(**changed)


def _camera(camera: Camera, read: _Reader) -> Camera:
    from scipy.spatial.transform import Rotation

    pose = np.asarray(camera.world_to_camera)
    if pose.ndim == 3:
        turned = read.turns(Rotation.from_matrix(pose[:, :3, :3]).as_rotvec())
        pose = read(pose)
        pose[:, :3, :3] = Rotation.from_rotvec(turned).as_matrix()
    inner = {name: np.asarray(getattr(camera, name)) for name in ("focal", "centre")}
    moving = {name: read(value) if value.ndim == 2 else value for name, value in inner.items()}
    return dataclasses.replace(camera, world_to_camera=pose, **moving)
