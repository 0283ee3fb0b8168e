"""Binary STL of one pose, for 3D printing."""

from __future__ import annotations

import os
import struct

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.export.axes import Axes
from flame_tools.export.one_frame import only_frame
from flame_tools.export.options import DEFAULT, Options
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.types import Track

_PRINTED = Axes("mm", "z")
_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write_stl(track: Track, head: Head, path: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write a track of one frame as a print takes it: millimetres, z up, the face towards -y (the plate's front).

    Of the options: unit, up.

    STL itself knows no unit; slicers read its numbers as millimetres. It holds triangles only, no shared vertices, UV
    or materials: 80 bytes that name the head and its licences, as far as they fit, a count, and 50 bytes a triangle
    (3D Systems, "StereoLithography Interface Specification", 1989). The mesh is the head's as it is, open at the neck
    and in the mouth: let the slicer close it. Raises InputError where the track has more than one frame.
    """
    axes = options.axes(_PRINTED)
    vertices = axes.place(only_frame(track, head, path).astype(np.float64))
    faces = head.arrays.faces
    facets = np.zeros(len(faces), _FACET)
    facets["corners"] = vertices[faces]
    a, b, c = np.moveaxis(facets["corners"].astype(np.float64), 1, 0)
    normals = np.cross(b - a, c - a)
    facets["normal"] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    title = f"emberface head {head.arrays.id} in {axes.unit}; {', '.join(licences_of(track, head.arrays))}"
    with written_whole(path) as temporary:
        temporary.write_bytes(struct.pack("<80sI", title.encode("ascii", "replace"), len(facets)) + facets.tobytes())
