"""Fewer keys: frames that straight lines between the others say well enough are left out.

Which ones goes by Ramer (1972) and Douglas and Peucker (1973): between two keys the frame that strays furthest becomes
a key, until none strays too far. How far is told in metres of the face: the errors of all channels are added up at each
vertex, and the bounds of the channels shrink until no sum exceeds the user's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.export.rig import Rig

_CHUNK = 256  # frames whose errors are summed at once: with 10,000 vertices that is 10 MB
_SLACK_M = 0.02  # how much further from a joint posing may take a vertex than it is at rest


@dataclass(frozen=True)
class Channel:
    """What is keyed together, and how far its errors move the face: vertex v by at most |error| @ reach[:, v]."""

    values: np.ndarray  # [T, K]; quaternions [T, 4] where spherical
    reach: np.ndarray  # [K, V] metres per unit of the values; [1, V] metres per radian where spherical
    spherical: bool = False  # interpolated along great circles (Shoemake 1985)


def weight_channels(rig: Rig) -> list[Channel]:
    """One channel for each target."""
    reach = rig.axes.metres * np.linalg.norm(rig.targets, axis=-1)
    return [Channel(rig.weights[:, n : n + 1], reach[n : n + 1]) for n in range(len(rig.target_names))]


def joint_channels(rig: Rig, angles: np.ndarray | None = None) -> tuple[list[Channel], list[Channel]]:
    """Channels of each joint's rotation and of its translation.

    Rotations are the rig's quaternions, or `angles` [T, J, 3] in degrees where a file turns joints by these.
    """
    turning, moving = [], []
    for j in range(len(rig.joint_names)):
        share = sum(rig.skin_weights[:, k] for k in range(len(rig.joint_names)) if j in _line(rig, k))
        away = rig.axes.metres * np.linalg.norm(rig.base - rig.rest_joints[j], axis=-1) + _SLACK_M
        lever = (share * away)[None]
        if angles is None:
            turning.append(Channel(rig.rotations[:, j], lever, spherical=True))
        else:
            turning.append(Channel(angles[:, j], np.repeat(np.radians(lever), 3, 0)))
        moving.append(Channel(rig.translations[:, j], rig.axes.metres * np.repeat(share[None], 3, 0)))
    return turning, moving


def together(channels: list[Channel]) -> Channel:
    """Channels as one, for a format that keys them at the same frames."""
    return Channel(np.concatenate([c.values for c in channels], 1), np.concatenate([c.reach for c in channels]))


def kept_frames(times: np.ndarray, channels: list[Channel], tolerance_m: float) -> list[np.ndarray]:
    """The frames at which each channel needs a key, so that no vertex strays further than `tolerance_m`.

    The first and the last frame are always among them. The sum of the channels' errors bounds the true error from
    above, since they seldom point one way.
    """
    bound = tolerance_m
    while True:
        kept = [_simplified(times, channel, bound) for channel in channels]
        worst = _largest_sum(times, channels, kept)
        if worst <= tolerance_m:
            return kept
        bound *= 0.9 * tolerance_m / worst


def _simplified(times: np.ndarray, channel: Channel, bound_m: float) -> np.ndarray:
    """Frames [n] between which no vertex is moved by more than `bound_m` by this channel; whole rounds at a time."""
    furthest = channel.reach.max(1)
    keys = np.unique([0, len(times) - 1])
    while True:
        strays = _errors(times, channel, keys) @ furthest
        worst = np.maximum.reduceat(strays, keys)  # of the frames from each key to the next
        starts = np.flatnonzero(worst > bound_m)
        if not len(starts):
            return keys
        segment = np.searchsorted(keys, np.arange(len(times)), side="right") - 1
        candidates = np.flatnonzero((strays == worst[segment]) & np.isin(segment, starts))
        _, first = np.unique(segment[candidates], return_index=True)
        keys = np.union1d(keys, candidates[first])


def _errors(times: np.ndarray, channel: Channel, keys: np.ndarray) -> np.ndarray:
    """How far lines between `keys` are off at every frame: [T, K] in units of the values, or [T, 1] radians."""
    values = channel.values.astype(np.float64)
    segment = np.minimum(np.searchsorted(keys, np.arange(len(times)), side="right") - 1, max(len(keys) - 2, 0))
    before, after = keys[segment], keys[np.minimum(segment + 1, len(keys) - 1)]
    share = ((times - times[before]) / np.maximum(times[after] - times[before], 1e-12))[:, None]
    a, b = values[before], values[after]
    if not channel.spherical:
        return np.abs(a * (1 - share) + b * share - values)
    angle = np.arccos(np.clip((a * b).sum(-1, keepdims=True), -1, 1))
    small = angle < 1e-6
    sine = np.where(small, 1.0, np.sin(angle))
    near, far = (np.where(small, s, np.sin(s * angle) / sine) for s in (1 - share, share))
    apart = np.linalg.norm(near * a + far * b - values, axis=-1, keepdims=True)
    return 4 * np.arcsin(np.clip(apart / 2, 0, 1))  # the chord between quaternions that stand for half angles


def _largest_sum(times: np.ndarray, channels: list[Channel], kept: list[np.ndarray]) -> float:
    """The largest sum of all channels' errors at any vertex and frame, metres."""
    errors = np.concatenate([_errors(times, c, keys) for c, keys in zip(channels, kept, strict=True)], 1)
    reach = np.concatenate([channel.reach for channel in channels]).astype(np.float32)
    errors = errors.astype(np.float32)
    return max(float((errors[i : i + _CHUNK] @ reach).max()) for i in range(0, len(errors), _CHUNK))


def _line(rig: Rig, joint: int) -> list[int]:
    """A joint and those above it."""
    line = []
    while joint >= 0:
        line.append(joint)
        joint = rig.parents[joint]
    return line
