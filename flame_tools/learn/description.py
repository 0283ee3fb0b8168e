"""A description for meshes that come as vertices and triangles alone: weights, joints, regions from another head.

Learning needs to know which vertices are jaw, eyes and skull. Where no head of the scans' topology exists, one mesh of
it and iBUG's 68 landmarks on that mesh are enough: a dense correspondence brings the rest over from a known head.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from flame_tools.characters.eyeballs import eyeballs_behind
from flame_tools.characters.owners import Rigging
from flame_tools.characters.rigging import regressor
from flame_tools.errors import ShapeError
from flame_tools.files.derived import complete
from flame_tools.surface.alignment import align
from flame_tools.surface.correspondence import Correspondence, correspond
from flame_tools.surface.embedding import at_vertices
from flame_tools.surface.eyeball import sphere_centre
from flame_tools.surface.head_parts import LOWER_MOUTH, SKIN, UPPER_MOUTH, parts_of
from flame_tools.surface.mesh_graph import edge_matrix, pieces, smooth
from flame_tools.types import JAW, LEFT_EYE, NECK, RIGHT_EYE, Embedding, HeadArrays

LIDS = {"left": slice(42, 48), "right": slice(36, 42)}  # of the 68
INNER_LIPS = slice(60, 68)
SMOOTHING = 4  # rounds over the surface, against the steps of the other head's triangles
SPLIT = 0.3  # a loose piece with this share on either side of the lips' line belongs to both jaws
ROUND_EYE = 1.3  # radii of the eyeball within which a loose piece is part of the eye
UNSURE = 0.5  # of confidence: such vertices take the part in a region that their neighbours say


def describe(
    vertices: np.ndarray,  # [V, 3] metres, y up, +z out of the face: one person at rest
    faces: np.ndarray,  # [F, 3]
    marks: np.ndarray,  # [68] vertices at iBUG's landmarks
    reference: HeadArrays,  # a head that knows what it is made of, such as the default one
    *,
    licence: str = "unknown",
    id: str = "topology",
) -> HeadArrays:
    """A head without components: joints, skinning weights, regions, materials, landmarks, mirror and lip pairs."""
    vertices, faces, marks = np.asarray(vertices, np.float64), np.asarray(faces, np.int64), np.asarray(marks)
    if marks.shape != (68,) or not (marks.min() >= 0 and marks.max() < len(vertices)):
        raise ShapeError(f"landmarks are {list(marks.shape)}, wanted [68] vertices below {len(vertices)}, as iBUG's")
    balls = eyeballs_behind(vertices, faces, [vertices[marks[LIDS[side]]].mean(0) for side in ("left", "right")])
    bare = _bare(vertices, faces, marks, balls, licence, id)
    found = correspond(reference, bare)
    rigging = _rigging(bare, found, reference, balls)
    regions = _regions(bare, found, reference)
    rows = regressor(vertices, rigging)
    return complete(
        dataclasses.replace(
            bare,
            weights=rigging.weights.astype(np.float32),
            J_regressor=rows.astype(np.float32),
            regions=regions,
            jaw_open_rad=reference.jaw_open_rad,
            jaw_side_rad=reference.jaw_side_rad,
            look_rad=reference.look_rad,
            provenance={"described_by": reference.id, "confidence": round(float(found.confidence.mean()), 3)},
        )
    )


def _bare(vertices, faces, marks, balls, licence, id) -> HeadArrays:
    """What is known without another head: eyeballs, and which loose pieces lie below the lips."""
    count = len(vertices)
    adjacency = edge_matrix(faces, count)
    labels = pieces(adjacency)
    below = vertices[:, 1] < vertices[marks[INNER_LIPS], 1].mean()
    centres = [sphere_centre(vertices[ball]) if len(ball) else np.full(3, np.inf) for ball in balls]
    radii = [
        np.linalg.norm(vertices[ball] - c, axis=1).max(initial=0.0) for ball, c in zip(balls, centres, strict=True)
    ]
    jaw, eye = np.zeros(count), np.zeros(count, int)
    for piece in np.setdiff1d(np.unique(labels), np.bincount(labels).argmax()):
        own = np.flatnonzero(labels == piece)
        jaw[own] = below[own].mean() > 0.5  # lower teeth, tongue
        across = vertices[own, 0].min() < 0.0 < vertices[own, 0].max()
        if across and SPLIT < below[own].mean() < 1.0 - SPLIT:  # both gums in one
            jaw[own] = smooth(adjacency[own][:, own], below[own].astype(float), SMOOTHING)
        for joint, centre, radius in zip((LEFT_EYE, RIGHT_EYE), centres, radii, strict=True):
            if np.linalg.norm(vertices[own] - centre, axis=1).max() < ROUND_EYE * radius:  # its shells, the cornea
                eye[own] = joint
    weights = np.zeros((count, 5), np.float32)
    weights[:, JAW] = np.where(eye > 0, 0.0, jaw)
    weights[:, NECK] = np.where(eye > 0, 0.0, 1.0 - jaw)
    for joint in (LEFT_EYE, RIGHT_EYE):
        weights[eye == joint, joint] = 1.0
    places = at_vertices(faces, marks)
    return HeadArrays(
        v_template=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        uv=np.zeros((0, 2), np.float32),
        uv_faces=np.zeros((len(faces), 3), np.int32),
        materials=("skin",),
        face_material=np.zeros(len(faces), np.int32),
        shapedirs=np.zeros((count, 3, 0), np.float32),
        expressiondirs=np.zeros((count, 3, 0), np.float32),
        posedirs=np.zeros((count, 3, 36), np.float32),
        J_regressor=np.zeros((5, count), np.float32),
        weights=weights,
        eyelid_vertices=np.zeros(0, np.int32),
        eyelid_dirs=np.zeros((0, 3, 4), np.float32),
        eyelid_shapedirs=np.zeros((0, 3, 4, 0), np.float32),
        shape_names=(),
        expression_names=(),
        expression_bounds=np.zeros((0, 2), np.float32),
        expression_sd=np.zeros(0, np.float32),
        jaw_open_rad=0.0,
        jaw_side_rad=0.0,
        look_rad=np.zeros(4, np.float32),
        landmarks={"68": Embedding(places.faces.astype(np.int32), places.barycentrics.astype(np.float32))},
        regions={},
        inner_lip_pairs=np.zeros((0, 2), np.int32),
        mirror=np.arange(count, dtype=np.int32),
        directions={},
        id=id,
        licence=licence,
    )


def _rigging(bare: HeadArrays, found: Correspondence, reference: HeadArrays, balls) -> Rigging:
    """Weights of the skin from the other head, smoothed; joints where the other head's come to lie."""
    parts = parts_of(bare)
    skin = parts == SKIN
    carried = found.values(reference.weights.astype(np.float64))
    carried = smooth(edge_matrix(bare.faces, len(skin)), carried, SMOOTHING)
    carried[:, [LEFT_EYE, RIGHT_EYE]] = 0.0
    carried /= np.maximum(carried.sum(1, keepdims=True), 1e-9)
    weights = np.where(skin[:, None], carried, bare.weights)
    template = bare.v_template.astype(np.float64)
    on_reference = found.values(reference.v_template.astype(np.float64))
    sure = found.confidence * skin
    joints = align(on_reference, template, kind="similarity", weights=sure)(
        reference.J_regressor.astype(np.float64) @ reference.v_template
    )
    for joint, ball in zip((LEFT_EYE, RIGHT_EYE), balls, strict=True):
        if len(ball):
            joints[joint] = sphere_centre(template[ball])
    angles = (float(reference.jaw_open_rad), float(reference.jaw_side_rad))
    return Rigging(joints, weights, *angles, np.asarray(reference.look_rad))


def _regions(bare: HeadArrays, found: Correspondence, reference: HeadArrays) -> dict[str, np.ndarray]:
    """Regions of the other head's skin, and the pieces behind the lips."""
    parts = parts_of(bare)
    skin = parts == SKIN
    names = [name for name in reference.regions if not name.endswith("_margin")]
    masks = np.zeros((len(reference.v_template), len(names)))
    for i, name in enumerate(names):
        masks[reference.regions[name], i] = 1.0
    share = found.values(masks)
    near = smooth(edge_matrix(bare.faces, len(skin)), share, SMOOTHING)
    share = np.where((found.confidence < UNSURE)[:, None], near, share)
    regions = {name: np.flatnonzero(skin & (share[:, i] > 0.5)).astype(np.int32) for i, name in enumerate(names)}
    regions = {name: members for name, members in regions.items() if len(members)}
    for name, part, joint in (("upper_teeth", UPPER_MOUTH, NECK), ("lower_teeth", LOWER_MOUTH, JAW)):
        rigid = np.flatnonzero((parts == part) & (bare.weights[:, joint] == 1.0))  # with gums, if these are apart
        if len(rigid):
            regions[name] = rigid.astype(np.int32)
    return regions
