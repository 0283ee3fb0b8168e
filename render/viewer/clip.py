"""What a page holds of one track: its GLB, its sound, and what the timeline shows."""

from __future__ import annotations

import io
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from flame_tools.arkit import ARKIT_NAMES, INDEX, has_named_shapes, to_params
from flame_tools.errors import InputError
from flame_tools.export import write_glb
from flame_tools.export.rig import beyond_scale
from flame_tools.file_clock import file_times, origin_s
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.posing import person
from flame_tools.types import FaceParams, Track
from render.viewer.dressing import Dressing, dressing_of


def _looks(*ways: str) -> list[str]:
    return [f"eyeLook{way}{side}" for way in ways for side in ("Left", "Right")]


_GAP_S = 1.0  # between the performance and the frames that only stretch the rig
# Poses at which the motion is furthest from linear in its weights: with them the file gets every further target
# (docs/export.md) that a slider can need, and not only those that the performance did.
_STRETCHES = (
    {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5, "jawOpen": 0.5},
    {"jawOpen": 0.5, "jawLeft": 0.5} | dict.fromkeys(_looks("Up", "In"), 0.5),
    {"jawOpen": 0.5, "jawRight": 0.5} | dict.fromkeys(_looks("Down", "Out"), 0.5),
)


@dataclass(frozen=True)
class Clip:
    """One track, ready for a page."""

    glb: bytes
    sound: bytes  # FLAC whose first sample is time 0; empty where the track has none
    dressing: Dressing
    facts: dict  # JSON: times in seconds, intervals, curves, licences


def end_s(track: Track) -> float:
    """When a track's last frame or last sample comes, counted from its file's time 0."""
    ends = [float(track.time_s[-1])]
    if track.audio is not None and track.audio_rate > 0:
        ends.append(track.audio_start_s + len(track.audio) / track.audio_rate)
    return max(ends) - origin_s(track)


def clip_of(track: Track, head: Head, name: str, *, until_s: float) -> Clip:
    """Take a track apart for a page whose clips go on until `until_s`.

    Raises ShapeError where it was made on another head.
    """
    person(track, head)  # refuses another head's track
    origin = origin_s(track)
    times = file_times(track)
    sound, length = _sound(track, origin, until_s)
    facts = {
        "name": name,
        "start": round(float(times[0]), 6),
        "end": round(max(float(times[-1]), length), 6),
        "last": round(float(times[-1]), 6),
        "times": [round(t, 6) for t in times.tolist()],
        "sound": bool(sound),
        "phones": _intervals(track, "phones", origin),
        "words": _intervals(track, "words", origin),
        "curves": _curves(track),
        "licences": list(licences_of(track, head.arrays)),
    } | _rig_facts(head)
    if not facts["arkit"]:
        facts |= _reach(track, head)
    return Clip(_glb(track, head), sound, dressing_of(track, head), facts)


def _glb(track: Track, head: Head) -> bytes:
    """The track as GLB bytes, without a picture (the page has its own), and with the stretches after its end."""
    appearance = track.appearance
    if appearance is not None:
        appearance = type(appearance)(vertex_offsets=appearance.vertex_offsets)
    more = _stretches(head).to(track.params.expression)
    count = more.leading[0]
    joined = {
        field: torch.cat([getattr(track.params, field), getattr(more, field)])
        for field in ("expression", "global_rotation", "neck", "jaw", "eyes", "eyelids", "translation")
    }
    end = float(track.time_s[-1]) + _GAP_S
    bare = track.replace(
        params=track.params.replace(**joined),
        time_s=np.concatenate([track.time_s, end + np.arange(count)]),
        audio=None, std=None, visibility=None, intervals={}, curves={}, fps=None, camera=None, appearance=appearance,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "face.glb"
        write_glb(bare, head, path)
        return path.read_bytes()


def _stretches(head: Head) -> FaceParams:
    if not has_named_shapes(head.arrays):
        rest = FaceParams.neutral(head, 1)
        return rest.replace(eyelids=rest.eyelids + 0.5)
    weights = torch.zeros(len(_STRETCHES), len(ARKIT_NAMES))
    for row, pose in zip(weights, _STRETCHES, strict=True):
        for name, weight in pose.items():
            row[INDEX[name]] = weight
    params = to_params(weights.to(head.v_template), head)
    rest = FaceParams.neutral(head, len(_STRETCHES))
    return rest.replace(expression=params.expression, jaw=params.jaw, eyes=params.eyes, eyelids=params.eyelids)


def _rig_facts(head: Head) -> dict:
    """How ARKit names turn joints; "arkit" is False where all the head's targets have names of their own."""
    a = head.arrays
    return {
        "arkit": has_named_shapes(a),
        "jawOpenRad": float(a.jaw_open_rad),
        "jawSideRad": float(a.jaw_side_rad),
        "lookRad": [float(x) for x in a.look_rad],
    }


def _reach(track: Track, head: Head) -> dict:
    """How far components that have names of their own go, below 0 and above 1 too, and what targets say of that.

    "reach": [lowest, highest] of each, as far as the head allows it or the track goes; "beyond": what weight 1 of the
    targets NAME_over and NAME_under adds to component NAME, where the file has them.
    """
    a, rows = head.arrays, track.params.expression.detach().cpu()
    reach, beyond = {}, {}
    for name, (low, high), column in zip(
        a.expression_names, a.expression_bounds.tolist(), rows.unbind(-1), strict=True
    ):
        reach[name] = [round(min(low, float(column.min())), 4), round(max(high, float(column.max())), 4)]
        beyond[f"{name}_over"] = beyond_scale((column - 1).clamp_min(0))
        beyond[f"{name}_under"] = -beyond_scale((-column).clamp_min(0))
    return {"reach": reach, "beyond": beyond}


def _sound(track: Track, origin: float, until_s: float) -> tuple[bytes, float]:
    """FLAC, 16 bit mono, silent before the sound and after it until `until_s`; and how long it is.

    FLAC plays in Chromium, Firefox and Safari, takes half of a WAV's room and, unlike AAC, MP3 and Opus, has no
    encoder delay: sample 0 is at time 0, which lips need.
    """
    if track.audio is None or not len(track.audio):
        return b"", 0.0
    import soundfile

    rate = int(track.audio_rate)
    samples = np.asarray(track.audio, np.float32)
    if not np.isfinite(samples).all():
        raise InputError("the track's sound holds NaN or infinite samples; wanted floats in [-1, 1]")
    lead = round((track.audio_start_s - origin) * rate)
    samples = np.concatenate([np.zeros(max(lead, 0), np.float32), samples[max(-lead, 0) :]])
    samples = np.pad(samples, (0, max(math.ceil(until_s * rate) - len(samples), 0)))
    stream = io.BytesIO()
    pcm = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
    soundfile.write(stream, pcm, rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue(), len(samples) / rate


def _intervals(track: Track, name: str, origin: float) -> list[list]:
    found = track.intervals.get(name)
    if found is None:
        return []
    ends = zip(found.names, found.start_s.tolist(), found.end_s.tolist(), strict=True)
    return [[str(said), round(a - origin, 4), round(b - origin, 4)] for said, a, b in ends]


def _curves(track: Track) -> dict[str, dict[str, list]]:
    """Group -> channel -> a value a frame; None where it is unknown."""
    groups = {}
    for group, curves in track.curves.items():
        values = np.round(np.asarray(curves.values, np.float64), 3)
        groups[group] = {
            name: [v if math.isfinite(v) else None for v in column]
            for name, column in zip(curves.names, values.T.tolist(), strict=True)
        }
    return groups
