"""One head bent onto another: the same pose for both, what leads the registration, and what lies behind the skin."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.surface.alignment import align
from flame_tools.surface.embedding import at_vertices
from flame_tools.surface.eyeball import sphere
from flame_tools.surface.head_parts import EYES, SKIN, parts_of
from flame_tools.surface.nearest import Surface
from flame_tools.surface.registration import Anchors, Schedule, on_mesh, register, settle
from flame_tools.types import Embedding, FaceParams, HeadArrays

FINE = Schedule(rounds=6, lengths_m=(0.06, 0.04, 0.025, 0.016, 0.01, 0.0065, 0.004, 0.0025, 0.0016))
NEAR = Schedule(settling=30, lengths_m=(0.01,))  # for what lies behind the lips

# The iBUG landmarks that lead: corners and middles. Each head spaces those along brows, lids, lips, jaw and the nose in
# its own way, its tip among them (ICT-FaceKit's lies 3 mm above the most forward place, others' below it), and the
# surface knows better.
LEADING = [31, 33, 35, 36, 39, 42, 45, 48, 50, 51, 52, 54, 57, 60, 62, 64, 66]
# How far each leads: enough to find the way, little enough that the surface has the last word. Measured in
# docs/correspondence.md; with 1 instead, landmarks 1 mm off leave their dents.
LEAD_WEIGHT = 0.03  # of each of those, and of each of the 468 where both heads have them
CONTOUR_WEIGHT = 0.15  # of the whole inner contour of a lip, or margin of a lid
LID_MARGINS = tuple(f"{side}_{lid}_lid_margin" for side in ("left", "right") for lid in ("upper", "lower"))
FEWEST = 5  # vertices of a contour
GAP = 0.25  # the inner lips' distance over the mouth's width in the pose that is registered


@dataclass(frozen=True, eq=False)
class Overlaid:
    """The template head laid over the other one."""

    opened: np.ndarray  # [V, 3] the template, mouth open, in its own place
    bent: np.ndarray  # [V, 3] the same vertices on the other head
    other: np.ndarray  # [W, 3] the other head, mouth open


def lay_over(template: HeadArrays, other: HeadArrays, leads: tuple[Embedding, Embedding]) -> Overlaid:
    """`template` laid over `other`, led by the paired places `leads` on the two: 68 of them are iBUG's."""
    own, opposite = _opened(template, leads[0]), _opened(other, leads[1])
    own_parts, other_parts = parts_of(template), parts_of(other)
    points = on_mesh(opposite, other.faces, leads[1])
    weights = np.full(len(points), LEAD_WEIGHT)
    if _is_68(leads[0]):
        weights[np.setdiff1d(range(68), LEADING)] = 0.0
    anchors = [(leads[0], points, weights)]
    if "468" in template.landmarks and "468" in other.landmarks:
        dense = on_mesh(opposite, other.faces, other.landmarks["468"])
        anchors.append((template.landmarks["468"], dense, np.full(len(dense), LEAD_WEIGHT)))
    if _is_68(leads[0]):
        mine = _contours(template, own, on_mesh(own, template.faces, leads[0]))
        anchors += _along_contours(template, mine, _contours(other, opposite, points))
    led = Anchors(
        Embedding(*(np.concatenate([getattr(a[0], name) for a in anchors]) for name in ("faces", "barycentrics"))),
        np.concatenate([a[1] for a in anchors]),
        np.concatenate([a[2] for a in anchors]),
    )
    skin = own_parts == SKIN
    faces, led = _submesh(template.faces, skin, led)
    surface = Surface(opposite, other.faces, vertex_mask=other_parts == SKIN)
    bent = np.array(own)
    bent[skin] = register(own[skin], faces, surface, anchors=led, alignment="affine", schedule=FINE)
    if _is_symmetric(template) and _is_symmetric(other):
        bent = (bent + bent[template.mirror] * [-1.0, 1.0, 1.0]) / 2
    _lay_hidden_parts(template, own, own_parts, bent, other, opposite, other_parts)
    return Overlaid(own, bent, opposite)


def _opened(head: HeadArrays, marks: Embedding) -> np.ndarray:
    """Vertices [V, 3] with the jaw turned until the lips are GAP of the mouth's width apart, if it can."""
    rest = np.asarray(head.v_template, np.float64)
    if not _is_68(marks) or not np.any(head.weights[:, 2]):
        return rest
    model = Head(_without_components(head), dtype=torch.float64)
    neutral = FaceParams.neutral(model)

    def posed(angle: float) -> tuple[np.ndarray, float]:
        turned = neutral.replace(jaw=torch.tensor([angle, 0.0, 0.0], dtype=torch.float64))
        vertices = model.vertices(turned).numpy()
        points = on_mesh(vertices, head.faces, marks)
        width = np.linalg.norm(points[54] - points[48])
        return vertices, float((points[62] - points[66])[1] / width)

    steps = np.linspace(0.0, 0.4, 9)  # radians; a jaw opens about 0.4
    gaps = np.array([posed(angle)[1] for angle in steps])
    rising = np.maximum.accumulate(gaps) + 1e-9 * np.arange(len(gaps))
    return posed(float(np.interp(GAP, rising, steps)))[0]


