"""Any character as a head: a GLB, glTF or FBX with ARKit-named shapes, with or without a skeleton.

Joints come from the file's bones where it has them, and from the shapes where not. A jaw may be moved by its bone or by
the shape jawOpen; both end as a turn of the jaw with correctives that make weight 1 the file's own shape.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from flame_tools.arkit import ARKIT_NAMES
from flame_tools.characters.eyeballs import find_eyeballs
from flame_tools.characters.owners import Rigging, pose, share_out
from flame_tools.characters.parts import Face, face_of
from flame_tools.characters.regions import face_materials, face_regions, lip_pairs
from flame_tools.characters.rigging import Angles, moving_fields, rig
from flame_tools.errors import FormatError
from flame_tools.licences import joined
from flame_tools.surface.mesh_graph import mirror_of
from flame_tools.types import JAW, LEFT_EYE, RIGHT_EYE, HeadArrays

SUFFIXES = (".glb", ".gltf", ".fbx")
HELD = 0.9  # a vertex that a joint holds by more than this share is rigid on it
FOLLOWS = 0.25  # a jaw bone whose skin moves less than this share of its turn in jawOpen is what opens the mouth
MOVES_MOST = 0.6  # without rigid parts the jaw's turn is read off vertices that move this share of the largest motion
LICENCE = "unknown: that of the file's publisher"


def read_character(path: str | os.PathLike) -> HeadArrays:
    """The character in a file as a head named after it.

    What was found is in `provenance`: "missing" ARKit names, "ignored" shapes, "scale". Raises FormatError where the
    file is broken, or has no shapes with ARKit's names.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FormatError(f"{path} is no character file; wanted {', '.join(SUFFIXES)}")
    if suffix == ".fbx":
        from flame_tools.characters.fbx import read_fbx as read
    else:
        from flame_tools.characters.gltf import read_gltf as read
    scene = read(path)
    licences = scene.extras.get("licences")
    named = isinstance(licences, list) and licences and all(isinstance(x, str) for x in licences)
    name = path.stem if path.stem.lower() != "default" else "default_character"  # tracks of ours say "default"
    licence = joined(licences) if named else LICENCE
    return character_head(face_of(scene, str(path)), name=name, licence=licence, file=path.name)


def character_head(face: Face, *, name: str, licence: str = LICENCE, file: str = "") -> HeadArrays:
    """A face with an owner for each motion."""
    eyeballs = tuple(np.flatnonzero(face.weights[:, joint] > HELD) for joint in (LEFT_EYE, RIGHT_EYE))
    if not len(eyeballs[0]) or not len(eyeballs[1]):
        eyeballs = find_eyeballs(face.vertices, face.faces, face.shapes)
    face, rigging = _rigged(face, eyeballs)
    template = face.vertices
    owned = share_out(template, face.shapes, rigging)
    regions = face_regions(face.shapes, eyeballs)
    materials, face_material = face_materials(face, eyeballs)
    for part in set(materials) & {"teeth", "tongue"}:
        regions[part] = np.unique(face.faces[face_material == materials.index(part)]).astype(np.int32)
    return HeadArrays(
        **moving_fields(template, rigging, owned),
        v_template=template.astype(np.float32),
        faces=face.faces.astype(np.int32),
        uv=face.uv.astype(np.float32),
        uv_faces=face.uv_faces.astype(np.int32),
        materials=materials,
        face_material=face_material,
        shapedirs=np.zeros((*template.shape, 0), np.float32),
        eyelid_shapedirs=np.zeros((*owned.eyelid_dirs.shape, 0), np.float32),
        shape_names=(),
        landmarks={},
        regions=regions,
        inner_lip_pairs=lip_pairs(template, face.faces, face.shapes),
        mirror=mirror_of(template),
        directions={},
        id=name,
        licence=licence,
        provenance={
            "file": file,
            "missing": [n for n in ARKIT_NAMES if n not in face.shapes and f"{n}Left" not in face.shapes],
            "ignored": list(face.ignored),
            "scale": face.scale,
        },
    )


def _rigged(face: Face, eyeballs: tuple[np.ndarray, np.ndarray]) -> tuple[Face, Rigging]:
    """The face with shapes that hold the jaw's whole motion, and its joints."""
    skin = face.weights if face.weights.any() else None
    opened = face.shapes.get("jawOpen")
    held = np.flatnonzero(face.weights[:, JAW] > HELD)
    if JAW in face.joints and len(held):
        arm = np.linalg.norm(face.vertices[held] - face.joints[JAW], axis=1).mean()
        moved = 0.0 if opened is None else np.linalg.norm(opened[held], axis=1).mean()
        if moved < FOLLOWS * arm * Angles.jaw_open_rad:
            return _by_bone(face, eyeballs)
    if opened is None:
        return face, rig(
            face.vertices, face.faces, face.shapes, eyeballs=eyeballs, rigid_jaw=held[:0], places=face.joints, skin=skin
        )
    moved = np.linalg.norm(opened, axis=1)
    rigid = held if len(held) else np.flatnonzero(moved > MOVES_MOST * moved.max())
    places = {joint: place for joint, place in face.joints.items() if joint != JAW}
    rigging = rig(face.vertices, face.faces, face.shapes, eyeballs=eyeballs, rigid_jaw=rigid, places=places, skin=skin)
    return face, rigging


def _by_bone(face: Face, eyeballs: tuple[np.ndarray, np.ndarray]) -> tuple[Face, Rigging]:
    """The same for a jaw that its bone moves: its turns are put into the shapes, which correct it."""
    loose = {name: offsets for name, offsets in face.shapes.items() if name != "jawOpen"}
    rigging = rig(
        face.vertices, face.faces, loose, eyeballs=eyeballs, rigid_jaw=np.zeros(0, int), places=face.joints,
        skin=face.weights,
    )  # fmt: skip
    weights = np.where(face.weights.sum(1, keepdims=True) > 0.5, face.weights, rigging.weights)
    rigging = replace(rigging, weights=weights, jaw_side_rad=Angles.jaw_side_rad)
    rest, still = face.vertices, np.zeros_like(face.vertices)
    shapes = dict(face.shapes)
    open_turn = (rigging.jaw_open_rad, 0.0)
    for name, turn in (
        ("jawOpen", open_turn),
        ("jawLeft", (0.0, rigging.jaw_side_rad)),
        ("jawRight", (0.0, -rigging.jaw_side_rad)),
    ):
        shapes[name] = pose(rest + shapes.get(name, still), rigging, JAW, turn) - rest
    if "mouthClose" in shapes:
        shapes["mouthClose"] = pose(shapes["mouthClose"], rigging, JAW, open_turn) - pose(
            still, rigging, JAW, open_turn
        )
    return replace(face, shapes=shapes), rigging
