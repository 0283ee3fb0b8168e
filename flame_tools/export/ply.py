"""Binary PLY: a still as one file, a performance as a folder with one file a frame.

Little-endian, as in G. Turk's "The PLY Polygon File Format" (1994): vertices with x y z, nx ny nz and, where the head
has UV, s t (v up); triangles as lists of vertex_indices. PLY has one UV a vertex, so a vertex on a seam of the UV is
there again for each further UV it has. These copies come last: the first V vertices are the head's own, in its order.
Metres, y up, +z out of the face, unless options say else. Heads and licences are named in comments.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.export.looks import texture_png
from flame_tools.export.one_frame import only_frame
from flame_tools.export.options import DEFAULT, Options
from flame_tools.export.surface import normals_of
from flame_tools.folder import folder_written_whole
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.posing import posed_frames
from flame_tools.track_check import check_track
from flame_tools.types import HeadArrays, Track


def write_ply(track: Track, head: Head, path: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write a track of one frame as one file; of the options: unit, up. Raises InputError where it has more frames."""
    vertices = only_frame(track, head, path, way_out=", or write them all as a folder with write_ply_sequence")
    frame = _Frames(track, head)
    with written_whole(path) as temporary:
        temporary.write_bytes(frame.file(options.axes().place(vertices)))


def write_ply_sequence(track: Track, head: Head, folder: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write `folder`/frame_0001.ply and on, and head.png where the track has an albedo; of the options: unit, up.

    Every file has the same vertices and faces in the same order. The folder appears when all frames are written, or
    not at all.
    """
    check_track(track)
    texture = texture_png(track, head.arrays)
    frames = _Frames(track, head, picture=None if texture is None else "head.png")
    with folder_written_whole(folder) as temporary:
        if texture is not None:
            Path(temporary, "head.png").write_bytes(texture)
        for i, vertices in enumerate(posed_frames(track, head), start=1):
            Path(temporary, f"frame_{i:04d}.ply").write_bytes(frames.file(options.axes().place(vertices)))


@dataclass(frozen=True)
class Corners:
    """The vertices of a file: the head's own, then copies for the further UVs of seams."""

    vertices: np.ndarray  # [n] which vertex of the head each one is; the first V are 0, 1, ... V - 1
    uv: np.ndarray | None  # [n, 2], v up; zero where no face touches the vertex
    triangles: np.ndarray  # [F, 3] into the n


def with_seams_last(arrays: HeadArrays) -> Corners:
    """Give every vertex one UV, its first in the order of UVs, and append a copy for each other."""
    count = len(arrays.v_template)
    if not len(arrays.uv):
        return Corners(np.arange(count), None, arrays.faces)
    pairs = np.stack([arrays.faces, arrays.uv_faces], -1).reshape(-1, 2)
    kept, index = np.unique(pairs, axis=0, return_inverse=True)  # sorted by vertex, then by UV
    further = np.append(False, kept[1:, 0] == kept[:-1, 0])
    place = np.where(further, count + np.cumsum(further) - 1, kept[:, 0])
    vertices = np.concatenate([np.arange(count), kept[further, 0]])
    uv = np.zeros((len(vertices), 2))
    uv[place] = arrays.uv[kept[:, 1]]
    return Corners(vertices, uv, place[index].reshape(-1, 3))


class _Frames:
    """What all frames of a track share, and the file of each."""

    def __init__(self, track: Track, head: Head, *, picture: str | None = None):
        arrays = head.arrays
        self.corners = with_seams_last(arrays)
        self.normals_at = normals_of(arrays.faces, len(arrays.v_template))
        names = ["x", "y", "z", "nx", "ny", "nz", *(() if self.corners.uv is None else "st")]
        triangles = np.empty(len(self.corners.triangles), [("count", "u1"), ("vertices", "<i4", 3)])
        triangles["count"], triangles["vertices"] = 3, self.corners.triangles
        self.triangles = triangles.tobytes()
        self.table = np.zeros((len(self.corners.vertices), len(names)), "<f4")
        if self.corners.uv is not None:
            self.table[:, 6:] = self.corners.uv
        comments = [f"head {arrays.id}", *(f"licence {licence}" for licence in licences_of(track, arrays))]
        comments += [] if picture is None else [f"TextureFile {picture}"]
        lines = [
            "ply",
            "format binary_little_endian 1.0",
            *(f"comment {' '.join(comment.split())}" for comment in comments),
            f"element vertex {len(self.table)}",
            *(f"property float {name}" for name in names),
            f"element face {len(triangles)}",
            "property list uchar int vertex_indices",
            "end_header",
        ]
        self.header = "".join(f"{line}\n" for line in lines).encode("ascii", "replace")  # a PLY header is ASCII

    def file(self, vertices: np.ndarray) -> bytes:
        rows = self.corners.vertices
        table = self.table.copy()
        table[:, :3] = vertices[rows]
        table[:, 3:6] = self.normals_at(vertices)[rows]
        return self.header + table.tobytes() + self.triangles
