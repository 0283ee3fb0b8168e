"""A track's parameters as named curves in units that people read, with standard deviations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.rotations import matrix_from_axis_angle
from flame_tools.types import Track

_DEG = 180 / np.pi
GROUPS = ("pose", "jaw", "lids", "gaze", "expression")
TRACKING = "tracking"  # a further group: how far a film's frames were trusted


@dataclass(frozen=True)
class Curve:
    """One parameter over T frames."""

    group: str  # of GROUPS, or TRACKING
    name: str
    unit: str  # "" of a weight
    values: np.ndarray  # [T] float64
    sd: np.ndarray  # [T]; NaN where unknown


def curves_of(track: Track, head: Head) -> Iterator[Curve]:
    """One after the other: yaw to the subject's left, pitch down, roll to the subject's right shoulder, and so on."""
    p, s = track.params, track.std
    unknown = np.full(len(track), np.nan)

    def column(part: str, *index: int) -> tuple[np.ndarray, np.ndarray]:
        place = (slice(None), *index)
        return (
            getattr(p, part)[place].double().numpy(),
            unknown if s is None else getattr(s, part)[place].double().numpy(),
        )

    angles, angles_sd = yaw_pitch_roll(p.global_rotation, None if s is None else s.global_rotation)
    for k, name in enumerate(("yaw", "pitch", "roll")):
        yield Curve("pose", name, "°", angles[:, k], angles_sd[:, k])
    for k, axis in enumerate("xyz"):
        value, sd = column("translation", k)
        yield Curve("pose", axis, "cm", 100 * value, 100 * sd)
    for k, name in enumerate(("jaw open", "jaw left")):
        value, sd = column("jaw", k)
        yield Curve("jaw", name, "°", _DEG * value, _DEG * sd)
    for k, side in enumerate(("left", "right")):
        yield Curve("lids", f"lid {side}", "", *column("eyelids", k))
    for k, side in enumerate(("left", "right")):
        for axis, name in enumerate(("down", "to the left")):
            value, sd = column("eyes", k, axis)
            yield Curve("gaze", f"{side} eye {name}", "°", _DEG * value, _DEG * sd)
    for k, name in enumerate(head.arrays.expression_names):
        yield Curve("expression", name, "", *column("expression", k))
    tracking = track.curves.get(TRACKING)
    if tracking is not None and "trust" in tracking.names:
        trust = np.asarray(tracking.values, np.float64)[:, tracking.names.index("trust")]
        yield Curve(TRACKING, "trust", "", trust, unknown)


def yaw_pitch_roll(
    turns: torch.Tensor,  # [T, 3] axis-angle, radians
    sd: torch.Tensor | None,  # [T, 3], taken for independent
) -> tuple[np.ndarray, np.ndarray]:  # [T, 3] and [T, 3] degrees
    """The angles of R = Ry(yaw) Rx(pitch) Rz(roll), and their standard deviations to first order."""
    turns = turns.double()
    angles = _euler(turns)
    if sd is None:
        return angles * _DEG, np.full(angles.shape, np.nan)
    step, variance = 1e-4, np.zeros(angles.shape)
    for k in range(3):
        nudge = torch.zeros(3, dtype=torch.float64)
        nudge[k] = step
        change = _euler(turns + nudge) - _euler(turns - nudge)
        change = (change + np.pi) % (2 * np.pi) - np.pi
        variance += (change / (2 * step) * sd[:, k : k + 1].double().numpy()) ** 2
    return angles * _DEG, np.sqrt(variance) * _DEG


def _euler(turns: torch.Tensor) -> np.ndarray:
    m = matrix_from_axis_angle(turns).numpy()
    yaw, roll = np.arctan2(m[:, 0, 2], m[:, 2, 2]), np.arctan2(m[:, 1, 0], m[:, 1, 1])
    return np.stack([yaw, np.arcsin(np.clip(-m[:, 1, 2], -1, 1)), roll], 1)


def thinned(
    values: np.ndarray,  # [T, ...] or [T]
    most: int,
    *,
    extremes: bool = False,  # keep the highest and the lowest of what is joined, in their order; else the mean
) -> np.ndarray:  # [at most `most`]
    """A curve with fewer points, for a screen; NaN only where all that is joined are. As it is where it is short."""
    values = np.asarray(values, np.float64)
    if len(values) <= most:
        return values
    count = max(most // 2, 1) if extremes else most
    edges = np.linspace(0, len(values), count + 1).round().astype(int)
    found = []
    for low, high in pairwise(edges.tolist()):
        part = values[low:high]
        known = np.flatnonzero(np.isfinite(part))
        if extremes:
            if not len(known):
                found += [np.nan, np.nan]
                continue
            ends = sorted((known[np.argmin(part[known])], known[np.argmax(part[known])]))
            found += [part[ends[0]], part[ends[1]]]
        else:
            found.append(part[known].mean() if len(known) else np.nan)
    return np.array(found)
