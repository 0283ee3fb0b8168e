"""What a page must know to draw a head as `render.preview` does: materials, pictures, and light at the vertices.

Vertices go by piece and number as `flame_tools.export.corners.split_by_material` counts them: so the GLB's primitives
do.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.export.corners import split_by_material
from flame_tools.head import Head
from flame_tools.types import Track
from render.eyes import EYE_EXTENT
from render.kept_looks import look_of
from render.look import Look
from render.materials import EYE, MATERIALS, SKIN
from render.preview import complexion_table, eye_picture
from render.studio import STUDIO

_QUALITY = 92  # of the pictures' JPEG
_RIM_POINTS = 9  # of a lid, evenly from corner to corner


@dataclass(frozen=True)
class Dressing:
    """The look of one head on a page."""

    facts: dict  # JSON: materials, lamps and places
    skin: bytes  # JPEG over the head's UV; empty where it has none
    eye: bytes  # JPEG over gaze coordinates
    vertices: bytes  # a record a vertex of the GLB: uint8 sky seen, gloss, hollow, 0; float32 gaze x, y


def dressing_of(track: Track, head: Head) -> Dressing:
    """The look of a track on its head: painted skin or its own albedo, its complexion, its eyes."""
    look = look_of(head)
    appearance = track.appearance
    albedo = None if appearance is None else appearance.albedo
    complexion = None if appearance is None or appearance.skin is None else tuple(int(c) for c in appearance.skin)
    if albedo is not None and (albedo.dtype != np.uint8 or albedo.ndim != 3 or albedo.shape[2] != 3):
        raise ShapeError(f"the track's albedo is {albedo.dtype} {list(albedo.shape)}, wanted uint8 [H, W, 3]")
    picture = (look.skin_texture if albedo is None else albedo) if look.has_uv else None
    pieces = split_by_material(head.arrays)
    table = complexion_table(look, complexion, picture is not None)
    lamps, sky = STUDIO.packed()
    facts = {
        "materials": [_material(piece.material, look, table, len(piece.vertices)) for piece in pieces],
        "lamps": np.round(lamps, 6).tolist(),
        "sky": np.round(sky, 6).tolist(),
        "eyeExtent": EYE_EXTENT,
        "lips": _lips(look, pieces),
        "lids": _lids(look, head, pieces),
        "gaze": _gaze_axes(look, head),
    }
    return Dressing(
        facts,
        b"" if picture is None else _jpeg(picture),
        _jpeg(eye_picture(look, albedo, complexion)),
        b"".join(_records(look, piece.vertices) for piece in pieces),
    )


def _material(name: str, look: Look, table: np.ndarray, count: int) -> dict:
    row = table[look.names.index(name)]
    return {
        "name": name,
        "vertices": count,
        "colour": np.round(row[:3], 5).tolist(),
        "roughness": round(float(row[3]), 4),
        "specular": round(float(row[4]), 4),
        "coat": round(float(row[5]), 4),
        "page": {SKIN: "skin", EYE: "eye"}.get(int(row[6]), "plain"),
        "inside": bool(row[7] > 0),
        "wrap": list(MATERIALS.get(name, MATERIALS["other"]).wrap),
    }


def _records(look: Look, vertices: np.ndarray) -> bytes:
    hollow = np.zeros(len(look.eye), bool)  # of a surface that is dark when it is seen from within
    hollow[look.faces[look.table[look.face_material, 7] < 0]] = True
    rows = np.zeros(len(vertices), [("light", "u1", 4), ("gaze", "<f4", 2)])
    gloss = np.clip((look.gloss[vertices] + 3) / 4, 0, 1)  # from -3 (hair, matte) to 1 (lips)
    rows["light"][:, 0] = np.rint(255 * np.clip(look.occlusion[vertices], 0, 1))
    rows["light"][:, 1] = np.rint(255 * gloss)
    rows["light"][:, 2] = 255 * hollow[vertices]
    rows["gaze"] = look.eye[vertices]
    return rows.tobytes()


def _lips(look: Look, pieces) -> list[list[list[int]]]:
    """Pairs of inner lip vertices, corner to corner: [[piece, vertex] upper, [piece, vertex] lower]."""
    pairs = [[_place(upper, pieces), _place(lower, pieces)] for upper, lower in look.lip_pairs.tolist()]
    return [pair for pair in pairs if None not in pair]


def _lids(look: Look, head: Head, pieces) -> list[dict]:
    """For each eye, left first: points along the rims of the upper and the lower lid, from corner to corner."""
    template = head.arrays.v_template
    return [
        {"upper": _along(ball.upper, template, pieces), "lower": _along(ball.lower, template, pieces)}
        for ball in look.balls
    ]


def _along(vertices: np.ndarray, template: np.ndarray, pieces) -> list[list[int]]:
    if not len(vertices):
        return []
    x = template[vertices, 0]
    wanted = np.linspace(x.min(), x.max(), _RIM_POINTS)
    nearest = np.abs(x[None] - wanted[:, None]) * 1e3 - template[vertices, 2] * 10  # of two at one x the front one
    places = [_place(int(v), pieces) for v in vertices[np.argmin(nearest, 1)]]
    return [] if None in places else places


def _place(vertex: int, pieces) -> list[int] | None:
    """The piece and number of a vertex of the head; None where no triangle has it."""
    for p, piece in enumerate(pieces):
        found = np.flatnonzero(piece.vertices == vertex)
        if len(found):
            return [p, int(found[0])]
    return None


def _gaze_axes(look: Look, head: Head) -> list[list[float]]:
    """Unit directions in which the eyes look at rest, left first."""
    from render.occlusion import eye_centre

    axes = []
    for ball in look.balls:
        place = head.arrays.v_template[ball.vertices].astype(np.float64)
        outward = place - eye_centre(place[ball.white])
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        axis = outward[ball.radius < 0.7].mean(0) if (ball.radius < 0.7).any() else np.array([0.0, 0.0, 1.0])
        axes.append(np.round(axis / np.linalg.norm(axis), 6).tolist())
    return axes


def _jpeg(picture: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return stream.getvalue()
