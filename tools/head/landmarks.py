"""Landmark embeddings: MediaPipe's 468, iBUG's 68 derived from them, and the irises.

The 468 come from data/mediapipe_468.npz, which `register_mediapipe.py` and
`calibrate_mediapipe.py` made. The 68 take the points that both sets
share (Sagonas et al. 2013 name the 68); the jaw line is spaced evenly from the ear to the chin along MediaPipe's
oval, which is the line that does not slide with the view.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flame_tools.archive import read_npz
from flame_tools.types import Embedding
from tools.head.cut import Assembly
from tools.head.eyes import iris_landmarks
from tools.head.surface import nearest_on_mesh

PLACES = Path(__file__).with_name("data") / "mediapipe_468.npz"
KIND = "landmark-places"

# The subject's right ear to the chin, along MediaPipe's face oval.
RIGHT_JAW = (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152)
# iBUG 17..67 as MediaPipe's landmarks; the subject's right comes first.
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
NOSE = (168, 197, 5, 1, 98, 97, 2, 326, 327)
EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
OUTER_LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)
INNER_LIPS = (78, 82, 13, 312, 308, 317, 14, 87)
JAW_POINTS = 17


def build_landmarks(assembly: Assembly, template: np.ndarray) -> dict[str, Embedding]:
    """The embeddings "68", "468" and "iris" on the head's triangles; `template` [V, 3] is the mean head."""
    mediapipe = mediapipe_embedding(assembly)
    return {"468": mediapipe, "68": ibug_embedding(assembly, template, mediapipe), "iris": iris_landmarks(assembly)}


def mediapipe_embedding(assembly: Assembly) -> Embedding:
    """The 468 places found by the registration, as triangles of this head."""
    arrays, _ = read_npz(PLACES, KIND, 1)
    corners = assembly.cut.skin_index(arrays["corners"].ravel()).reshape(-1, 3)
    place = {tuple(sorted(face)): i for i, face in enumerate(assembly.cut.faces.tolist())}
    faces = np.array([place[tuple(sorted(row))] for row in corners.tolist()])
    weights = np.zeros((len(faces), 3))
    for i, face in enumerate(faces):
        order = [corners[i].tolist().index(v) for v in assembly.cut.faces[face].tolist()]
        weights[i] = arrays["barycentrics"][i][order]
    return Embedding(faces.astype(np.int32), weights.astype(np.float32))


def ibug_embedding(assembly: Assembly, template: np.ndarray, mediapipe: Embedding) -> Embedding:
    """The 68 from the 468, symmetric to the bit."""
    shared = np.array(BROWS + NOSE + EYES + OUTER_LIPS + INNER_LIPS)
    skin, triangles = template[: len(assembly.cut.source)], assembly.cut.faces
    points = np.einsum("lc,lcd->ld", mediapipe.barycentrics, skin[triangles[mediapipe.faces]])
    line = points[list(RIGHT_JAW)]
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    steps = np.linspace(0.0, way[-1], JAW_POINTS // 2 + 1)
    right = np.stack([np.interp(steps, way, line[:, i]) for i in range(3)], -1)[:-1]
    front = np.flatnonzero(skin[triangles].mean(1)[:, 2] > -0.03)
    places = nearest_on_mesh(right, skin, triangles, front)
    left_faces, left_weights = mirrored(assembly, places.faces, places.barycentrics)
    chin = np.array([RIGHT_JAW[-1]])
    faces = [places.faces, mediapipe.faces[chin], left_faces[::-1], mediapipe.faces[shared]]
    weights = [places.barycentrics, mediapipe.barycentrics[chin], left_weights[::-1], mediapipe.barycentrics[shared]]
    return Embedding(np.concatenate(faces).astype(np.int32), np.concatenate(weights).astype(np.float32))


def mirrored(assembly: Assembly, faces: np.ndarray, barycentrics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same places across the sagittal plane: triangles [L] and weights [L, 3]."""
    triangles = assembly.cut.faces
    place = {tuple(sorted(face)): i for i, face in enumerate(triangles.tolist())}
    opposite = assembly.cut.mirror[triangles[faces]]
    found = np.array([place[tuple(sorted(row))] for row in opposite.tolist()])
    weights = np.zeros((len(found), 3))
    for i, face in enumerate(found):
        order = [opposite[i].tolist().index(v) for v in triangles[face].tolist()]
        weights[i] = barycentrics[i][order]
    return found, weights
