"""What each material of a head looks like, and the per-head data that a picture needs (made once, kept with the head)."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import ShapeError

# page of a material: where its colour comes from
PLAIN, SKIN, EYE = 0, 1, 2


@dataclass(frozen=True)
class Material:
    """How one kind of surface reflects."""

    colour: tuple[int, int, int]  # sRGB albedo
    roughness: float = 0.5  # GGX, perceptual
    specular: float = 0.04  # reflectance at normal incidence
    coat: float = 0.0  # strength of a second, wet layer
    wrap: tuple[float, float, float] = (0.0, 0.0, 0.0)  # how far light bleeds past the terminator, per channel
    page: int = PLAIN
    interior: bool = False  # lit through the lips' opening only


MATERIALS = {
    "skin": Material((196, 138, 112), 0.48, 0.03, 0.10, (0.42, 0.22, 0.15), SKIN),
    "lips": Material((176, 98, 88), 0.36, 0.035, 0.35, (0.35, 0.2, 0.15), SKIN),
    "sclera": Material((232, 224, 216), 0.3, 0.03, 1.0, (0.35, 0.25, 0.22), EYE),
    "iris": Material((96, 112, 118), 0.3, 0.03, 1.0, (0.3, 0.3, 0.3), EYE),
    "pupil": Material((8, 8, 9), 0.3, 0.03, 1.0, (0.0, 0.0, 0.0), EYE),
    "teeth": Material((226, 214, 192), 0.3, 0.04, 0.3, (0.25, 0.2, 0.15), PLAIN, True),
    "gums": Material((178, 92, 88), 0.35, 0.035, 0.4, (0.3, 0.15, 0.1), PLAIN, True),
    "tongue": Material((186, 98, 94), 0.42, 0.035, 0.4, (0.3, 0.15, 0.1), PLAIN, True),
    "mouth": Material((120, 52, 48), 0.45, 0.03, 0.2, (0.2, 0.1, 0.1), PLAIN, True),
    "other": Material((170, 165, 160), 0.5, 0.04, 0.0, (0.1, 0.1, 0.1), PLAIN),
}

RAMP = 256
COLUMNS = 8  # albedo r g b, roughness, specular, coat, page, interior


def srgb_to_linear(value):
    """sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    value = np.asarray(value, np.float64)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(value):
    """Linear light in [0, 1] to sRGB."""
    value = np.clip(np.asarray(value, np.float64), 0, 1)
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)


def wrap_ramp(wrap) -> np.ndarray:  # [RAMP, 3] float32 over n.l in [-1, 1]
    """Diffuse light over the cosine: Lambert that reaches past the terminator, redder there, with equal energy at noon."""
    cosine = np.linspace(-1, 1, RAMP)[:, None]
    wrap = np.asarray(wrap)[None, :]
    return (np.clip((cosine + wrap) / (1 + wrap), 0, None) ** (1 + wrap)).astype(np.float32)


def material_tables(names) -> tuple[np.ndarray, np.ndarray]:
    """[M, COLUMNS] float32 and ramps [M, RAMP, 3] float32 for a head's material names."""
    chosen = [MATERIALS.get(name, MATERIALS["other"]) for name in names]
    table = np.array(
        [
            [*srgb_to_linear(np.array(m.colour) / 255), m.roughness, m.specular, m.coat, m.page, m.interior]
            for m in chosen
        ],
        np.float32,
    )
    return table, np.stack([wrap_ramp(m.wrap) for m in chosen])


@dataclass(frozen=True)
class Look:
    """Everything about a head's picture that does not change with its pose."""

    faces: np.ndarray  # [F, 3] int32
    face_material: np.ndarray  # [F] int32
    names: tuple[str, ...]
    table: np.ndarray  # [M, COLUMNS] float32
    ramps: np.ndarray  # [M, RAMP, 3] float32
    uv: np.ndarray  # [U, 2] float32, [1, 2] where there is none
    uv_faces: np.ndarray  # [F, 3] int32
    has_uv: bool
    tint: np.ndarray  # [V, 3] float32 multiplies the albedo
    occlusion: np.ndarray  # [V] float32 share of the sky that a vertex sees at rest
    gloss: np.ndarray  # [V] float32 extra wetness
    eye: np.ndarray  # [V, 2] float32 stereographic gaze coordinates of eyeball vertices, in iris radii
    eye_texture: np.ndarray  # [h, w, 3] uint8 sRGB over eye in [-EYE_EXTENT, EYE_EXTENT]
    skin_texture: np.ndarray | None = None  # [h, w, 3] uint8 sRGB in UV, row 0 at v = 1


_looks: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_arrays_of: dict = {}


def look_of(head) -> Look:
    """The Look of a Head, HeadArrays or Mesh (kept: the second call is free)."""
    if isinstance(head, Look):
        return head
    arrays = getattr(head, "arrays", head)
    try:
        key = id(arrays)
        kept = _arrays_of.get(key)
        if kept is not None and kept[0]() is arrays:
            return kept[1]
    except TypeError:
        pass
    look = make_look(arrays)
    _arrays_of[key] = (weakref.ref(arrays, lambda _, key=key: _arrays_of.pop(key, None)), look)
    return look


def make_look(arrays) -> Look:
    """Build a Look from HeadArrays, or from anything with vertices and faces (a Mesh)."""
    template = getattr(arrays, "v_template", None)
    if template is None:
        template = arrays.vertices
    template = np.asarray(template, np.float32)
    template = template.reshape(-1, *template.shape[-2:])[0]
    faces = np.ascontiguousarray(arrays.faces, np.int32)
    count = len(template)
    if faces.ndim != 2 or faces.shape[1] != 3 or (faces.size and (faces.min() < 0 or faces.max() >= count)):
        raise ShapeError(f"faces are {list(faces.shape)} over {count} vertices; wanted [F, 3] within [0, {count})")
    names = tuple(getattr(arrays, "materials", ())) or ("skin",)
    face_material = np.asarray(getattr(arrays, "face_material", np.zeros(len(faces))), np.int32)
    table, ramps = material_tables(names)
    uv, uv_faces = getattr(arrays, "uv", None), getattr(arrays, "uv_faces", None)
    has_uv = uv is not None and len(uv) > 0 and uv_faces is not None and len(uv_faces) == len(faces)
    regions = getattr(arrays, "regions", {})

    from render.eyes import EYE_NAMES, eye_coordinates, eye_texture

    eye = eye_coordinates(template, faces, face_material, names, [regions.get(n, ()) for n in EYE_NAMES])
    gloss = np.zeros(count, np.float32)
    tint = np.ones((count, 3), np.float32)
    if "lips" in names:
        of_lips = np.unique(faces[face_material == names.index("lips")])
        gloss[of_lips] = 1
    return Look(
        faces=faces,
        face_material=np.ascontiguousarray(face_material),
        names=names,
        table=table,
        ramps=ramps,
        uv=np.ascontiguousarray(uv, np.float32) if has_uv else np.zeros((1, 2), np.float32),
        uv_faces=np.ascontiguousarray(uv_faces, np.int32) if has_uv else np.zeros_like(faces),
        has_uv=has_uv,
        tint=tint,
        occlusion=np.ones(count, np.float32),
        gloss=gloss,
        eye=eye,
        eye_texture=eye_texture(),
    )
