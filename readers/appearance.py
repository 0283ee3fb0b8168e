"""What a face looks like, in few numbers: enough to tell the people of one film apart, not to know anybody.

A grey crop laid upright by eyes and mouth is described by the directions of its edges in 6 x 6 cells, each against its
neighbours' contrast (histograms of oriented gradients; Dalal & Triggs 2005): even light and its slow changes cancel.
Coarse chroma, less its mean over the face, tells hair, beard and background from skin.
"""

from __future__ import annotations

import numpy as np

from readers.face_parts import LEFT_EYE, RIGHT_EYE
from readers.sampling import Square, sample_square

PIXELS, CELLS, DIRECTIONS = 48, 6, 8
LENGTH = CELLS * CELLS * DIRECTIONS + 2 * 9
CHROMA_WEIGHT = 2.0
YAW_EDGES = np.deg2rad([-55.0, -40, -27, -15, -5, 5, 15, 27, 40, 55])  # of the views that are kept apart
VIEWS_KEPT = len(YAW_EDGES) + 1
_MEMORY = 20.0  # readings that a view's mean remembers
_SIDES = (234, 454)  # landmarks before the right and left ear


def yaw(landmarks: np.ndarray) -> float:
    """How far landmarks [468, 3] are turned, radians, 0 towards the camera; as rough as the network's depth."""
    across = landmarks[_SIDES[1]] - landmarks[_SIDES[0]]
    return float(np.arctan2(across[2], np.hypot(across[0], across[1])))


def view_of(turned: float) -> int:
    """Which of the VIEWS_KEPT a yaw in radians belongs to."""
    return int(np.searchsorted(YAW_EDGES, turned))


def describe(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """[LENGTH] float64 of length 1 for a face with landmarks [468, 3] in image uint8 [H, W, 3]."""
    xy = landmarks[:, :2]
    right, left = xy[list(RIGHT_EYE)].mean(0), xy[list(LEFT_EYE)].mean(0)
    eyes, mouth = (right + left) / 2, xy[[13, 14]].mean(0)
    drop = mouth - eyes
    centre = eyes + 0.45 * drop
    side = 2.6 * float(np.hypot(*drop))
    upright = float(np.arctan2(-drop[0], drop[1]))
    crop = sample_square(image, Square(float(centre[0]), float(centre[1]), max(side, 4.0), upright), PIXELS)
    return _directions_and_chroma(crop.astype(np.float64))


def _directions_and_chroma(crop: np.ndarray) -> np.ndarray:
    grey = np.sqrt(crop.mean(2))  # a root evens out dark and bright halves
    dy, dx = np.gradient(grey)
    strength = np.hypot(dx, dy)
    turn = (np.arctan2(dy, dx) % np.pi) * (DIRECTIONS / np.pi)  # an edge's direction, whichever side is dark
    low = np.floor(turn).astype(int)
    share = turn - low
    step = PIXELS // CELLS
    cell = (np.arange(PIXELS) // step)[:, None] * CELLS + np.arange(PIXELS)[None] // step
    size = CELLS * CELLS * DIRECTIONS
    sums = np.bincount((cell * DIRECTIONS + low % DIRECTIONS).ravel(), (strength * (1 - share)).ravel(), size)
    sums += np.bincount((cell * DIRECTIONS + (low + 1) % DIRECTIONS).ravel(), (strength * share).ravel(), size)
    cells = sums.reshape(CELLS, CELLS, DIRECTIONS)
    energy = np.pad((cells**2).sum(2), 1, mode="edge")
    around = sum(energy[i : i + CELLS, j : j + CELLS] for i in range(3) for j in range(3))
    cells = np.minimum(cells / np.sqrt(around + 1e-4)[..., None], 0.3)
    cells = cells - cells.mean()  # what all faces and no face share
    total = crop.sum(2, keepdims=True) + 0.15
    chroma = (crop[..., :2] / total).reshape(3, PIXELS // 3, 3, PIXELS // 3, 2).mean((1, 3)).reshape(9, 2)
    chroma = (chroma - np.median(chroma, axis=0)).ravel() * CHROMA_WEIGHT
    out = np.concatenate([cells.ravel(), chroma])
    return out / max(float(np.linalg.norm(out)), 1e-12)


def remember(
    seen: np.ndarray, weights: np.ndarray, view: int, description: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means [VIEWS_KEPT, LENGTH] and their weights [VIEWS_KEPT] with one more description in its view."""
    seen, weights = seen.copy(), weights.copy()
    weights[view] = min(weights[view] + 1, _MEMORY)
    seen[view] += (description - seen[view]) / weights[view]
    return seen, weights


def distance(seen: np.ndarray, weights: np.ndarray, view: int, description: np.ndarray) -> float | None:
    """1 - cosine to the nearest of the views that can be compared; None where only other sides have been seen."""
    near = [v for v in range(max(view - 1, 0), min(view + 2, VIEWS_KEPT)) if weights[v] > 0]
    if not near:
        return None
    return min(float(1 - seen[v] @ description / max(float(np.linalg.norm(seen[v])), 1e-12)) for v in near)
