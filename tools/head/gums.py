"""Gums that wrap the necks of a row of teeth in scallops, with the palate above or the floor of the mouth below.

A strip runs along the arch: from the depth of the vestibule up to the margin on the lip side, through between the
teeth, and down again on the tongue side. Millimetres, the frame of `teeth`; the left half is built.
"""

from __future__ import annotations

import itertools

import numpy as np

from tools.head.half_mesh import Part, from_faces, zip_rows
from tools.head.teeth import Row, Tooth, frame

FINE = 4  # teeth from the midline whose scallops have four columns; the others have two
PALATE = 9.0  # height of the palate's vault above the inner gums, mm
FLOOR = -1.0  # the same for the floor of the mouth
VELUM = ((9.0, 1.5, 1.3), (8.0, 5.0, 0.97), (4.0, 8.0, 0.9))  # rows of the soft palate: mm back, mm down, width
SLOPE = 5.0  # from the inner gums' margin down to where palate or floor begin

# Profile across the gum, lip side to tongue side: (side, out from the tooth's own, distance from the neck rootwards).
# The three tables are the middle of a tooth, a quarter off it, and the papilla between two teeth.
_MIDDLE = np.array([[1, -0.9, 8.0], [1, 0.40, 3.6], [1, 0.12, 1.0], [1, -0.8, -0.1], [-1, -0.9, -0.1], [-1, 0.30, 1.2]])
_QUARTER = np.array(
    [[1, -1.0, 8.0], [1, 0.20, 3.5], [1, -0.10, 0.5], [1, -1.1, -0.8], [-1, -1.3, -0.8], [-1, 0.05, 0.7]]
)
_PAPILLA = np.array(
    [[1, -1.1, 8.0], [1, -0.35, 3.3], [1, -0.75, -1.2], [1, -1.25, -4.6], [-1, -2.8, -3.6], [-1, -0.7, -0.6]]
)

_LOW_PAPILLA = np.where(_PAPILLA < 0, _PAPILLA * [1, 1, 0.6], _PAPILLA)  # where a scallop has two columns only


def build_gums(row: Row) -> Part:
    """The left half of a row's gums."""
    vestibule = 1.0 if row.sign < 0 else 0.55  # the lower lip's pocket is shallow
    columns, papillae = [], []
    edges = np.concatenate([[0.0], np.cumsum([tooth.width for tooth in row.teeth])])
    for index, tooth in enumerate(row.teeth):
        before = row.teeth[max(index - 1, 0)]
        papillae.append(len(columns))
        papilla = _PAPILLA if index <= FINE else _LOW_PAPILLA
        columns.append(_column(row, edges[index], _blend(before, tooth), papilla, vestibule))
        quarters = (0.23, 0.5, 0.77) if index < FINE else (0.5,)
        for share in quarters:
            table = _MIDDLE if share == 0.5 else _QUARTER
            columns.append(_column(row, edges[index] + share * tooth.width, tooth, table, vestibule))
    papillae.append(len(columns))
    columns.append(_column(row, edges[-1], row.teeth[-1], _LOW_PAPILLA, vestibule))
    end = _PAPILLA * [1, 1, 0.0] + [0, -2.0, 1.0] * (np.arange(len(_PAPILLA)) < 5)[:, None]
    columns.append(_column(row, edges[-1] + 2.5, row.teeth[-1], end, vestibule))
    points = np.stack(columns)  # [columns, rows, 3]
    points[0, :, 0] = 0.0
    count, rows = points.shape[:2]
    index = np.arange(count * rows).reshape(count, rows)
    faces = []
    for i in range(count - 1):
        for j in range(rows - 1):
            a, b, c, d = index[i, j], index[i + 1, j], index[i + 1, j + 1], index[i, j + 1]
            # mirrored diagonals on either side of a tooth's middle keep its scallop even
            faces += [[a, c, b], [a, d, c]] if i % 2 else [[a, d, b], [b, d, c]]
    strip_uv = np.stack(np.meshgrid(np.linspace(0.5, 1.0, count), np.linspace(1.0, 0.5, rows), indexing="ij"), -1)
    vault, vault_uv, vault_faces = _vault(row, points[:, -1], index[:, -1], papillae, index.size)
    vertices = np.concatenate([points.reshape(-1, 3), vault])
    faces = faces + vault_faces
    if row.sign > 0:
        faces = [face[::-1] for face in faces]
    return from_faces(vertices, faces, np.concatenate([strip_uv.reshape(-1, 2), vault_uv]))


def _column(row: Row, along: float, tooth: Tooth, table: np.ndarray, vestibule: float) -> np.ndarray:
    """Points [rows, 3] of the gum's profile at a length along the arch."""
    side, out, rootwards = table.T
    rootwards = np.where((rootwards > 4.0), rootwards * vestibule, rootwards)
    reach = np.where(side > 0, tooth.labial - 0.40 + out, -tooth.lingual - out)
    depth = tooth.height + tooth.lift + rootwards
    origin, outward = row.place(np.asarray(along))
    axes = frame(row, along)
    return origin + outward * tooth.out + reach[:, None] * axes[1] - depth[:, None] * axes[2]


def _blend(first: Tooth, second: Tooth) -> Tooth:
    """The neck between two neighbours."""
    mean = {
        name: 0.5 * (getattr(first, name) + getattr(second, name))
        for name in ("width", "height", "labial", "lingual", "lift", "out")
    }
    return Tooth(second.kind, **mean)


def _vault(row: Row, rim: np.ndarray, rim_index: np.ndarray, papillae: list, first: int):
    """Palate or floor from the inner rim [columns, 3] to the midline: vertices, texture, faces."""
    stations = [*papillae, len(rim) - 1]
    height = PALATE if row.sign < 0 else FLOOR
    vertices, faces, rows = [], [], []
    for k, column in enumerate(stations):
        start = rim[column]
        inner = start + np.array([-0.28 * start[0], -row.sign * SLOPE, -1.2 if k < 2 else 0.0])
        grown = min(1.0, inner[0] / 14.0)  # the vault rises behind the incisors
        ids = []
        for share in (0.0,) if k == 0 else (0.0, 0.55, 1.0):
            lift = -row.sign * height * grown * np.sin(0.5 * np.pi * share)
            ids.append(first + len(vertices))
            vertices.append([inner[0] * (1.0 - share), inner[1] + lift, inner[2]])
        rows.append(ids)
    edge = np.array([ids[0] for ids in rows])
    rim_at, edge_at = np.arange(len(rim), dtype=float), np.array(stations, dtype=float)
    faces += zip_rows(edge, rim_index, edge_at, rim_at)
    for near, far in itertools.pairwise(rows):
        faces += zip_rows(np.array(near), np.array(far), np.linspace(0, 1, len(near)), np.linspace(0, 1, len(far)))
    if row.sign < 0:  # the soft palate hangs down behind the hard one
        for back, down, width in VELUM:
            near = rows[-1]
            far = [first + len(vertices) + i for i in range(len(near))]
            drop = [0.4 * down, 0.9 * down, down]
            last = [vertices[i - first] for i in near]
            vertices += [[width * x, y - d, z - back] for (x, y, z), d in zip(last, drop, strict=True)]
            faces += zip_rows(np.array(near), np.array(far), np.arange(len(near)), np.arange(len(far)))
            rows.append(far)
    vertices = np.array(vertices)
    span = 2.2 * row.reach
    uv = np.stack([0.5 + vertices[:, 0] / span, 0.45 * (1.0 + (vertices[:, 2] - row.front) / (row.depth + 32.0))], -1)
    return vertices, np.clip(uv, 0.0, 1.0), faces
