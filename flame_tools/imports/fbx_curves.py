"""FBX's animation curves: keys, and how one goes to the next.

A curve has its keys' times in KTime, values, and attributes shared by runs of keys: flags, and four floats of which the
first two are the slope behind the key and that before the next one, per second. The flags' bits are those of
FbxAnimCurveDef in the FBX SDK: 2 constant, 4 straight, 8 cubic; with 0x100 beside 2 the value is the next key's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.characters.fbx_nodes import Node
from flame_tools.characters.scene import finite
from flame_tools.errors import FormatError
from flame_tools.export.fbx_take import TICKS

_CONSTANT, _LINEAR, _NEXT = 2, 4, 0x100
_LONGEST_S = 1e6


@dataclass(frozen=True)
class Curve:
    """One number over time."""

    times_s: np.ndarray  # [N] float64, increasing
    values: np.ndarray  # [N] float64
    flags: np.ndarray  # [N] of the stretch behind each key
    slopes: np.ndarray  # [N, 2] behind the key, and before the next one, a second

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """Its values at times [T]; the ends are held."""
        own = self.times_s
        if len(own) == 1:
            return np.full(len(times_s), self.values[0])
        i = np.clip(np.searchsorted(own, times_s + 1e-9, "right") - 1, 0, len(own) - 2)
        step = own[i + 1] - own[i]
        t = np.clip((times_s - own[i]) / step, 0.0, 1.0)
        first, last = self.values[i], self.values[i + 1]
        straight = first + (last - first) * t
        cubic = (
            (2 * t**3 - 3 * t**2 + 1) * first
            + (t**3 - 2 * t**2 + t) * step * self.slopes[i, 0]
            + (3 * t**2 - 2 * t**3) * last
            + (t**3 - t**2) * step * self.slopes[i, 1]
        )
        flags = self.flags[i]
        held = np.where(t >= 1, last, np.where(flags & _NEXT, last, first))
        return np.where(flags & _CONSTANT, held, np.where(flags & _LINEAR, straight, cubic))


def read_curve(node: Node, source: str) -> Curve:
    """The curve in an AnimationCurve node. Raises FormatError where its parts do not fit together."""
    ticks, values = node.array("KeyTime"), node.array("KeyValueFloat")
    if not len(ticks) or len(ticks) != len(values) or ticks.dtype.kind != "i" or values.dtype.kind != "f":
        raise FormatError(f"{source}: a curve has {len(ticks)} times for {len(values)} values")
    flags, slopes, counts = (node.array(name) for name in ("KeyAttrFlags", "KeyAttrDataFloat", "KeyAttrRefCount"))
    fits = len(flags) == len(counts) and len(slopes) == 4 * len(flags) and (counts > 0).all()
    if not fits or int(counts.astype(np.int64).sum()) != len(ticks) or flags.dtype.kind != "i":
        flags, slopes, counts = np.array([_LINEAR]), np.zeros(4), np.array([len(ticks)])
    whole = ticks // TICKS
    seconds = whole + (ticks - whole * TICKS) / TICKS
    if (np.diff(ticks) <= 0).any() or np.abs(seconds).max() > _LONGEST_S:
        raise FormatError(f"{source}: a curve's times do not increase, or lie beyond {_LONGEST_S:g} s")
    runs = np.repeat(np.arange(len(flags)), counts.astype(np.int64))
    # the third and fourth float are weights packed as bits, often no numbers at all
    slopes = finite(np.nan_to_num(slopes.reshape(-1, 4)[:, :2].astype(np.float64)), "a curve", source)
    return Curve(seconds, finite(values, "a curve", source), flags.astype(np.int64)[runs], slopes[runs])
