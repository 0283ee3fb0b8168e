"""Which place of one head is which place of another, whatever their topologies.

The head with the simpler skin is bent onto the other (`registration`), both with the mouth a little open, led by the
landmarks that they share and by the lips' inner contours; each vertex then goes to the nearest place that faces the
same way. Eyeballs go by their centres and sizes; teeth, gums and tongue follow the mouth. One registration serves both
directions and is kept in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, fields

import numpy as np
import scipy.sparse as sp

from assets.locate import cache_folder
from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError, ShapeError
from flame_tools.surface.embedding import at_vertices
from flame_tools.surface.head_parts import SKIN, parts_of
from flame_tools.surface.nearest import Nearest, Surface
from flame_tools.surface.overlay import FINE, LID_MARGINS, Overlaid, lay_over
from flame_tools.surface.registration import local_turns
from flame_tools.types import Embedding, HeadArrays

FORMAT, VERSION = "emberface.correspondence", 4  # the version of the method: older files are made anew
FAR_M = 0.003  # a place this far away keeps a third of its confidence
FACING_DEG = 75.0


@dataclass(frozen=True, eq=False)
class Correspondence:
    """For every vertex of the target head (W of them) its place on the source head (V vertices)."""

    places: Embedding  # [W] triangles and barycentrics on the source
    confidence: np.ndarray  # [W] in [0, 1]; 0 where the source has nothing like it
    frames: np.ndarray  # [W, 3, 3] what a small offset on the source becomes on the target: a turn and a scale
    parts: np.ndarray  # [W] index into head_parts.PARTS
    source_corners: np.ndarray  # [W, 3] source vertices of the places

    def values(self, values: np.ndarray) -> np.ndarray:
        """What the source has per vertex [..., V, C], at every target vertex [..., W, C]."""
        rows, corners = len(self.source_corners), self.source_corners.ravel()
        weights, starts = self.places.barycentrics.ravel(), np.arange(0, 3 * rows + 1, 3)
        blend = sp.csr_matrix((weights, corners, starts), (rows, values.shape[-2]))
        first = np.moveaxis(values, -2, 0)  # [V, ..., C]
        found = blend @ first.reshape(len(first), -1)
        return np.moveaxis(found.reshape(rows, *first.shape[1:]), 0, -2)

    def carry(self, offsets: np.ndarray) -> np.ndarray:
        """Offsets of the source's vertices [..., V, 3] as offsets of the target's [..., W, 3], metres."""
        return np.einsum("wij,...wj->...wi", self.frames, self.values(offsets))


def correspond(
    source: HeadArrays,
    target: HeadArrays,
    *,
    landmarks: tuple[Embedding, Embedding] | None = None,
    cache: bool = True,
) -> Correspondence:
    """The places of `target`'s vertices on `source`; a few seconds, then from the cache.

    The heads need the 68 landmarks, or `landmarks`: paired places on the source and the target (68 pairs are taken for
    iBUG's). Heads of one topology correspond vertex to vertex. Raises ShapeError where no landmarks lead.
    """
    if source.faces.shape == target.faces.shape and np.array_equal(source.faces, target.faces):
        return _same_topology(source, target)
    paired = _paired_landmarks(source, target) if landmarks is None else landmarks
    swapped = _skin_size(source) > _skin_size(target)
    pair = (target, source) if swapped else (source, target)
    leads = paired[::-1] if swapped else paired
    overlaid = _cached(pair, leads) if cache else lay_over(*pair, leads)
    return _read_off(source, target, overlaid, swapped)


def _read_off(source: HeadArrays, target: HeadArrays, overlaid: Overlaid, swapped: bool) -> Correspondence:
    """Nearest places on the source for the target's vertices, part by part, where both lie over each other."""
    if swapped:  # the target was bent
        source_points, points = overlaid.other, overlaid.bent
    else:
        source_points, points = overlaid.bent, overlaid.other
    source_parts, parts = parts_of(source), parts_of(target)
    normals = Surface(points, target.faces).vertex_normals
    faces = np.zeros(len(points), int)
    barycentrics = np.tile(1 / 3, (len(points), 3))
    confidence = np.zeros(len(points))
    for part in np.unique(parts):
        here = parts == part
        there = (source_parts == part)[source.faces].all(1)
        missing = not there.any()  # a head without teeth: the nearest skin, without confidence
        if missing:
            there = (source_parts == SKIN)[source.faces].all(1)
        surface = Surface(source_points, source.faces, face_mask=there)
        facing = surface.nearest(points[here], normals=normals[here], max_angle_deg=FACING_DEG)
        nearest = surface.nearest(points[here])
        # Where what faces the same way is much farther than what is nearest, it is another fold of the surface.
        use = facing.found & (facing.distance < nearest.distance + FAR_M)
        found = Nearest(*(_where(use, getattr(facing, f.name), getattr(nearest, f.name)) for f in fields(Nearest)))
        faces[here], barycentrics[here] = found.faces, found.barycentrics
        doubtful = ~use | surface.on_rim(found)
        confidence[here] = 0.0 if missing else np.exp(-((found.distance / FAR_M) ** 2)) * np.where(doubtful, 0.1, 1.0)
    corners = source.faces[faces]
    turns = _frames(overlaid, swapped, target if swapped else source)
    frames = turns if swapped else _nearest_turn(np.einsum("wkij,wk->wij", turns[corners], barycentrics))
    return Correspondence(Embedding(faces, barycentrics), confidence, frames, parts, corners)


def _where(rows: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(rows.reshape(-1, *[1] * (a.ndim - 1)), a, b)


def _frames(overlaid: Overlaid, swapped: bool, template: HeadArrays) -> np.ndarray:
    """Turn and scale [V, 3, 3] around each vertex of the template, from the source to the target."""
    turns = local_turns(overlaid.opened, overlaid.bent, template.faces)
    if swapped:
        size = np.cbrt(np.linalg.det(turns))[:, None, None]
        return np.swapaxes(turns, 1, 2) / size**2
    return turns


def _nearest_turn(matrices: np.ndarray) -> np.ndarray:
    """The rotation times scale [..., 3, 3] nearest to each matrix."""
    u, s, vt = np.linalg.svd(matrices)
    sign = np.ones_like(s)
    sign[..., 2] = np.sign(np.linalg.det(u @ vt))
    return (s * sign).mean(-1)[..., None, None] * ((u * sign[..., None, :]) @ vt)


def _same_topology(source: HeadArrays, target: HeadArrays) -> Correspondence:
    if len(source.v_template) != len(target.v_template):
        raise ShapeError(f"heads {source.id!r} and {target.id!r} share faces but not the number of vertices")
    own = np.arange(len(source.v_template))
    places = at_vertices(source.faces, own)
    lone = np.setdiff1d(own, source.faces)  # no face has them: they correspond, but have no place on the surface
    corners = source.faces[places.faces]
    corners[lone] = lone[:, None]
    turns = local_turns(source.v_template, target.v_template, source.faces)
    return Correspondence(places, np.where(np.isin(own, lone), 0.0, 1.0), turns, parts_of(source), corners)


def _paired_landmarks(source: HeadArrays, target: HeadArrays) -> tuple[Embedding, Embedding]:
    for head in (source, target):
        if "68" not in head.landmarks:
            raise ShapeError(
                f"head {head.id!r} has no landmarks '68' (it has {sorted(head.landmarks)}) to lead a registration; add "
                "its landmark embedding file to it, or give correspond(landmarks=(on source, on target))"
            )
    return source.landmarks["68"], target.landmarks["68"]


def _skin_size(head: HeadArrays) -> tuple:
    return int((parts_of(head) == SKIN).sum()), _digest(head)


# --- cache --------------------------------------------------------------------------------------------------------


def _cached(pair: tuple[HeadArrays, HeadArrays], leads: tuple[Embedding, Embedding]) -> Overlaid:
    """`lay_over(*pair, leads)`, kept by the content of both heads. A file that cannot be read is made anew."""
    digest = hashlib.sha256("".join([repr(FINE), *map(_digest, pair)]).encode())
    for lead in leads:
        digest.update(np.asarray(lead.faces, np.int64))
        digest.update(np.asarray(lead.barycentrics, np.float32))
    path = cache_folder() / "correspondence" / f"{digest.hexdigest()[:32]}.npz"
    try:
        found, header = read_npz(path, FORMAT, VERSION)
        shapes = [np.shape(found[name]) for name in ("opened", "bent", "other")]
        if header["version"] == VERSION and shapes == [pair[0].v_template.shape] * 2 + [pair[1].v_template.shape]:
            return Overlaid(**found)
    except (FormatError, KeyError):
        pass
    overlaid = lay_over(*pair, leads)
    with contextlib.suppress(OSError):  # OutputError too: a cache that cannot be written costs only time
        path.parent.mkdir(parents=True, exist_ok=True)
        write_npz(path, asdict(overlaid), {"format": FORMAT, "version": VERSION})
    return overlaid


def _digest(head: HeadArrays) -> str:
    """What a registration sees of a head, 64 hex digits."""
    digest = hashlib.sha256(json.dumps(head.materials).encode())
    names = ("v_template", "faces", "weights", "J_regressor", "posedirs", "inner_lip_pairs", "mirror", "face_material")
    seen = {name: getattr(head, name) for name in names}
    seen |= {name: head.regions[name] for name in ("tongue", *LID_MARGINS) if name in head.regions}
    for name, embedding in sorted(head.landmarks.items()):
        seen |= {f"{name}.faces": embedding.faces, f"{name}.barycentrics": embedding.barycentrics}
    for name, array in seen.items():
        digest.update(f"{name}{np.shape(array)}".encode())
        digest.update(np.ascontiguousarray(array, np.int64 if array.dtype.kind in "iu" else np.float32))
    return digest.hexdigest()
