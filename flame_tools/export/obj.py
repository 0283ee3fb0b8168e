"""One Wavefront OBJ a frame, with UV, normals, materials and the texture."""

from __future__ import annotations

import os

import numpy as np

from flame_tools.export.looks import linear, look_of, texture_png
from flame_tools.export.options import DEFAULT, Options
from flame_tools.export.relief import normal_png
from flame_tools.export.surface import normals_of
from flame_tools.folder import folder_written_whole
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.posing import posed_frames
from flame_tools.track_check import check_track
from flame_tools.types import HeadArrays, Track


def write_obj_sequence(track: Track, head: Head, folder: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write `folder`/frame_0001.obj and on, head.mtl, head.png where the track has an albedo, and head_normal.png
    where it has a relief: tangent-space normals, in the materials' `norm` (the PBR extension of MTL).

    Of the options: unit, up. Numbers have six decimals; every file has the same vertices and faces in the same order.
    The folder appears when all frames are written, or not at all.
    """
    check_track(track)
    texture, normals, axes = texture_png(track, head.arrays), normal_png(track, head), options.axes()
    credits = f"# head {head.arrays.id}\n" + "".join(
        f"# licence {' '.join(licence.split())}\n" for licence in licences_of(track, head.arrays)
    )
    with folder_written_whole(folder) as temporary:
        if texture is not None:
            (temporary / "head.png").write_bytes(texture)
        if normals is not None:
            (temporary / "head_normal.png").write_bytes(normals)
        (temporary / "head.mtl").write_text(
            credits + _materials(track, head.arrays, texture is not None, normals is not None)
        )
        coordinates = _lines("vt", head.arrays.uv, 6)
        faces = _faces(head.arrays)
        normals_at = normals_of(head.arrays.faces, len(head.arrays.v_template))
        for i, posed in enumerate(posed_frames(track, head), start=1):
            vertices = axes.place(posed)
            with open(temporary / f"frame_{i:04d}.obj", "w", newline="\n") as file:
                file.write(credits + "mtllib head.mtl\no head\n")
                file.write(_lines("v", vertices, 6))
                file.write(coordinates)
                file.write(_lines("vn", normals_at(vertices), 4))
                file.write(faces)


def _lines(keyword: str, rows: np.ndarray, decimals: int) -> str:
    """rows [n, k] as n lines `keyword x y ...`; formatting all at once is five times faster than row by row."""
    line = f"{keyword}{f' %.{decimals}f' * rows.shape[1]}\n"
    return (line * len(rows)) % tuple(rows.ravel().tolist())


def _faces(arrays: HeadArrays) -> str:
    corners = np.repeat(arrays.faces[..., None] + 1, 3, -1)  # vertex, uv, normal of each corner, counted from 1
    has_uv = len(arrays.uv) > 0
    if has_uv:
        corners[..., 1] = arrays.uv_faces + 1
    line = "f %d/%d/%d %d/%d/%d %d/%d/%d\n" if has_uv else "f %d//%d %d//%d %d//%d\n"
    parts = []
    for m, name in enumerate(arrays.materials):
        chosen = corners[arrays.face_material == m]
        if len(chosen):
            numbers = chosen if has_uv else chosen[..., [0, 2]]
            parts.append(f"usemtl {name}\n" + (line * len(chosen)) % tuple(numbers.ravel().tolist()))
    return "".join(parts)


def _materials(track: Track, arrays: HeadArrays, textured: bool, relief: bool) -> str:
    blocks = []
    for name in arrays.materials:
        look = look_of(name, track)
        picture = textured and look.textured
        colour = [1.0, 1.0, 1.0] if picture else linear(look.colour)
        # Blinn-Phong exponent of a GGX roughness; MTL's go to 1000
        shine = min(round(2 / max(look.roughness, 0.05) ** 4 - 2, 1), 1000.0)
        blocks.append(
            f"newmtl {name}\nKd {colour[0]:.6f} {colour[1]:.6f} {colour[2]:.6f}\n"
            f"Ks 0.04 0.04 0.04\nNs {shine}\nillum 2\n"
            + ("map_Kd head.png\n" if picture else "")
            + ("norm head_normal.png\n" if relief and look.relief else "")
        )
    return "\n".join(blocks)