def _without_components(head: HeadArrays) -> HeadArrays:
    """The head with components that do nothing: all that opening its jaw needs."""
    none = np.zeros((len(head.v_template), 3, 1))
    return dataclasses.replace(
        head,
        shapedirs=none,
        expressiondirs=none,
        eyelid_vertices=np.zeros(0, int),
        eyelid_dirs=np.zeros((0, 3, 4)),
        eyelid_shapedirs=np.zeros((0, 3, 4, 1)),
        shape_names=("none",),
        expression_names=("none",),
    )


def _is_68(leads: Embedding) -> bool:
    return len(leads.faces) == 68


@dataclass(frozen=True, eq=False)
class _Contour:
    """A line along a lip or a lid, from the subject's right to the left."""

    vertices: np.ndarray  # [n]
    shares: np.ndarray  # [n] how far along the line each vertex lies
    points: np.ndarray  # [m, 3] the line: the vertices, and for a lip its corners


def _contours(head: HeadArrays, vertices: np.ndarray, marks: np.ndarray) -> dict[str, _Contour]:
    """The contours that a head knows by name; `marks` [68, 3] say where its mouth ends and where its right is."""
    found = {}
    if len(head.inner_lip_pairs) >= FEWEST:
        for lip, pairs in zip(("upper_lip", "lower_lip"), head.inner_lip_pairs.T, strict=True):
            points = np.concatenate([marks[[60]], vertices[pairs], marks[[64]]])
            found[lip] = _Contour(pairs, _shares(points)[1:-1], points)
    for name in LID_MARGINS:
        if len(head.regions.get(name, ())) >= FEWEST:
            line = _chained(head.regions[name], vertices, marks[45] - marks[36])
            found[name] = _Contour(line, _shares(vertices[line]), vertices[line])
    return found


def _along_contours(template: HeadArrays, mine: dict[str, _Contour], theirs: dict[str, _Contour]) -> list[tuple]:
    """Anchors: the template's vertices on the contours that both heads have, each as far along as on the other."""
    anchors = []
    for name in sorted(set(mine) & set(theirs)):
        own, other = mine[name], theirs[name]
        points = np.stack([np.interp(own.shares, _shares(other.points), column) for column in other.points.T], 1)
        weights = np.full(len(points), CONTOUR_WEIGHT / len(points))
        anchors.append((at_vertices(template.faces, own.vertices), points, weights))
    return anchors


def _chained(vertices: np.ndarray, points: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Vertices of one line in their order: from the first in the direction `along`, always to the nearest next."""
    left = list(vertices[np.argsort(points[vertices] @ along)])
    chain = [left.pop(0)]
    while left:
        chain.append(left.pop(int(np.linalg.norm(points[left] - points[chain[-1]], axis=1).argmin())))
    return np.array(chain)


def _shares(points: np.ndarray) -> np.ndarray:
    """How far along a polyline [n, 3] each of its points lies, from 0 to 1."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return along / along[-1]


def _submesh(faces: np.ndarray, keep: np.ndarray, anchors: Anchors) -> tuple[np.ndarray, Anchors]:
    """Faces of the vertices in the mask `keep`, in their own numbering, and the anchors that lie on them."""
    whole = keep[faces].all(1)
    place = np.cumsum(whole) - 1
    on = whole[anchors.places.faces]
    places = Embedding(place[anchors.places.faces[on]], anchors.places.barycentrics[on])
    return (np.cumsum(keep) - 1)[faces[whole]], Anchors(places, anchors.points[on], anchors.weights[on])


def _lay_hidden_parts(template, own, own_parts, bent, other, opposite, other_parts) -> None:
    """Put eyeballs, teeth, gums and tongue into `bent`: balls by centre and size, the rest as the skin around moved.

    What the other head has behind its lips too is then settled on it.
    """
    skin = own_parts == SKIN
    for part in np.setdiff1d(own_parts, [SKIN]):
        mine, theirs = own[own_parts == part], opposite[other_parts == part]
        if part in EYES and len(theirs):
            (c0, r0), (c1, r1) = sphere(mine), sphere(theirs)  # cornea and all
            bent[own_parts == part] = (mine - c0) * (r1 / r0) + c1
            continue
        near = skin & (np.linalg.norm(own - mine.mean(0), axis=1) < np.ptp(mine, axis=0).max())
        around = near if near.sum() > 20 else skin
        moved = align(own[around], bent[around], kind="similarity")(mine)
        if len(theirs):
            faces = (np.cumsum(own_parts == part) - 1)[template.faces[(own_parts == part)[template.faces].all(1)]]
            moved = settle(moved, faces, Surface(opposite, other.faces, vertex_mask=other_parts == part), schedule=NEAR)
        bent[own_parts == part] = moved


def _is_symmetric(head: HeadArrays) -> bool:
    """Whether `mirror` pairs vertices across the plane x = 0, to a tenth of a millimetre."""
    flipped = head.v_template[head.mirror] * np.array([-1.0, 1.0, 1.0])
    return bool(
        np.abs(flipped - head.v_template).max() < 1e-4 and (head.mirror[head.mirror] == range(len(flipped))).all()
    )
