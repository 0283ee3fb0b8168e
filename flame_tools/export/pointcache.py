"""Vertex caches: every vertex of every frame, to play on a mesh that a program has already.

Vertices stand in the head's own order, which is that of the OBJ sequence: either cache plays on its frame_0001.obj.
Metres and our axes (y up, +z out of the face), unless options say else. Neither format has a place for licences.
"""

from __future__ import annotations

import os
import struct

from flame_tools.archive import written_whole
from flame_tools.errors import InputError
from flame_tools.export.options import DEFAULT, Options
from flame_tools.file_clock import file_times
from flame_tools.head import Head
from flame_tools.posing import posed_frames
from flame_tools.track_check import check_track
from flame_tools.types import Track


def write_mdd(track: Track, head: Head, path: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write NewTek's MDD: big-endian counts of frames and points, the times [T], then positions [T, V, 3], float32.

    Times are those of the track's frames in seconds, so any spacing of frames is told. The layout is LightWave's
    MDD baker's, as Blender's "NewTek MDD format" add-on reads it.
    """
    check_track(track)
    axes = options.axes()
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(struct.pack(">ii", len(track), len(head.arrays.v_template)))
        file.write(file_times(track).astype(">f4").tobytes())
        for vertices in posed_frames(track, head):
            file.write(axes.place(vertices).astype(">f4").tobytes())


def write_pc2(track: Track, head: Head, path: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write 3ds Max's PC2: a little-endian header, then positions [T, V, 3], float32.

    The header is the text POINTCACHE2, version 1, the count of points, the first frame, frames from sample to sample
    (1) and the count of samples, as in 3ds Max's Point Cache modifier. It counts in frames and holds no rate: set the
    program's to the track's. Raises InputError where the track has none, since PC2 cannot tell uneven times.
    """
    check_track(track)
    if track.fps is None and len(track) > 1:
        raise InputError(
            f"cannot write {path}: the track's frames come at no constant rate, and PC2 knows no other; "
            "write MDD, which holds their times"
        )
    first = float(file_times(track)[0]) * track.fps[0] / track.fps[1] if track.fps else 0.0
    points, axes = len(head.arrays.v_template), options.axes()
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(struct.pack("<12siiffi", b"POINTCACHE2\0", 1, points, first, 1.0, len(track)))
        for vertices in posed_frames(track, head):
            file.write(axes.place(vertices).astype("<f4").tobytes())
