"""Building a Look: paint, occlusion and eyes of a head at rest."""

from __future__ import annotations

from functools import partial

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.surface.eyeball import IRIS_RADIUS_M
from render.eyes import EYE_EXTENT, EYE_NAMES, eye_coordinates, eye_texture
from render.look import Look
from render.materials import SKIN, material_tables
from render.occlusion import Ball, eye_centre, lids_apart, sky_seen, smoothed
from render.paint import paint_skin

_OWN = ["C", "W"]  # what kernels take: contiguous and writable
_INSIDE = ("teeth", "gums", "tongue", "mouth")
_EYE = ("sclera", "iris", "pupil")
_CREVICE = (0.6, 0.75, 0.95)  # how much the dark between teeth takes of red, green and blue, as powers of the sky seen
_MOLAR = (0.86, 0.68, 0.58)  # what the last molar keeps of the light: it comes from walls and tongue
_ROW_M = 0.035  # from the front teeth to there


def make_look(arrays) -> Look:
    """A Look from HeadArrays, or from anything with vertices and faces (a Mesh)."""
    template = getattr(arrays, "v_template", None)
    if template is None:
        template = arrays.vertices
    template = np.asarray(template, np.float32)
    template = np.require(template[(0,) * (template.ndim - 2)], np.float32, _OWN)
    faces = np.require(arrays.faces, np.int32, _OWN)
    count = len(template)
    if faces.ndim != 2 or faces.shape[1] != 3 or (faces.size and (faces.min() < 0 or faces.max() >= count)):
        raise ShapeError(f"faces are {list(faces.shape)} over {count} vertices; wanted [F, 3] within [0, {count})")
    names = tuple(getattr(arrays, "materials", ())) or ("skin",)
    face_material = np.require(getattr(arrays, "face_material", np.zeros(len(faces))), np.int32, _OWN)
    table, ramps = material_tables(names)
    uv, uv_faces = getattr(arrays, "uv", None), getattr(arrays, "uv_faces", None)
    has_uv = uv is not None and len(uv) > 0 and uv_faces is not None and len(uv_faces) == len(faces)
    regions = getattr(arrays, "regions", {})

    def of(*wanted):  # vertices of materials
        chosen = [k for k, name in enumerate(names) if name in wanted]
        return np.unique(faces[np.isin(face_material, chosen)])

    lips = np.zeros(count, np.float32)
    lips[of("lips")] = 1
    inside = np.union1d(of(*_INSIDE), of("lips")).astype(np.int32)
    eye = eye_coordinates(template, faces, face_material, names, [regions.get(n, ()) for n in EYE_NAMES])
    balls = tuple(
        _ball(template, np.asarray(regions[ball]), of("sclera"), eye, np.asarray(regions[lids]))
        for ball, lids in zip(EYE_NAMES, ("left_lids", "right_lids"), strict=True)
        if len(regions.get(ball, ())) and len(regions.get(lids, ()))
    )
    pairs = np.asarray(getattr(arrays, "inner_lip_pairs", np.empty((0, 2))), np.int32)
    lids = np.concatenate([np.asarray(regions.get(name, ()), np.int64) for name in ("left_lids", "right_lids")])
    seen = _rest_light(template, faces, of(*_EYE), of(*_INSIDE) if len(pairs) else [], lids)
    skin = table[face_material, 6] == SKIN
    if hasattr(arrays, "v_template"):  # a head is wound outwards; of a Mesh nobody knows
        hollow = skin & ~_round_eyes(template, np.union1d(of(*_EYE), lids))[faces].any(1)
        table, ramps, face_material = _dark_within(table, ramps, face_material, hollow)
    hair = np.zeros(count, np.float32)
    hair[np.asarray(regions.get("scalp", ()), np.int64)] = 1
    hair = smoothed(hair, faces, 3)
    paint = type(None)  # no UV: nothing to paint
    if has_uv:
        uv, uv_faces = np.require(uv, np.float32, _OWN), np.require(uv_faces, np.int32, _OWN)
        places = {
            name: np.einsum("lk,lkc->lc", mark.barycentrics, template[faces[mark.faces]])
            for name, mark in getattr(arrays, "landmarks", {}).items()
            if len(mark.faces) == {"68": 68, "468": 468}.get(name)
        }
        rims = _lid_rims(regions, template, places)
        paint = partial(paint_skin, template, faces, uv, uv_faces, skin, lips, hair, places.get("68"), rims)
    return Look(
        faces=faces,
        face_material=face_material,
        names=names,
        table=table,
        ramps=ramps,
        uv=uv if has_uv else np.zeros((1, 2), np.float32),
        uv_faces=uv_faces if has_uv else np.zeros_like(faces),
        has_uv=has_uv,
        uv_per_metre=_density(template, faces, uv, uv_faces) if has_uv else 1.0,
        eye_per_metre=1 / (2 * EYE_EXTENT * IRIS_RADIUS_M),
        tint=_between_teeth(template, faces, regions),
        occlusion=seen,
        gloss=lips - 3 * hair,  # hair is matte
        mouth=inside,
        lip_pairs=pairs,
        balls=balls,
        eye=eye,
        eye_uv=tuple(
            uv[uv_faces[face_material == names.index(name)]].mean(1) if has_uv and name in names else np.empty((0, 2))
            for name in ("pupil", "iris", "sclera")
        ),
        eye_texture=eye_texture(),
        paint=paint,
    )


