"""FBX's animation curves: keys, and how one goes to the next.

A curve has its keys' times in KTime, values, and attributes shared by runs of keys: flags (bits of FbxAnimCurveDef in
the FBX SDK) and four floats: the slope behind the key, the slope before the next one, both a second, and two pairs of
numbers packed as bits, of which the first are weights. How tangents that the program sets by itself come out, no
document tells; what is here follows ufbx (https://github.com/ufbx/ufbx), which found out. Their bias, velocities, and
the tension of TCB keys, which go as automatic ones, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.characters.fbx_nodes import Node
from flame_tools.characters.scene import finite
from flame_tools.errors import FormatError
from flame_tools.export.fbx_take import TICKS

_CONSTANT, _LINEAR, _CUBIC = 2, 4, 8
_NEXT = 0x100  # beside _CONSTANT: the next key's value holds
_USER = 0x400  # beside _CUBIC: slopes are those in the file
_CLAMP, _BY_TIME_ALONE, _NO_OVERSHOOT = 0x1000, 0x2000, 0x4000
_WEIGHTED, _NEXT_WEIGHTED = 0x1000000, 0x2000000
_FLAT = 0.1  # of a value: keys as near each other count as level where they are clamped; the SDK's number
_LONGEST_S = 1e6
_HALVINGS = 40


@dataclass(frozen=True)
class Curve:
    """One number over time."""

    times_s: np.ndarray  # [N] float64, increasing
    values: np.ndarray  # [N] float64
    flags: np.ndarray  # [N] of the stretch behind each key
    slopes: np.ndarray  # [N, 2] behind the key, and before the next one, a second
    weights: np.ndarray  # [N, 2] how far along the stretch the handles of these slopes reach, in [0, 1]

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """Its values at times [T]; the ends are held."""
        own = self.times_s
        if len(own) == 1:
            return np.full(len(times_s), self.values[0])
        i = np.clip(np.searchsorted(own, times_s + 1e-9, "right") - 1, 0, len(own) - 2)
        step = own[i + 1] - own[i]
        t = np.clip((times_s - own[i]) / step, 0.0, 1.0)
        first, last, flags = self.values[i], self.values[i + 1], self.flags[i]
        out, back = self.weights[i].T
        handles = first + out * step * self.slopes[i, 0], last - back * step * self.slopes[i, 1]
        s = np.where(flags & _CUBIC, _along(t, out, back), t)
        cubic = _bezier(s, first, *handles, last)
        held = np.where(t >= 1, last, np.where(flags & _NEXT, last, first))
        straight = first + (last - first) * t
        return np.where(flags & _CONSTANT, held, np.where(flags & _CUBIC, cubic, straight))


def read_curve(node: Node, source: str) -> Curve:
    """The curve in an AnimationCurve node. Raises FormatError where its parts do not fit together."""
    ticks, values = node.array("KeyTime"), node.array("KeyValueFloat")
    if not len(ticks) or len(ticks) != len(values) or ticks.dtype.kind != "i" or values.dtype.kind != "f":
        raise FormatError(f"{source}: a curve has {len(ticks)} times for {len(values)} values")
    ticks = ticks.astype(np.int64)  # a second's are more than 32 bits hold
    whole = ticks // TICKS
    seconds = whole + (ticks - whole * TICKS) / TICKS
    if (np.diff(ticks) <= 0).any() or np.abs(seconds).max() > _LONGEST_S:
        raise FormatError(f"{source}: a curve's times do not increase, or lie beyond {_LONGEST_S:g} s")
    values = finite(values, "a curve", source)
    flags, floats, counts = (node.array(name) for name in ("KeyAttrFlags", "KeyAttrDataFloat", "KeyAttrRefCount"))
    whole_numbers = flags.dtype.kind == counts.dtype.kind == "i" and floats.dtype == np.float32
    fits = whole_numbers and len(flags) == len(counts) and len(floats) == 4 * len(flags) and (counts > 0).all()
    if not fits or int(counts.astype(np.int64).sum()) != len(ticks):  # none, or none that says which key it is of
        straight = np.full(len(ticks), _LINEAR)
        return Curve(seconds, values, straight, np.zeros((len(ticks), 2)), np.full((len(ticks), 2), 1 / 3))
    runs = np.repeat(np.arange(len(flags)), counts.astype(np.int64))
    flags, floats = flags.astype(np.int64)[runs], floats.reshape(-1, 4)[runs]
    weights = _weights(flags, floats)
    return Curve(seconds, values, flags, _slopes(seconds, values, flags, floats, weights, source), weights)


def _weights(flags: np.ndarray, floats: np.ndarray) -> np.ndarray:
    """[N, 2]: a third, or what is packed as two decimals of four digits."""
    packed = np.ascontiguousarray(floats[:, 2]).view("<u4")
    out = np.where(flags & _WEIGHTED, (packed & 0xFFFF) * 1e-4, 1 / 3)
    back = np.where(flags & _NEXT_WEIGHTED, (packed >> 16) * 1e-4, 1 / 3)
    return np.clip(np.stack([out, back], -1), 0.0, 1.0)


def _slopes(seconds, values, flags, floats, weights, source: str) -> np.ndarray:
    """[N, 2]: those in the file, but of keys whose tangents are automatic."""
    of_file = np.where((flags & _CUBIC)[:, None] != 0, floats[:, :2].astype(np.float64), 0.0)
    automatic = (flags & _CUBIC != 0) & (flags & _USER == 0)
    of_file[automatic] = 0.0  # there these are a bias
    slopes = finite(of_file, "a curve's slopes", source).copy()
    if automatic.any() and len(seconds) > 1:
        by_itself = _automatic(seconds, values, flags, weights)
        slopes[automatic, 0] = by_itself[automatic]
        slopes[:-1, 1] = np.where(automatic[1:], by_itself[1:], slopes[:-1, 1])
    return slopes


def _automatic(seconds: np.ndarray, values: np.ndarray, flags: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The slope [N] that an automatic tangent has at each key."""
    steps, rises = np.diff(seconds), np.diff(values)
    chords = rises / steps
    slope = np.empty(len(values))
    slope[0], slope[-1] = chords[0], chords[-1]
    before, after = chords[:-1], chords[1:]
    share = steps[:-1] / (steps[:-1] + steps[1:])
    total = (rises[:-1] + rises[1:]) / (steps[:-1] + steps[1:])
    mixed = (total + before * (1 - share) + after * share) / 2
    slope[1:-1] = np.where(flags[1:-1] & _BY_TIME_ALONE, total, mixed)
    # no further than the neighbours, where asked
    sign = np.where(slope[1:-1] >= 0, 1.0, -1.0)
    reach = np.maximum(weights[:-2, 1] * steps[:-1], 1e-12), np.maximum(weights[1:-1, 0] * steps[1:], 1e-12)
    most = np.minimum(sign * rises[:-1] / reach[0], sign * rises[1:] / reach[1]).clip(0)
    bounded = sign * np.minimum(np.abs(slope[1:-1]), most)
    slope[1:-1] = np.where(flags[1:-1] & _NO_OVERSHOOT, bounded, slope[1:-1])
    slope[[0, -1]] = np.where(flags[[0, -1]] & _NO_OVERSHOOT, 0.0, slope[[0, -1]])
    near = np.minimum(np.abs(np.append(rises[:1], rises)), np.abs(np.append(rises, rises[-1:])))
    return np.where((flags & _CLAMP != 0) & (near <= _FLAT), 0.0, slope)


def _along(t: np.ndarray, out: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Where on a Bezier curve [T] the time is `t`, by halving; time never goes back as handles stay inside."""
    low, high = np.zeros_like(t), np.ones_like(t)
    if np.allclose(out, 1 / 3) and np.allclose(back, 1 / 3):
        return t
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        late = _bezier(middle, 0.0, out, 1 - back, 1.0) > t
        low, high = np.where(late, low, middle), np.where(late, middle, high)
    return (low + high) / 2


def _bezier(s, a, b, c, d):
    r = 1 - s
    return r * r * r * a + 3 * r * r * s * b + 3 * r * s * s * c + s * s * s * d
