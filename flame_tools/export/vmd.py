"""MikuMikuDance's motion file, VMD: the morphs and bones that its models share, 30 frames a second.

Layout: a header of 30 + 20 bytes, then lists with a count each: bones (111 bytes a key), morphs (23 bytes), cameras,
lights, shadows, IK switches; names are Shift-JIS in 15 bytes; little endian
(https://github.com/kaitai-io/kaitai_struct_formats, 3d/mmd_vmd.ksy). Axes are left-handed: x to the model's left, y
up, z to its back, so that a quaternion (x, y, z, w) of ours is (-x, -y, z, w) there.
"""

from __future__ import annotations

import os
import struct
from fractions import Fraction

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.arkit import INDEX
from flame_tools.errors import InputError
from flame_tools.export.livelink import arkit_weights
from flame_tools.export.vrm import preset_weights
from flame_tools.file_clock import file_times, origin_s
from flame_tools.head import Head
from flame_tools.sampling import linear, quaternions_of, slerp, turned
from flame_tools.track_check import check_track
from flame_tools.types import Track

FPS = 30
HEAD_BONE, EYES_BONE = "頭", "両目"
_NAME_BYTES, _MODEL_BYTES = 15, 20
# Four Bezier curves (x, y, z, rotation) as a straight line, from (20, 20) to (107, 107), in the rows that MMD writes
_ROW = bytes([20] * 8 + [107] * 8)
_STRAIGHT = b"".join(_ROW[i:] + bytes(i) for i in range(4))
_OF_PRESET = {
    "まばたき": "blink",
    "ウィンク２": "blinkLeft",
    "ｳｨﾝｸ２右": "blinkRight",
    "あ": "aa",
    "い": "ih",
    "う": "ou",
    "え": "ee",
    "お": "oh",
}


def write_vmd(track: Track, head: Head, path: str | os.PathLike, *, model_name: str = "emberface") -> None:
    """Write morphs (blinks, あ い う え お, brows, smile), and turns of 頭 (root and neck) and 両目 (both eyes' mean).

    Frame n is the pose at n / 30 s; between keys all goes straight. What never moves is left out, so that a file can be
    laid over another motion. MikuMikuDance warns where `model_name` (at most 20 bytes in Shift-JIS) is not the model's,
    and plays all the same. The format has no place for licences.
    Raises ShapeError for a track that does not fit together, InputError for a name that is too long.
    """
    check_track(track)
    frames, times = _frames(track)
    own = np.asarray(track.time_s, np.float64)
    weights = {name: linear(times, own, values) for name, values in morphs(track, arkit_weights(track, head)).items()}
    bones = {name: turned(times, own, turns) for name, turns in bone_turns(track).items()}
    bone_keys = [
        _name(name, _NAME_BYTES) + struct.pack("<I7f", frames[i], 0, 0, 0, -x, -y, z, w) + _STRAIGHT
        for name, turns in bones.items()
        for i, (x, y, z, w) in _keys(turns, np.array([0, 0, 0, 1.0]))
    ]
    morph_keys = [
        _name(name, _NAME_BYTES) + struct.pack("<If", frames[i], value)
        for name, values in weights.items()
        for i, (value,) in _keys(values[:, None], np.zeros(1))
    ]
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(b"Vocaloid Motion Data 0002".ljust(30, b"\0") + _name(model_name, _MODEL_BYTES))
        for keys in (bone_keys, morph_keys):
            file.write(struct.pack("<I", len(keys)) + b"".join(keys))
        file.write(struct.pack("<4I", 0, 0, 0, 0))  # no cameras, lights, shadows, IK switches


def morphs(track: Track, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The standard morphs [T] in [0, 1] of a track and its ARKit weights [T, 52].

    Vowels come from the track's phones as in VRM's presets; without phones, from the lips: how far the jaw is open, the
    lips are rounded (pucker, funnel) and spread (stretch, smile) shares the mouth out among the five.
    """
    presets = preset_weights(track, weights)
    presets = _lips(weights) | presets if "aa" not in presets else presets

    def mean(*names: str) -> np.ndarray:
        return weights[:, [INDEX[name] for name in names]].mean(1)

    outer = mean("browOuterUpLeft", "browOuterUpRight")
    found = {name: presets[preset] for name, preset in _OF_PRESET.items()}
    found |= {
        "びっくり": mean("eyeWideLeft", "eyeWideRight"),  # startled
        "上": outer,  # both brows up
        "困る": np.clip(mean("browInnerUp") - outer, 0, 1),  # troubled: their inner ends alone
        "怒り": mean("browDownLeft", "browDownRight"),  # angry
        "にやり": mean("mouthSmileLeft", "mouthSmileRight"),  # a grin
    }
    return {name: np.clip(values, 0, 1) for name, values in found.items()}


def _lips(weights: np.ndarray) -> dict[str, np.ndarray]:
    def most(*names: str) -> np.ndarray:
        return weights[:, [INDEX[name] for name in names]].max(1)

    opened = np.clip(most("jawOpen") - most("mouthClose"), 0, 1)
    rounded = most("mouthPucker", "mouthFunnel")
    spread = np.clip(most("mouthStretchLeft", "mouthStretchRight", "mouthSmileLeft", "mouthSmileRight") - rounded, 0, 1)
    plain = np.clip(1 - rounded - spread, 0, 1)
    return {
        "aa": opened * plain,
        "oh": opened * rounded,
        "ee": opened * spread,
        "ou": (1 - opened) * rounded,
        "ih": (1 - opened) * spread,
    }


def bone_turns(track: Track) -> dict[str, np.ndarray]:
    """Unit quaternions [T, 4] (x, y, z, w), our axes, by bone."""
    from scipy.spatial.transform import Rotation

    p = track.params
    root, neck = (Rotation.from_quat(quaternions_of(turn)) for turn in (p.global_rotation, p.neck))
    left, right = np.moveaxis(quaternions_of(p.eyes), 1, 0)
    half = np.full((len(left), 1), 0.5)
    return {HEAD_BONE: (root * neck).as_quat(), EYES_BONE: slerp(left, right, half)}


def _frames(track: Track) -> tuple[range, np.ndarray]:
    """The frames that the track covers, and where they lie on its own clock."""
    times = file_times(track)
    first = int(np.ceil(times[0] * FPS - 1e-3))
    last = max(int(np.floor(times[-1] * FPS + 1e-3)), first)
    if last >= 2**32:
        raise InputError(f"the track ends at {times[-1]:g} s, beyond what VMD can count")
    frames = range(first, last + 1)
    return frames, np.array([float(Fraction(n, FPS)) for n in frames]) + origin_s(track)


def _keys(values: np.ndarray, rest: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Rows [T, k] that a straight line between their neighbours does not say; none where all are `rest`."""
    values = values.astype(np.float32)
    if np.abs(values - rest).max() < 1e-6:
        return []
    same = (values[1:] == values[:-1]).all(1)
    kept = np.ones(len(values), bool)
    kept[1:-1] = ~(same[:-1] & same[1:])
    return [(int(i), values[i]) for i in np.flatnonzero(kept)]


def _name(name: str, size: int) -> bytes:
    try:
        raw = name.encode("cp932")
    except UnicodeEncodeError:
        raise InputError(f"{name!r} cannot be written in Shift-JIS; choose another name") from None
    if len(raw) > size:
        raise InputError(f"{name!r} takes {len(raw)} bytes in Shift-JIS, and VMD has {size}; choose a shorter name")
    return raw.ljust(size, b"\0")