def _round_eyes(template, eyes) -> np.ndarray:
    """[V] bool: whether a vertex is within a centimetre of a ball round the left or the right eye and its lids."""
    near = np.zeros(len(template), bool)
    eyes = np.asarray(eyes, np.int64)
    for side in (template[eyes, 0] > 0, template[eyes, 0] <= 0):
        if side.any():
            places = template[eyes[side]]
            middle = (places.min(0) + places.max(0)) / 2
            reach = np.linalg.norm(places - middle, axis=1).max() + 0.01
            near |= np.linalg.norm(template - middle, axis=1) < reach
    return near


def _dark_within(table, ramps, face_material, hollow):
    """Materials with a twin for each that `hollow` [F] faces have: alike from outside, dark from within."""
    twins = np.unique(face_material[hollow])
    number = np.arange(len(table))
    number[twins] = len(table) + np.arange(len(twins))
    twin = table[twins].copy()
    twin[:, 7] = -1
    changed = np.where(hollow, number[face_material], face_material).astype(np.int32)
    return np.concatenate([table, twin]), np.concatenate([ramps, ramps[twins]]), changed


# the eyelid rims among MediaPipe's 468 landmarks, from the nose outwards: right eye, then left
_UPPER = ((133, 173, 157, 158, 159, 160, 161, 246, 33), (362, 398, 384, 385, 386, 387, 388, 466, 263))
_LOWER = ((133, 155, 154, 153, 145, 144, 163, 7, 33), (362, 382, 381, 380, 374, 373, 390, 249, 263))


def _lid_rims(regions, template, places):
    """Rims of upper and lower lids as polylines, from the head's own regions or else from the 468 landmarks."""
    named = [
        tuple(regions.get(f"{side}_{lid}_lid_margin", ()) for lid in ("upper", "lower")) for side in ("left", "right")
    ]
    if all(len(rim) > 1 for pair in named for rim in pair):
        return [tuple(template[rim] for rim in pair) for pair in named]
    if "468" in places:
        marks = places["468"].astype(np.float32)
        return [(marks[list(u)], marks[list(lo)]) for u, lo in zip(_UPPER, _LOWER, strict=True)]
    return []


def _density(template, faces, uv, uv_faces) -> float:
    """UV units a metre, typical of the front of the head."""
    a, b, c = (template[faces[:, k]].astype(np.float64) for k in range(3))
    across = np.cross(b - a, c - a)
    p, q, r = (uv[uv_faces[:, k]].astype(np.float64) for k in range(3))
    flat = np.abs((q - p)[:, 0] * (r - p)[:, 1] - (q - p)[:, 1] * (r - p)[:, 0])
    area = np.linalg.norm(across, axis=1)
    front = across[:, 2] > 0.5 * area
    front = front if front.any() else area > 0
    return float(np.sqrt(flat[front].sum() / max(area[front].sum(), 1e-12))) if front.any() else 1.0


def _rest_light(template, faces, eyes, inside, lids):
    """The sky that the skin sees at rest; eyes and mouth are lit as they move, by rules of their own."""
    if not len(faces):
        return np.ones(len(template), np.float32)
    seen = smoothed(sky_seen(template, faces, _normals(template, faces)), faces)
    seen[lids] = np.maximum(seen[lids], 0.5)  # they open and shut: nothing of them stays in the dark
    seen[eyes] = 1
    seen[inside] = 0
    return seen


def _between_teeth(template, faces, regions):
    """The tint of each vertex: crowns are darker and warmer where they stand against each other and far back."""
    tint = np.ones((len(template), 3), np.float32)
    for row in ("upper_teeth", "lower_teeth"):
        crowns = np.asarray(regions.get(row, ()), np.int64)
        if not len(crowns):
            continue
        number = np.full(len(template), -1, np.int32)
        number[crowns] = np.arange(len(crowns))
        own = number[faces]
        own = np.ascontiguousarray(own[(own >= 0).all(1)])
        seen = sky_seen(template[crowns], own, _normals(template[crowns], own), directions=40)
        free = np.clip(np.quantile(seen, 0.6), 0.01, 0.9)  # coarse crowns, of a level of detail, see less everywhere
        tint[crowns] = np.clip(seen / free, 0.1, 1)[:, None] ** np.float32(_CREVICE)
        back = np.clip((template[crowns, 2].max() - template[crowns, 2]) / _ROW_M, 0, 1)
        tint[crowns] *= np.float32(_MOLAR) ** back[:, None]
    return tint


def _normals(points, faces):
    """Unit normals [V, 3] of vertices, float64; zero where there is no face."""
    a, b, c = (points[faces[:, k]].astype(np.float64) for k in range(3))
    across = np.cross(b - a, c - a)
    normals = np.stack([np.bincount(faces.ravel(), across[:, k].repeat(3), len(points)) for k in range(3)], 1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def _ball(template, ball, sclera, eye, lids):
    white = np.flatnonzero(np.isin(ball, sclera))
    white = white if len(white) >= 8 else np.arange(len(ball))
    centre = eye_centre(template[ball[white]])
    size = np.linalg.norm(template[ball[white]] - centre, axis=1).mean()
    away = np.linalg.norm(template[lids] - centre, axis=1) - size
    touching = lids[(away < 0.0014) & (template[lids, 2] > centre[2])]
    # the corners split upper lid from lower: the line from the innermost to the outermost touching vertex
    places = template[touching]
    first, last = places[places[:, 0].argmin()], places[places[:, 0].argmax()]
    level = np.interp(places[:, 0], [first[0], last[0]], [first[1], last[1]]) if len(places) else np.empty(0)
    above = places[:, 1] > level
    upper, lower = (np.ascontiguousarray(touching[side], np.int32) for side in (above, ~above))
    return Ball(
        ball.astype(np.int32),
        white,
        np.linalg.norm(eye[ball], axis=1).astype(np.float32),
        upper,
        lower,
        lids.astype(np.int32),
        lids_apart(template, upper, lower),
    )
