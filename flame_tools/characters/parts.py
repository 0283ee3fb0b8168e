"""From the meshes of a character file to one face: which meshes belong to it, joined, welded, upright and in metres."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flame_tools.characters.names import CENTRAL, SIDED, arkit_spelling, joint_named
from flame_tools.characters.scene import Part, Scene
from flame_tools.errors import FormatError
from flame_tools.types import NECK, ROOT

WELD_M = 1e-6  # vertices closer than this that move alike are one: files split them where texture or material changes
FARTHEST_M = 1e5
SEAM = 0.08  # half the width over which a shape of both sides is split, as a share of the face's width
EYES_APART_M = (0.02, 0.2)  # eyes outside of this range tell that the unit is not the metre
HUMAN_EYES_APART_M = 0.063


@dataclass(frozen=True, eq=False)
class Face:
    """One character's face as plain arrays, and what is known of its joints."""

    vertices: np.ndarray  # [V, 3] metres, y up, +z forward
    faces: np.ndarray  # [F, 3]
    uv: np.ndarray  # [U, 2]
    uv_faces: np.ndarray  # [F, 3]
    materials: tuple[str, ...]  # as the file names them, behind the mesh's name
    face_material: np.ndarray  # [F]
    shapes: dict[str, np.ndarray]  # ARKit names (see shape_names) -> [V, 3]
    weights: np.ndarray  # [V, 5], zero rows without a skin
    joints: dict[int, np.ndarray]  # joint -> place [3], where bones say it
    ignored: tuple[str, ...]  # shapes whose names say nothing to us
    scale: float  # metres that one of the file's metres was taken for


def face_of(scene: Scene, source: str) -> Face:
    """The face in a scene. Raises FormatError where no mesh has shapes that ARKit knows."""
    groups, joints = bones_to_joints(scene)
    named = [part for part in scene.parts if any(arkit_spelling(name) for name in part.shapes)]
    if not named:
        found = sorted({name for part in scene.parts for name in part.shapes})
        raise FormatError(
            f"{source} has no shapes with ARKit's names (mouthSmileLeft, jawOpen, ...); it has "
            f"{', '.join(found[:6]) + (' ...' if len(found) > 6 else '') if found else 'no shapes at all'}: "
            "rename them, or export the file with its blend shapes"
        )
    parts = [part for part in scene.parts if part in named or _belongs(part, named, groups)]
    largest = max(
        np.abs(values).max(initial=0.0) for part in parts for values in (part.vertices, *part.shapes.values())
    )
    if not largest < FARTHEST_M:
        raise FormatError(f"{source} has a vertex {largest:.3g} m from its origin; export it again, near the origin")
    return _upright(_joined([_welded(part) for part in parts], groups, joints))


