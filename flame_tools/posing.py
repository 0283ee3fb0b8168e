"""From a Track to posed vertices, frame by frame, at constant memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.types import FaceParams, Track


def person(track: Track, head: Head) -> Head:
    """`head` with the track's identity, and its vertex offsets where it has any, folded in.

    Raises ShapeError where the track was made on another head.
    """
    check_made_on(track, head)
    offsets = None if track.appearance is None else track.appearance.vertex_offsets
    return head.bake(track.params.shape.to(head.v_template), None if offsets is None else torch.as_tensor(offsets))


def check_made_on(track: Track, head: Head) -> None:
    """Raise ShapeError where the track was made on another head, or on another version of it."""
    if track.head_id != head.arrays.id:
        raise ShapeError(
            f"the track was made on head {track.head_id!r}, not {head.arrays.id!r}; load that head or transfer it"
        )
    for name, size in (("shape", head.shape_size), ("expression", head.expression_size)):
        found = getattr(track.params, name).shape[-1]
        if found != size:
            raise ShapeError(
                f"the track has {found} {name} components, head {head.arrays.id!r} has {size}; "
                "it was made on another version of the head: make the track again, or load that version"
            )


def posed_frames(track: Track, head: Head, *, chunk: int = 32) -> Iterator[np.ndarray]:
    """Yield vertices [V, 3] in metres for every frame of `track`."""
    someone = person(track, head)
    for start in range(0, len(track), chunk):
        with torch.no_grad():  # never across a yield: gradients would stay off in whoever reads the frames
            posed = someone.vertices(track.params.frame(slice(start, start + chunk))).numpy()
        yield from posed


def at_frames(track: Track, frames) -> Track:
    """The track's poses at some of its frames, in any order and as often as asked, without what belongs to its time."""
    frames = np.asarray(frames, np.int64)
    if strange := [int(i) for i in frames.flat if not -len(track) <= i < len(track)]:
        raise InputError(f"there is no frame {strange[0]}; the track has {len(track)}, counted from 0")
    return track.replace(
        params=track.params.frame(torch.from_numpy(frames)),
        time_s=track.time_s[frames],
        audio=None, std=None, visibility=None, intervals={}, curves={}, fps=None,
    )  # fmt: skip


def still(head: Head, shape: torch.Tensor) -> Track:
    """An identity [S] at rest, as a track of one frame."""
    params = FaceParams.neutral(head, 1).replace(shape=shape.to(head.v_template))
    return Track(head.arrays.id, params, np.zeros(1), licences=(head.arrays.licence,))
