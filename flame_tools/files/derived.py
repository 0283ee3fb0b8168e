"""What a head's geometry says where its files do not: eyes, the mirror, the 68 landmarks, jaw line, lips."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from flame_tools.arkit import INDEX
from flame_tools.contour_table import contour_table
from flame_tools.surface.eyeball import IRIS_RADIUS_M, PUPIL_RADIUS_M, sphere_centre
from flame_tools.surface.mesh_graph import edge_lengths, reach
from flame_tools.surface.outline import within
from flame_tools.types import Embedding, HeadArrays

_EYES = ("left_eyeball", "right_eyeball")
_ASYMMETRY_M = 0.01  # a mirror image that lies further from every vertex says that the face is not symmetric
_APART_M = 1e-3  # so far from the other lip an edge counts double
_LIP_REACH_M = 0.03  # no part of a lip is further along the skin from its landmarks
_LEAST_TURN_RAD = 0.01  # of a joint that its head does not turn, as the jaw of FLAME 2023 without jaw rotation
_LIP_DEPTH_M = 0.02  # lips lie at most so far behind their border
_LIP_BORDER = slice(48, 60)  # of the 68
# of the 68: the lips' own, and from the subject's right corner over their inner edges to the left corner
_UPPER, _LOWER = (*range(49, 54), 61, 62, 63), (*range(55, 60), 65, 66, 67)
_UPPER_LIP, _LOWER_LIP = (60, 61, 62, 63, 64), (60, 67, 66, 65, 64)


def complete(head: HeadArrays) -> HeadArrays:
    """`head` with those of its empty parts that follow from the others. What it has is never changed."""
    for step in (_with_eyeballs, _with_mirror, _with_68, _with_contour, _with_inner_lips, _with_lips, _with_angles):
        head = step(head)
    return head


def _with_eyeballs(head: HeadArrays) -> HeadArrays:
    """Regions and materials of the triangles that turn with the eye joints alone."""
    material = np.zeros(len(head.faces), np.int32)
    regions = dict(head.regions)
    for joint, name in enumerate(_EYES, start=3):
        own = (head.weights[head.faces, joint] > 0.99).all(1)
        ball = np.unique(head.faces[own])
        if len(ball) < 8:
            continue
        regions.setdefault(name, ball.astype(np.int32))
        away = head.v_template - sphere_centre(head.v_template[ball].astype(np.float64))
        radius = np.linalg.norm(away[ball], axis=1).mean()
        across = np.where(away[:, 2] > 0, np.linalg.norm(away[:, :2], axis=1), np.inf)  # from the gaze axis, +z
        middle = across[head.faces].mean(1) * IRIS_RADIUS_M / min(IRIS_RADIUS_M, 0.6 * radius)
        material[own] = np.select([middle[own] < PUPIL_RADIUS_M, middle[own] < IRIS_RADIUS_M], [3, 2], 1)
    if all(name in regions for name in _EYES):
        regions.setdefault("eyes", np.union1d(*(regions[name] for name in _EYES)).astype(np.int32))
    head = dataclasses.replace(head, regions=regions)
    if head.materials != ("skin",) or not material.any():
        return head
    return dataclasses.replace(head, materials=("skin", "sclera", "iris", "pupil"), face_material=material)


def _with_mirror(head: HeadArrays) -> HeadArrays:
    """Pairs of vertices that are each other's nearest across the sagittal plane, then of those left over."""
    count = len(head.v_template)
    if not np.array_equal(head.mirror, np.arange(count)):
        return head
    from scipy.spatial import cKDTree

    template = head.v_template.astype(np.float64)
    mirror = np.full(count, -1)
    left = np.arange(count)
    while len(left):
        places = template[left]
        away, nearest = cKDTree(places).query(places * [-1.0, 1.0, 1.0])
        mutual = (nearest[nearest] == np.arange(len(left))) & (away < _ASYMMETRY_M)
        if not mutual.any():
            break
        mirror[left[mutual]] = left[nearest[mutual]]
        left = left[~mutual]
    if (mirror < 0).mean() > 0.1:  # another unit, another axis, or no symmetric face
        return head
    return dataclasses.replace(head, mirror=np.where(mirror < 0, np.arange(count), mirror).astype(np.int32))


def _with_68(head: HeadArrays) -> HeadArrays:
    """iBUG's 68: the jaw line as seen from the front, then the 51 of the inner face."""
    if "68" in head.landmarks or "51" not in head.landmarks or not len(head.contour.faces):
        return head
    inner = head.landmarks["51"]
    full = Embedding(
        np.concatenate([head.contour.faces[0], inner.faces]).astype(np.int32),
        np.concatenate([head.contour.barycentrics[0], inner.barycentrics]),
    )
    return dataclasses.replace(head, landmarks={**head.landmarks, "68": full})


def _with_contour(head: HeadArrays) -> HeadArrays:
    """The jaw line as it is seen from the side, followed on the surface."""
    if len(head.contour.faces) or "68" not in head.landmarks:
        return head
    return dataclasses.replace(head, contour=contour_table(head))


