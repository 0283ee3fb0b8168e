"""ICT-FaceKit's face model as a head (Li et al., "Learning formation of physically-based face attributes", 2020).

Read from an npz that holds its arrays, or from the original folder of OBJ files (`FaceXModel`). Identity components are
in standard deviations. The meshes laid over the eyes (lashes, lacrimal fluid, shading) are transparent in the original
and left out; they are the last vertices, so the others keep their numbers.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from flame_tools.characters.ict_files import GROUPS, LANDMARKS, LICENCE, OVERLAYS, IctModel, is_ict, read_model
from flame_tools.characters.ict_lids import lid_shapedirs
from flame_tools.characters.ict_regions import MATERIALS, ict_materials, ict_regions, lip_pairs
from flame_tools.characters.names import arkit_spelling
from flame_tools.characters.owners import share_out
from flame_tools.characters.rigging import Angles, moving_fields, rig
from flame_tools.contour_table import contour_table
from flame_tools.surface.eyeball import sphere_centre
from flame_tools.surface.mesh_graph import mirror_of
from flame_tools.types import LEFT_EYE, RIGHT_EYE, Embedding, HeadArrays

__all__ = ["ict_head", "is_ict", "read_ict"]

CM = 0.01
# Where each tile of the original's UV stands in ours: lower left corner and size. The eyeballs are drawn over the face.
FACE_CELL = (0.0, 0.25, 0.75)
CELLS = {1: (0.75, 0.75, 0.25), 2: (0.75, 0.5, 0.25), 3: (0.75, 0.25, 0.25)}
EYE_CELLS = ((0.5, 0.0, 0.25), (0.75, 0.0, 0.25))
# Up, down, in, out: the eyeballs are large, and the sculpted lids follow so far.
LOOK_RAD = (0.314, 0.436, 0.471, 0.471)


def read_ict(path: str | os.PathLike) -> HeadArrays:
    """ICT-FaceKit from an npz or from the original folder. Raises FormatError where the file is something else."""
    return ict_head(read_model(path), file=Path(path).name)


def ict_head(model: IctModel, *, file: str = "") -> HeadArrays:
    """The model with an owner for each motion."""
    kept = (model.faces < OVERLAYS).all(1)
    faces = model.faces[kept]
    groups = {group: np.arange(*ends) for group, ends in GROUPS.items()}
    template = CM * model.neutral[:OVERLAYS]
    identity = np.moveaxis(CM * model.identity[:, :OVERLAYS].astype(np.float32), 0, -1)  # [V, 3, S]
    shapes = {arkit_name(given): CM * offsets[:OVERLAYS] for given, offsets in model.expression.items()}
    marks = np.array(LANDMARKS)
    mirror = mirror_of(template)
    regions = ict_regions(template, faces, mirror, groups, marks)
    balls = (groups["eyeball_left"], groups["eyeball_right"])
    centres = {
        joint: sphere_centre(template[regions[f"{side}_eyeball"]])
        for joint, side in ((LEFT_EYE, "left"), (RIGHT_EYE, "right"))
    }
    teeth = groups["teeth_lower"]
    rigging = rig(
        template,
        faces,
        shapes,
        eyeballs=balls,
        rigid_jaw=teeth,
        places=centres,
        angles=Angles(look_rad=LOOK_RAD),
    )
    owned = share_out(template, shapes, rigging)
    uv, uv_faces = one_atlas(model.uv, model.uv_faces[kept], *(np.isin(faces[:, 0], ball) for ball in balls))
    head = HeadArrays(
        **moving_fields(template, rigging, owned),
        v_template=template.astype(np.float32),
        faces=faces.astype(np.int32),
        uv=uv.astype(np.float32),
        uv_faces=uv_faces.astype(np.int32),
        materials=MATERIALS,
        face_material=ict_materials(template, faces, groups, regions),
        shapedirs=identity,
        eyelid_shapedirs=lid_shapedirs(template, faces, identity, owned, regions),
        shape_names=tuple(f"identity{i:03d}" for i in range(len(model.identity))),
        landmarks={"68": vertex_embedding(faces, marks)},
        regions=regions,
        inner_lip_pairs=lip_pairs(template, faces, marks),
        mirror=mirror,
        directions={},
        id="ict_facekit",
        licence=LICENCE,
        provenance={"source": "ICT-FaceKit, https://github.com/ICT-VGL/ICT-FaceKit", "file": file},
    )
    return replace(head, contour=contour_table(head))


def arkit_name(name: str) -> str:
    """ICT's name in ARKit's spelling: mouthSmile_L is mouthSmileLeft; what ARKit does not know keeps its own."""
    return arkit_spelling(name) or name


def one_atlas(
    uv: np.ndarray, uv_faces: np.ndarray, left_eye: np.ndarray, right_eye: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The tiles of UV [U, 2] packed into one square; the masks [F] mark the eyeballs' faces."""
    cell = np.floor(uv[uv_faces].mean(1)[:, 0]).astype(int)  # the tile
    cells = [FACE_CELL, *CELLS.values(), *EYE_CELLS]
    cell[left_eye], cell[right_eye] = len(cells) - 2, len(cells) - 1
    tile = np.where(cell < len(cells) - 2, cell, 0)
    corners, packed = np.unique(
        np.stack([uv_faces, np.repeat(cell[:, None], 3, 1)], -1).reshape(-1, 2), axis=0, return_inverse=True
    )
    place = np.array(cells)[corners[:, 1]]
    first = np.unique(packed, return_index=True)[1]
    inside = uv[corners[:, 0]] - np.stack([np.repeat(tile, 3)[first], np.zeros(len(first))], -1)
    return place[:, :2] + place[:, 2:] * inside, packed.reshape(-1, 3).astype(np.int32)


def vertex_embedding(faces: np.ndarray, vertices: np.ndarray) -> Embedding:
    """Landmarks that are vertices: each as a corner of a triangle."""
    flat = faces.ravel()
    order = np.argsort(flat, kind="stable")
    first = order[np.searchsorted(flat[order], vertices)]
    barycentrics = np.eye(3, dtype=np.float32)[first % 3]
    return Embedding((first // 3).astype(np.int32), barycentrics)
