"""A performance as the one take of an FBX file: curves in the file's own time, angles and rates."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from flame_tools.characters.fbx_nodes import Node
from flame_tools.export.fbx_objects import Objects, properties
from flame_tools.export.keys import joint_channels, kept_frames, weight_channels
from flame_tools.export.rig import Rig
from flame_tools.types import Track

TAKE = "performance"
TICKS = 46_186_158_000  # of KTime in a second: whole for every usual rate, 1001sts included
_CUSTOM = 14
_MODES = {  # FbxTime::EMode of the FBX SDK
    Fraction(120): 1, Fraction(100): 2, Fraction(60): 3, Fraction(50): 4, Fraction(48): 5, Fraction(30): 6,
    Fraction(30_000, 1001): 9, Fraction(25): 10, Fraction(24): 11, Fraction(24_000, 1001): 13, Fraction(96): 15,
    Fraction(72): 16, Fraction(60_000, 1001): 17, Fraction(120_000, 1001): 18,
}  # fmt: skip
_UNEVEN_FPS = 60.0  # the rate that a file states where the track has none; its keys keep their own times
_LINEAR = 4  # of KeyAttrFlags: a straight line to the next key


def time_mode(track: Track) -> tuple[int, float]:
    """The TimeMode and the frames a second that a file of `track` states."""
    if track.fps is None:
        return _CUSTOM, _UNEVEN_FPS
    rate = Fraction(*track.fps)
    return _MODES.get(rate, _CUSTOM), float(rate)


def ticks(seconds: np.ndarray) -> np.ndarray:
    """Seconds [T] as KTime, int64."""
    whole = np.floor(seconds)  # apart, for 46e9 times an hour has more digits than a float64
    return whole.astype(np.int64) * TICKS + np.rint((seconds - whole) * TICKS).astype(np.int64)


def euler_degrees(quaternions: np.ndarray) -> np.ndarray:
    """Rotations [T, J, 4] (x, y, z, w) as FBX's default angles [T, J, 3]: about x first, then y, then z.

    Of the angles that say one rotation, each frame has those nearest to the frame before, so that straight lines
    between keys do not whirl. z is read off after x is undone, which holds at y = 90 degrees too.
    """
    x, y, z, w = np.moveaxis(quaternions.astype(np.float64), -1, 0)
    about_x = np.arctan2(2 * (y * z + w * x), 1 - 2 * (x * x + y * y))
    s, c = np.sin(about_x), np.cos(about_x)
    r20, r21, r22 = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    about_y = np.arctan2(-r20, s * r21 + c * r22)
    r01, r02 = 2 * (x * y - w * z), 2 * (x * z + w * y)
    r11, r12 = 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    about_z = np.arctan2(s * r02 - c * r01, c * r11 - s * r12)
    one = np.stack([about_x, about_y, about_z], -1)
    other = np.stack([about_x + np.pi, np.pi - about_y, about_z + np.pi], -1)
    angles = np.empty_like(one)
    last = np.zeros_like(one[0])
    for t in range(len(one)):
        near = [last + np.remainder(choice[t] - last + np.pi, 2 * np.pi) - np.pi for choice in (one, other)]
        first = np.abs(near[0] - last).sum(-1, keepdims=True) <= np.abs(near[1] - last).sum(-1, keepdims=True)
        angles[t] = last = np.where(first, *near)
    return np.degrees(angles)


def rest_of(values: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """What a file shows where no curve drives it: of values [T, ...], those that never change, else `rest` [...]."""
    return np.where(_changes(values), rest, values[0])


def _changes(values: np.ndarray) -> np.ndarray:
    keys = values.astype(np.float32)  # as they are kept
    return (keys != keys[:1]).any(0)


def add_take(
    objects: Objects,
    rig: Rig,
    channels: list[np.int64],
    percents: np.ndarray,
    joints: list[np.int64],
    degrees: np.ndarray,
    tolerance_mm: float | None,
) -> None:
    """Curves for the channels' `percents` [T, N], and for the joints' places and angles (`degrees` [T, J, 3]).

    With a tolerance each curve has keys where it needs them, at every frame without.
    """
    times = ticks(rig.times_s)
    turning, moving = joint_channels(rig, degrees)
    kept = [np.arange(len(times))] * (len(channels) + 2 * len(joints))
    if tolerance_mm is not None:
        kept = kept_frames(rig.times_s, [*weight_channels(rig), *moving, *turning], tolerance_mm / 1000)
    frames_of = iter(kept)
    span = [
        (f"{kind}{end}", "KTime", "Time", "", times[at])
        for kind in ("Local", "Reference")
        for end, at in (("Start", 0), ("Stop", -1))
    ]
    stack = objects.add("AnimationStack", TAKE, "AnimStack", "", [properties(*span)])
    full = properties(("Weight", "Number", "", "A", 100.0))
    layer = objects.add("AnimationLayer", TAKE, "AnimLayer", "", [full])
    objects.link(layer, stack)

    def animate(owner: np.int64, prop: str, name: str, values: np.ndarray, parts: tuple[str, ...]) -> None:
        frames, changing = next(frames_of), _changes(values)
        if not changing.any():
            return
        rows = [(f"d|{part}", "Number", "", "A", float(value)) for part, value in zip(parts, values[0], strict=True)]
        node = objects.add("AnimationCurveNode", name, "AnimCurveNode", "", [properties(*rows)])
        objects.link(node, layer)
        objects.link(node, owner, prop)
        for k in np.flatnonzero(changing):
            curve = objects.add("AnimationCurve", "", "AnimCurve", "", _curve(times[frames], values[frames, k]))
            objects.link(curve, node, f"d|{parts[k]}")

    for channel, percent in zip(channels, percents.T, strict=True):
        animate(channel, "DeformPercent", "DeformPercent", percent[:, None], ("DeformPercent",))
    for j, joint in enumerate(joints):
        animate(joint, "Lcl Translation", "T", rig.translations[:, j], ("X", "Y", "Z"))
    for j, joint in enumerate(joints):
        animate(joint, "Lcl Rotation", "R", degrees[:, j], ("X", "Y", "Z"))


def _curve(times: np.ndarray, values: np.ndarray) -> list[Node]:
    """Keys joined by straight lines; all of them share one set of attributes."""
    return [
        Node("Default", [float(values[0])]),
        Node("KeyVer", [4009]),
        Node("KeyTime", [times]),
        Node("KeyValueFloat", [values.astype("<f4")]),
        Node("KeyAttrFlags", [np.array([_LINEAR], "<i4")]),
        Node("KeyAttrDataFloat", [np.zeros(4, "<f4")]),
        Node("KeyAttrRefCount", [np.array([len(values)], "<i4")]),
    ]