def _with_inner_lips(head: HeadArrays) -> HeadArrays:
    """Facing vertices of the two lips, along the edges where these come closest to each other."""
    if len(head.inner_lip_pairs) or not {"68", "51"} & set(head.landmarks):
        return head
    from scipy.spatial import cKDTree

    marks, first = (head.landmarks["68"], 0) if "68" in head.landmarks else (head.landmarks["51"], 17)
    template = head.v_template.astype(np.float64)
    # Lips that touch are one place in space: the triangles of the landmarks say which of the two is meant.
    corners = head.faces[marks.faces, marks.barycentrics.argmax(1)]
    ways = [reach(template, head.faces, corners[np.array(own) - first], _LIP_REACH_M) for own in (_UPPER, _LOWER)]
    lips = [np.flatnonzero(own < other) for own, other in (ways, ways[::-1])]
    if not len(lips[0]) or not len(lips[1]):
        return head
    lines = []
    for own, other, stops in ((lips[0], lips[1], _UPPER_LIP), (lips[1], lips[0], _LOWER_LIP)):
        apart = np.full(len(template), 1.0)  # metres: what is no lip is far
        apart[own] = cKDTree(template[other]).query(template[own])[0]
        apart[corners[[60 - first, 64 - first]]] = 0
        lines.append(_way(template, head.faces, apart, corners[np.array(stops) - first]))
    upper, lower = (np.setdiff1d(line, corners[[60 - first, 64 - first]]) for line in lines)
    near = (
        cKDTree(template[lower, :1]).query(template[upper, :1])[1],
        cKDTree(template[upper, :1]).query(template[lower, :1])[1],
    )
    mutual = np.flatnonzero(near[1][near[0]] == np.arange(len(upper)))
    pairs = np.stack([upper[mutual], lower[near[0][mutual]]], 1)
    return dataclasses.replace(head, inner_lip_pairs=pairs[template[pairs[:, 0], 0].argsort()].astype(np.int32))


def _with_lips(head: HeadArrays) -> HeadArrays:
    """The material of the triangles whose middle lies, seen from the front, within the outer border of the lips.

    FLAME's own mask of that name reaches far into the skin around them.
    """
    if "lips" in head.materials or "skin" not in head.materials or "68" not in head.landmarks:
        return head
    marks = head.landmarks["68"]
    template = head.v_template.astype(np.float64)
    border = np.einsum("lk,lkc->lc", marks.barycentrics, template[head.faces[marks.faces]])[_LIP_BORDER]
    middle = template[head.faces].mean(1)
    own = within(middle[:, :2], border[:, :2]) & (middle[:, 2] > border[:, 2].min() - _LIP_DEPTH_M)
    own &= head.face_material == head.materials.index("skin")
    if not own.any():
        return head
    material = np.where(own, len(head.materials), head.face_material).astype(np.int32)
    return dataclasses.replace(head, materials=(*head.materials, "lips"), face_material=material)


def _with_angles(head: HeadArrays) -> HeadArrays:
    """How far jaw and eyes turn in the shapes that ARKit names, from the head's map."""
    if head.jaw_open_rad or not len(head.arkit_map):
        return head
    jaw, left, right = (len(head.expression_names) + start for start in (0, 3, 6))

    def turn(name: str, column: int) -> float:
        return float(head.arkit_map[INDEX[name], column])

    look = [
        (-turn("eyeLookUpLeft", left) - turn("eyeLookUpRight", right)) / 2,
        (turn("eyeLookDownLeft", left) + turn("eyeLookDownRight", right)) / 2,
        (-turn("eyeLookInLeft", left + 1) + turn("eyeLookInRight", right + 1)) / 2,
        (turn("eyeLookOutLeft", left + 1) - turn("eyeLookOutRight", right + 1)) / 2,
    ]
    return dataclasses.replace(
        head,
        jaw_open_rad=max(turn("jawOpen", jaw), _LEAST_TURN_RAD),
        jaw_side_rad=max((turn("jawLeft", jaw + 1) - turn("jawRight", jaw + 1)) / 2, _LEAST_TURN_RAD),
        look_rad=np.maximum(look, _LEAST_TURN_RAD).astype(np.float32),
    )


def _way(template: np.ndarray, faces: np.ndarray, apart: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Vertices [n] of the way along edges through `stops` that stays where `apart` [V] (metres) is small."""
    from scipy.sparse.csgraph import dijkstra

    lengths = edge_lengths(template, faces).tocoo()
    lengths.data *= 1 + ((apart[lengths.row] + apart[lengths.col]) / (2 * _APART_M)) ** 2
    lengths = lengths.tocsr()
    way = [int(stops[0])]
    for start, end in itertools.pairwise(stops.tolist()):
        before = dijkstra(lengths, directed=False, indices=start, return_predecessors=True)[1]
        part = [end]
        while part[-1] != start and before[part[-1]] >= 0:
            part.append(int(before[part[-1]]))
        way += part[::-1][1:]
    return np.array(way)
