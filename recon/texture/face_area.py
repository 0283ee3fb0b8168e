"""Where on a head its face is, where plain skin, and what a picture cannot show rightly: lips' edges, folded lids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.kept import kept_with_head
from flame_tools.smooth import smooth_step
from flame_tools.surface.outline import within
from flame_tools.types import HeadArrays
from readers.face_parts import BROWS, LIPS, OVAL
from recon.texture.surface import vertex_normals
from recon.texture.uv_map import UvMap, uv_map
from render.kept_looks import look_of

GRID = 128  # cells along the atlas, some 2 mm wide, in which views are compared
FADE_M = (0.02, 0.003)  # metres inside and beyond the face's outline between which the photo gives way to plain skin
LID_RIM_M = (0.0012, 0.0035)  # from a lid's edge: nearer, lashes and the eye show while the lids are apart
LID_GAP_M = (0.002, 0.006)  # between the lids' edges where they are widest apart: shut, and open
STRETCHED = (0.3, 0.8)  # of a lid's area when shut: folded away, and spread out
BEARD_M = (0.008, 0.02)  # above the upper lip: where a beard thins out
HOLLOW, DARKEST = 0.5, 0.3  # how far hollows are darker for the sky they do not see: skin throws light on skin
_MARGINS = tuple(f"{side}_{lid}_lid_margin" for side in ("left", "right") for lid in ("upper", "lower"))


@dataclass(frozen=True)
class Face:
    """The texels of an atlas that lie on the face, T of them, and what each is. All in [0, 1]."""

    atlas: UvMap
    area: np.ndarray  # [T] 1 within the face's outline, falling to 0 across it
    plain: np.ndarray  # [T] 1 on cheeks, nose and chin
    off_lip_edges: np.ndarray  # [T] 0 where a photo shows teeth or the dark between the lips
    lips: np.ndarray  # [T] 1 on the red of the lips
    lids: np.ndarray  # [T] 1 on the skin that lids move
    rim: np.ndarray  # [T] how near the outline of the face
    forehead: np.ndarray  # [T] how far above the brows
    jaw: np.ndarray  # [T] 1 where a beard grows: below the nose, off the lips' red
    chin: np.ndarray  # [T] 1 between the lower lip and the rim
    open: np.ndarray  # [T] light that reaches the skin over that on cheeks: less in hollows
    rest: np.ndarray  # [T, 3] metres
    brow: float  # metres: the height of the brows at rest
    cells: np.ndarray  # [K] flat indices into a coarse grid over the atlas: the cells with texels of the face
    cell: np.ndarray  # [T] int32: which of the K cells a texel lies in
    grid: int  # cells along each side

    def mean(self, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means [K, C] of texel values [T, C] over the cells, and each cell's mean weight [K]; weights [T]."""
        from recon.texture.texels_numba import add_to_cells

        sums, total = np.zeros((len(self.cells), values.shape[1])), np.zeros(len(self.cells))
        add_to_cells(self.cell, np.ascontiguousarray(values, np.float32), np.asarray(weights, np.float32), sums, total)
        texels = (self.atlas.size // self.grid) ** 2
        return sums / np.maximum(total, 1e-9)[:, None], total / texels

    def gridded(self, values: np.ndarray) -> np.ndarray:
        """Cell values [K, ...] -> [grid, grid, ...], zero elsewhere."""
        full = np.zeros((self.grid * self.grid, *values.shape[1:]), values.dtype)
        full[self.cells] = values
        return full.reshape(self.grid, self.grid, *values.shape[1:])


@kept_with_head
def face_of(head: HeadArrays, size: int) -> Face:
    """The face of a head in an atlas of size x size texels. Kept with the head."""
    atlas = uv_map(head, size)
    area = face_area(head)
    shown = atlas.spread(area)
    atlas, shown = atlas.part(shown > 0), shown[shown > 0]
    brow = float(landmark_points(head, BROWS)[:, 1].max())
    rim = 1 - smooth_step(_inside(head), 0.008, 0.02)
    forehead = smooth_step(head.v_template[:, 1], brow + 0.002, brow + 0.01)
    plain = plain_skin(head)
    light = np.maximum(1 - HOLLOW * (1 - look_of(head).occlusion), DARKEST)
    light /= np.average(light, weights=plain * area)  # cheeks have all the light there is
    jaw, chin = _beard(head)
    fields = (plain, off_lip_edges(head), _lips(head), _lids(head), rim, forehead, jaw, chin * (1 - rim), light)
    fields = (atlas.spread(field) for field in fields)
    grid = min(size, GRID)
    row, column = np.divmod(atlas.texels, size)
    cells, cell = np.unique(row * grid // size * grid + column * grid // size, return_inverse=True)
    return Face(atlas, shown, *fields, atlas.spread(head.v_template), brow, cells, cell.astype(np.int32), grid)


def lids_spread(head: HeadArrays, vertices: np.ndarray) -> np.ndarray:
    """[V] in [0, 1] for a posed head [V, 3]: how much of itself the skin of the lids shows; 1 off the lids.

    Lids that are up are folded away, and their edges lie where lashes and the eye are seen; shut lids show all.
    """
    shown = np.ones(len(vertices))
    if not len(head.eyelid_vertices):
        return shown
    shut, near = _lids_at_rest(head)
    moved = head.eyelid_vertices
    folded = smooth_step(_areas(vertices, head.faces)[moved] / np.maximum(shut, 1e-12), *STRETCHED)
    shown[moved] = folded
    for side, rim in near.items():
        upper, lower = (vertices[head.regions[f"{side}_{lid}_lid_margin"]] for lid in ("upper", "lower"))
        gap = distance(upper, lower).max()
        open_wide = smooth_step(np.array(gap), *LID_GAP_M)
        shown *= 1 - open_wide * rim
    return shown


def _beard(head: HeadArrays) -> tuple[np.ndarray, np.ndarray]:
    """[V] 1 where a beard grows, and [V] 1 below the lower lip."""
    lips, height = landmark_points(head, LIPS), head.v_template[:, 1]
    low, high = lips[:, 1].min(), lips[:, 1].max()
    reds = distance(head.v_template, lips)
    red = (height > low) & (height < high) & (np.abs(head.v_template[:, 0]) < np.abs(lips[:, 0]).max())
    grows = 1 - smooth_step(height, high + BEARD_M[0], high + BEARD_M[1])
    return grows * smooth_step(np.where(red, 0, reds), 0.0, 0.004), smooth_step(low - height, 0.006, 0.01)


def _lips(head: HeadArrays) -> np.ndarray:
    """[V] 1 on the red of the lips, where the head says what that is."""
    lips = np.zeros(len(head.v_template))
    lips[np.asarray(head.regions.get("lips", ()), np.int64)] = 1
    return lips


def _lids(head: HeadArrays) -> np.ndarray:
    """[V] 1 where shutting the eyes moves the skin by millimetres, and round the eyes."""
    lids = np.zeros(len(head.v_template))
    if len(head.eyelid_vertices):
        moved = np.linalg.norm(head.eyelid_dirs, axis=1).max(1)
        lids[head.eyelid_vertices] = smooth_step(moved, 0.0002, 0.001)
    for name in ("left_lids", "right_lids"):
        lids[np.asarray(head.regions.get(name, ()), np.int64)] = 1
    return lids


@kept_with_head
def _lids_at_rest(head: HeadArrays) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The area round each vertex that a lid moves, when shut, and by side how near a vertex [V] is to the edges."""
    shut = head.v_template.astype(np.float64).copy()
    shut[head.eyelid_vertices] += head.eyelid_dirs @ np.array([1.0, 1.0, 0.0, 0.0])
    near = {}
    for side in ("left", "right"):
        names = [name for name in _MARGINS if name.startswith(side) and len(head.regions.get(name, ()))]
        if len(names) == 2:
            edges = head.v_template[np.concatenate([head.regions[name] for name in names])]
            near[side] = 1 - smooth_step(distance(head.v_template, edges), *LID_RIM_M)
    return _areas(shut, head.faces)[head.eyelid_vertices], near


def _areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """[V] twice the area of the triangles round a vertex, as its normals add them up."""
    return np.linalg.norm(vertex_normals(vertices, faces), axis=1)


def face_area(head: HeadArrays) -> np.ndarray:
    """[V] 1 within the outline of the face at rest, falling to 0 across it; ears, neck and scalp are 0."""
    behind = head.v_template[:, 2] < landmark_points(head, OVAL)[:, 2].min() - 0.01
    area = smooth_step(_inside(head), -FADE_M[1], FADE_M[0])
    area[behind] = 0
    for name in ("ears", "neck", "mouth"):
        if name in head.regions:
            area[head.regions[name]] = 0
    return area


@kept_with_head
def _inside(head: HeadArrays) -> np.ndarray:
    """[V] metres to the outline of the face, seen from the front at rest; positive within."""
    return signed_distance(head.v_template[:, :2], landmark_points(head, OVAL)[:, :2])


def plain_skin(head: HeadArrays) -> np.ndarray:
    """[V] 1 on cheeks, nose and chin: away from lips, brows, eyes and the hairline."""
    features = np.concatenate([landmark_points(head, LIPS), landmark_points(head, BROWS)])
    free = smooth_step(distance(head.v_template, features), 0.006, 0.012)
    eyes = [head.regions[n] for n in ("left_lids", "right_lids") if n in head.regions]
    if eyes:
        free *= smooth_step(distance(head.v_template, head.v_template[np.concatenate(eyes)]), 0.001, 0.008)
    brow_height = landmark_points(head, BROWS)[:, 1].max()
    free[head.v_template[:, 1] > brow_height] *= 0.2
    return free


def off_lip_edges(head: HeadArrays) -> np.ndarray:
    """[V] 0 on the inner edges and in the corners of the lips, where a photo shows teeth or the dark between them."""
    edges = np.concatenate([head.v_template[head.inner_lip_pairs.ravel()], landmark_points(head, LIPS[20:])])
    return smooth_step(distance(head.v_template, edges), 0.0015, 0.004)


def landmark_points(head: HeadArrays, ids) -> np.ndarray:
    """Landmarks [n, 3] of the mean head at rest."""
    marks = head.landmarks["468"]
    corners = head.v_template[head.faces[marks.faces[list(ids)]]]
    return (corners * marks.barycentrics[list(ids)][..., None]).sum(1)


def distance(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """[n] metres from each of points [n, 3] to the nearest of targets [m, 3]."""
    squared = (points**2).sum(1)[:, None] + (targets**2).sum(1) - 2 * points @ targets.T
    return np.sqrt(np.maximum(squared.min(1), 0))


def signed_distance(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """[n] distance of points [n, 2] to a closed polygon [m, 2], positive inside."""
    (x, y), nearest = points.T, np.full(len(points), np.inf)
    for (ax, ay), (bx, by) in zip(outline, np.roll(outline, -1, axis=0), strict=True):  # points stay in the cache
        ex, ey = bx - ax, by - ay
        px, py = x - ax, y - ay
        t = np.clip((px * ex + py * ey) / max(ex * ex + ey * ey, 1e-12), 0, 1)
        nearest = np.minimum(nearest, (px - t * ex) ** 2 + (py - t * ey) ** 2)
    return np.where(within(points, outline), 1, -1) * np.sqrt(nearest)
