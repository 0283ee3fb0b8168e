"""An edit that comes back, joined with the track that it was made from: all that its file has no place for.

An edited file says how the face moves. Sound, phones, words, the person's shape and look, light and camera, the tongue
in a table of 52 weights: these come from the original, at the moments of the edit's own frames.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.imports.flame_params import read_flame_params
from flame_tools.imports.in_step import covered, heard_and_said, placed, span
from flame_tools.imports.livelink import read_csv
from flame_tools.imports.read import reader_of
from flame_tools.posing import person
from flame_tools.resample import at_rate, at_times
from flame_tools.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from flame_tools.types import Appearance, FaceParams, Track

_SETTLED = ("untold", "not_read", "whole_turn")  # what a reader left open
_SAME_M = 2e-5  # two rest shapes nearer than this are one person: files hold float32, and other programs round it


def read_edited(
    path: str | os.PathLike,
    head: Head,
    original: Track,
    *,
    fps: Fraction | float | tuple[int, int] | None = None,
) -> Track:
    """An edit of `original`, a track on `head`, in any file that `read_track` knows, with all put back; see `put_back`.

    The edit is placed in time by its own frames; only then is it read at `fps`, where one is given.
    """
    path = Path(path)
    reader = reader_of(path)
    edited = reader(path, head, fps=fps if reader is read_flame_params else None)
    if edited.provenance.get("rate_assumed") and original.fps is not None:
        # A table of less than a second does not say what its timecode counts: the original does, unless it counts less.
        with contextlib.suppress(InputError):
            edited = read_csv(path, head, timecode_fps=round(original.fps[0] / original.fps[1]))
    whole = put_back(edited, original, head, source=str(path))
    return whole if fps is None else at_rate(whole, fps, str(path))


def put_back(edited: Track, original: Track, head: Head, *, source: str = "the edit") -> Track:
    """`edited`, a track on `head`, with what it lacks of `original`.

    Motion is the edit's, but for parameters that its file does not tell (`provenance["untold"]`): these move as the
    original's do at the same moments, held beyond its ends. A person that the file tells and that differs from the
    original's stays (somebody sculpted it), as do a texture, sounds and stretches of its own. Sound and what is said
    are cut to an edit that is shorter; where one goes on longer, they end before it does. An original of one frame, a
    portrait, has no time: identity, look and place alone are its.
    Standard deviations, visibility and events told of the motion that was; they are left behind.
    `provenance["put_back"]` says what was taken, and the seconds of both.

    Raises ShapeError where the original is of another head, InputError where the edit does not fit its time (`placed`).
    """
    if original.head_id != head.arrays.id or edited.head_id != head.arrays.id:
        raise ShapeError(
            f"{source} is read on head {edited.head_id!r}, and the track that it should be an edit of was made on "
            f"{original.head_id!r}; use that head for both, or emberface.transfer"
        )
    theirs, timed = person(original, head), len(original) > 1
    if timed and len(edited) > 1:
        edited = placed(edited, original, source)
    then = at_times(original, np.asarray(edited.time_s, np.float64))
    params, moved = _motion(edited, then, head.arrays.expression_names)
    whole = edited.replace(params=params, camera=edited.camera or then.camera)
    whole, worn = _person(whole, original, head, theirs)
    if timed:
        whole = heard_and_said(whole, original).replace(curves=then.curves | edited.curves)
    sound = ["sound"] if whole.audio is not None and edited.audio is None else []
    said = [name for name in whole.intervals if name not in edited.intervals]
    about = {name: value for name, value in edited.provenance.items() if name not in _SETTLED}
    about["put_back"] = {
        "parts": [*sound, *said, *worn, *moved],
        "span_s": span(edited),
        "of_s": span(original) if timed else None,
        "cut": timed and bool(np.isfinite(covered(edited, original)).any()),
    }
    return whole.replace(provenance=about, licences=tuple(dict.fromkeys((*edited.licences, *original.licences))))


def _motion(edited: Track, then: Track, components: tuple[str, ...]) -> tuple[FaceParams, list[str]]:
    """The edit's parameters with what its file does not tell as it is `then`, [T, ...]; and the names of these."""
    params, names, changes = edited.params, edited.provenance.get("untold", []), {}
    expression = params.expression.clone()
    for name in names:
        field, _, component = name.partition(".")
        if component:
            at = components.index(component)
            expression[..., at] = then.params.expression[..., at].to(expression)
        elif field != "shape":
            changes[field] = getattr(then.params, field).to(getattr(params, field))
    params = params.replace(**{"expression": expression} | changes)
    if joint := edited.provenance.get("whole_turn"):
        params = _turned_whole(params, getattr(edited.params, joint), then.params)
    return params, [name for name in names if name != "shape"]


def _turned_whole(params: FaceParams, turn: torch.Tensor, then: FaceParams) -> FaceParams:
    """The head's turn [T, 3] shared between root and neck as the original shares it: the neck alone, or else the root
    takes what the original's neck leaves."""
    if not then.global_rotation.any():
        return params.replace(neck=turn, global_rotation=torch.zeros_like(turn))
    neck = then.neck.to(turn)
    root = matrix_from_axis_angle(turn.double()) @ matrix_from_axis_angle(neck.double()).transpose(-1, -2)
    return params.replace(neck=neck, global_rotation=axis_angle_from_matrix(root).to(turn))


def _person(edited: Track, original: Track, head: Head, them: Head) -> tuple[Track, list[str]]:
    """The edit on the original's person, unless its file tells another; with the look that it has not; and the names
    of what was taken. `them` is the head with the original's identity."""
    theirs, own = original.appearance or Appearance(), edited.appearance or Appearance()
    untold = "shape" in edited.provenance.get("untold", ())
    if untold or _apart_m(person(edited, head), them) < _SAME_M:
        shape, own = original.params.shape, dataclasses.replace(own, vertex_offsets=theirs.vertex_offsets)
        edited = edited.replace(params=edited.params.replace(shape=shape.to(edited.params.shape)))
    looks = [f.name for f in dataclasses.fields(Appearance) if f.name != "vertex_offsets"]
    taken = [name for name in looks if getattr(own, name) is None and getattr(theirs, name) is not None]
    own = dataclasses.replace(own, **{name: getattr(theirs, name) for name in taken})
    empty = all(getattr(own, f.name) is None for f in dataclasses.fields(Appearance))
    return edited.replace(appearance=None if empty else own), ["identity"] * untold + taken


def _apart_m(one: Head, other: Head) -> float:
    """The largest distance between two people at rest, metres."""
    return float((one.v_template - other.v_template).norm(dim=-1).max())


def remarks(track: Track, source: str) -> list[str]:
    """Sentences about an edit that was put together, none where it is as long as the original."""
    told = track.provenance["put_back"]
    if told["of_s"] is None:
        return []
    (start, end), (first, last) = told["span_s"], told["of_s"]
    said = []
    if told["cut"]:
        said.append(f"{source} covers {start:.2f} to {end:.2f} s of {first:.2f} to {last:.2f} s: the rest is cut away")
    if end > last + 0.1:
        said.append(f"{source} goes on for {end - last:.2f} s after what it was made from: nothing is heard there")
    return said