def bones_to_joints(scene: Scene) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Which of the five joints each bone [B] moves with, and the places of the joints that bones name."""
    named = [joint_named(name) for name in scene.bones]
    if any(found == (NECK, True) for found in named):  # a head bone: then the neck's are the body's
        named = [None if found == (NECK, False) else found for found in named]
    first: dict[int, int] = {}
    for i, found in enumerate(named):
        if found is not None and found[0] not in first:
            first[found[0]] = i
    group = np.full(len(scene.bones), ROOT)
    for i in range(len(scene.bones)):
        bone = i
        while bone >= 0 and named[bone] is None:
            bone = scene.parents[bone]
        if bone >= 0:
            group[i] = named[bone][0]
    places = {joint: scene.places[bone] for joint, bone in first.items()}
    if NECK in first and scene.parents[first[NECK]] >= 0:
        places[ROOT] = scene.places[scene.parents[first[NECK]]]
    return group, places


def _belongs(part: Part, named: list[Part], groups: np.ndarray) -> bool:
    """Whether a mesh without ARKit shapes is part of the face: eyes, teeth, tongue, brows, lashes."""
    if not len(part.faces):
        return False
    if part.weights.shape[1]:
        return part.weights[:, groups != ROOT].sum(1).mean() > 0.5
    points = np.concatenate([other.vertices for other in named])
    low, high = points.min(0), points.max(0)
    return bool(((part.vertices >= low) & (part.vertices <= high)).all(1).mean() > 0.9)


def _welded(part: Part) -> Part:
    """The part with vertices made one that lie at one place and move alike."""
    columns = [part.vertices, *part.shapes.values()]
    keys = np.concatenate([np.round(np.concatenate(columns, 1) / WELD_M), np.round(part.weights * 1e4)], 1)
    _, first, group = np.unique(keys.astype(np.int64), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    kept = first[order]
    faces = rank[group.reshape(-1)][part.faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return replace(
        part,
        vertices=part.vertices[kept],
        faces=faces[whole],
        uv_faces=part.uv_faces[whole],
        face_material=part.face_material[whole],
        shapes={name: offsets[kept] for name, offsets in part.shapes.items()},
        weights=part.weights[kept],
    )


def _joined(parts: list[Part], groups: np.ndarray, joints: dict[int, np.ndarray]) -> Face:
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    uv_starts = np.cumsum([0, *(len(part.uv) for part in parts)])
    material_starts = np.cumsum([0, *(len(part.materials) for part in parts)])
    count = int(starts[-1])
    sum_of: dict[str, np.ndarray] = {}
    ignored: dict[str, None] = {}
    for part, start in zip(parts, starts, strict=False):
        taken: set[str] = set()
        for name, offsets in part.shapes.items():
            spelled = arkit_spelling(name)
            if spelled is None or spelled in taken:
                ignored[name] = None
                continue
            taken.add(spelled)
            whole = sum_of.setdefault(spelled, np.zeros((count, 3)))
            whole[start : start + len(offsets)] = offsets
    weights = np.zeros((count, 5))
    for part, start in zip(parts, starts, strict=False):
        if part.weights.shape[1]:
            rows = slice(start, start + len(part.vertices))
            for joint in range(5):
                weights[rows, joint] = part.weights[:, groups == joint].sum(1)
    return Face(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + s for part, s in zip(parts, starts, strict=False)]),
        np.concatenate([part.uv for part in parts]),
        np.concatenate([part.uv_faces + s * bool(len(part.uv)) for part, s in zip(parts, uv_starts, strict=False)]),
        tuple(f"{part.name} {material}" for part in parts for material in part.materials),
        np.concatenate([part.face_material + s for part, s in zip(parts, material_starts, strict=False)]),
        sum_of,
        weights,
        joints,
        tuple(ignored),
        1.0,
    )


def _upright(face: Face) -> Face:
    """The face looking along +z, in metres; shapes of both sides split into left and right."""
    left = _middle(face, "Left")
    right = _middle(face, "Right")
    if left is not None and right is not None and left[0] < right[0]:  # it looks along -z
        face = _turned(face, np.diag([-1.0, 1.0, -1.0]))
        left, right = _middle(face, "Left"), _middle(face, "Right")
    if left is not None and right is not None:
        apart = float(np.linalg.norm(left - right))
        if apart > WELD_M and not EYES_APART_M[0] <= apart <= EYES_APART_M[1]:
            scale = 10.0 ** round(np.log10(HUMAN_EYES_APART_M / apart))
            face = replace(_turned(face, scale * np.eye(3)), scale=scale)
    return _split(face)


def _middle(face: Face, side: str) -> np.ndarray | None:
    """Where the shapes of one eye move the face most [3]; None where there are none."""
    for name in (f"eyeBlink{side}", f"eyeSquint{side}", f"eyeWide{side}"):
        if name in face.shapes:
            moved = np.linalg.norm(face.shapes[name], axis=1)
            if moved.max() > 0:
                return np.average(face.vertices, axis=0, weights=np.where(moved > 0.5 * moved.max(), moved, 0.0))
    return None


def _turned(face: Face, matrix: np.ndarray) -> Face:
    return replace(
        face,
        vertices=face.vertices @ matrix.T,
        shapes={name: offsets @ matrix.T for name, offsets in face.shapes.items()},
        joints={joint: matrix @ place for joint, place in face.joints.items()},
    )


def _split(face: Face) -> Face:
    """A sided shape that came without its sides becomes both; what both sides have already is left out."""
    shapes = dict(face.shapes)
    x = face.vertices[:, 0]
    for name in SIDED:
        if name in shapes:
            both = shapes.pop(name)
            moved = np.abs(x[np.abs(both).max(1) > 1e-5])
            width = SEAM * (moved.max() if len(moved) else 1.0)
            share = np.clip(0.5 + 0.5 * x / width, 0.0, 1.0)[:, None]
            shapes.setdefault(f"{name}Left", share * both)
            shapes.setdefault(f"{name}Right", (1.0 - share) * both)
    for name in CENTRAL:
        if name in shapes:
            for half in (f"{name}Left", f"{name}Right"):
                shapes.pop(half, None)
    return replace(face, shapes=shapes)
