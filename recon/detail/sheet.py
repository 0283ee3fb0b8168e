"""The part of a head's UV on which folds are told: a rectangle of texels over the face, and its geometry.

Maps over it are [ROWS, COLUMNS], row 0 the highest. A texel is some 0.5 mm wide and 0.65 mm high.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.kept import kept_with_head
from flame_tools.smooth import smooth_step
from flame_tools.types import HeadArrays
from readers.sampling import gaussian
from recon.texture.face_area import Face, distance, face_of
from recon.texture.surface import unit, vertex_normals

ATLAS = 384  # texels along the whole atlas
TOP, LEFT, ROWS, COLUMNS = 20, 24, 272, 336  # of the rectangle; both sides divide by 16
LID_M = (0.002, 0.006)  # from an eye's opening: nearer, lashes and folding skin are no furrows
SMOOTH = 4  # texels over which strain is averaged
_LEAST = 1e-6  # metres a texel: less than this is no surface


@dataclass(frozen=True, eq=False)
class Texels:
    """Which texels of a face lie on the rectangle."""

    face: Face  # of the whole atlas
    inside: np.ndarray  # [T] int64 into ROWS * COLUMNS: where the texels of `face` lie; -1 beyond

    def map(self, values: np.ndarray) -> np.ndarray:
        """Values [T] or [T, C] at the texels of `face` -> [ROWS, COLUMNS] or [ROWS, COLUMNS, C], zero elsewhere."""
        held = self.inside >= 0
        full = np.zeros((ROWS * COLUMNS, *values.shape[1:]), np.float32)
        full[self.inside[held]] = values[held]
        return full.reshape(ROWS, COLUMNS, *values.shape[1:])

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values at vertices [V] or [V, C] as such a map."""
        return self.map(self.face.atlas.spread(values))


@dataclass(frozen=True, eq=False)
class Sheet(Texels):
    """What of the rectangle is the same for everybody on a head."""

    covered: np.ndarray  # [ROWS, COLUMNS] bool: skin or lips
    area: np.ndarray  # [ROWS, COLUMNS] in [0, 1]: where relief may be told; fades across the face's outline
    plain: np.ndarray  # [ROWS, COLUMNS] in [0, 1]: plain skin
    open: np.ndarray  # [ROWS, COLUMNS] light that reaches the skin, over that on cheeks
    rest: np.ndarray  # [ROWS, COLUMNS, 3] metres, the mean face
    step_mm: np.ndarray  # [2, ROWS, COLUMNS] a texel's width and height on the mean face

    def in_atlas(self, heights: np.ndarray) -> np.ndarray:
        """A map over the rectangle as one over the whole UV, [ATLAS, ATLAS], zero elsewhere."""
        full = np.zeros((ATLAS, ATLAS), np.float32)
        full[TOP : TOP + ROWS, LEFT : LEFT + COLUMNS] = heights
        return full


@dataclass(frozen=True, eq=False)
class Surface:
    """A posed face on the rectangle; zero where there is no skin."""

    normals: np.ndarray  # [ROWS, COLUMNS, 3] unit, smooth
    along: np.ndarray  # [2, ROWS, COLUMNS, 3] 1 / m: a map's steps across and down, times these, are its gradient
    axes: np.ndarray  # [2, ROWS, COLUMNS, 3] unit: across, and down at a right angle to it
    size: np.ndarray  # [3, ROWS, COLUMNS] m^2 a texel: the squares of a step across and down, and their product


@kept_with_head
def sheet_of(head: HeadArrays) -> Sheet:
    """The sheet of a head that has a UV and the 468 landmarks. Kept with the head."""
    face = face_of(head, ATLAS)
    row, column = np.divmod(face.atlas.texels, ATLAS)
    row, column = row - TOP, column - LEFT
    held = (row >= 0) & (row < ROWS) & (column >= 0) & (column < COLUMNS)
    inside = np.where(held, row * COLUMNS + column, -1)
    texels = Texels(face, inside)
    covered = texels.map(np.ones(len(inside), np.float32)) > 0
    margins = [head.regions[n] for n in head.regions if n.endswith("lid_margin")]
    off_eyes = np.ones(len(head.v_template))
    if margins:
        off_eyes = smooth_step(distance(head.v_template, head.v_template[np.concatenate(margins)]), *LID_M)
    area = texels.map(face.area * face.off_lip_edges) * texels.spread(off_eyes)
    size = surface_of(texels, head.v_template, head.faces).size
    return Sheet(
        face, inside, covered, area, texels.map(face.plain), texels.map(face.open), texels.map(face.rest),
        1000 * np.sqrt(np.maximum(size[:2], _LEAST**2)).astype(np.float32),
    )  # fmt: skip


def surface_of(texels: Texels, vertices: np.ndarray, faces: np.ndarray) -> Surface:
    """The geometry of vertices [V, 3], metres, on the rectangle."""
    places = texels.spread(vertices)
    normals = unit(texels.spread(vertex_normals(vertices, faces))).astype(np.float32)
    across, down = steps(places, places[..., 2] != 0)
    a, b, c = (across**2).sum(-1), (across * down).sum(-1), (down**2).sum(-1)
    area = a * c - b * b
    fine = area > _LEAST**4
    over = np.where(fine, 1 / np.where(fine, area, 1), 0)[..., None]
    along = np.stack(
        [(c[..., None] * across - b[..., None] * down) * over, (a[..., None] * down - b[..., None] * across) * over]
    )
    first = unit(across)
    second = unit(down - (down * first).sum(-1, keepdims=True) * first)
    return Surface(normals, along.astype(np.float32), np.stack([first, second]).astype(np.float32), np.stack([a, c, b]))


def steps(values: np.ndarray, covered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How values [ROWS, COLUMNS, ...] change a column and a row: central inside, one-sided at the rim of `covered`."""
    wide = (...,) + (None,) * (values.ndim - 2)
    found = []
    for axis in (1, 0):
        ahead, behind = ([slice(None)] * 2 for _ in range(2))
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        ahead, behind = tuple(ahead), tuple(behind)
        both = (covered[ahead] & covered[behind]).astype(np.float32)
        change = (values[ahead] - values[behind]) * both[wide]
        total, count = np.zeros(values.shape, np.float32), np.zeros(covered.shape, np.float32)
        for part in (ahead, behind):
            total[part] += change
            count[part] += both
        found.append(total / np.maximum(count, 1)[wide])
    return found[0], found[1]


def strain(rest: Surface, posed: Surface) -> np.ndarray:
    """[3, ROWS, COLUMNS] how the skin is pulled: across, down, and aslant; below 0 where it is compressed.

    Green's strain in units of the texel's own sides at rest, half of the change of their squares; smooth over the
    mesh's triangles.
    """
    across, down = np.sqrt(np.maximum(rest.size[:2], _LEAST**2))
    change = 0.5 * (posed.size - rest.size) / np.stack([across**2, down**2, across * down])
    smooth = gaussian(np.moveaxis(np.clip(change, -0.5, 0.5), 0, -1), SMOOTH)
    return np.moveaxis(smooth, -1, 0).astype(np.float32)


def texels_of(head: HeadArrays, ids) -> np.ndarray:
    """[n, 2] where some of the 468 landmarks lie on the rectangle: texels right and down."""
    marks = head.landmarks["468"]
    uv = (head.uv[head.uv_faces[marks.faces[list(ids)]]] * marks.barycentrics[list(ids)][..., None]).sum(1)
    return np.stack([uv[:, 0] * ATLAS - LEFT - 0.5, (1 - uv[:, 1]) * ATLAS - TOP - 0.5], 1)
