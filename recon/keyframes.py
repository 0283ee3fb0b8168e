"""Which frames of a film tell most of a person: those that differ most from one another."""

from __future__ import annotations

import numpy as np

from readers.faces import LEFT_EYE, RIGHT_EYE
from recon.priors import BROWS, LIPS, OVAL

_LOOKED_AT = np.array([*OVAL[::2], *BROWS[::3], *LIPS[::4], *RIGHT_EYE[::4], *LEFT_EYE[::4], 1, 4, 168])
MOST_CANDIDATES = 2000


def choose_keyframes(landmarks: np.ndarray, trust: np.ndarray, count: int, *, least_trust: float = 0.5) -> np.ndarray:
    """Rows [n] of landmarks [R, 468, 2], at most `count`, in their order; trust [R] in [0, 1].

    Landmarks are looked at without place, size and roll. The first row is the one nearest to the median face, each
    further one that which is farthest from those chosen (Gonzalez 1985), so that both profiles, open mouths and shut
    eyes are among them. Where fewer rows are trusted, the most trusted are taken.
    """
    rows = np.flatnonzero(trust >= least_trust)
    if len(rows) < count:
        return np.sort(np.argsort(-trust, kind="stable")[:count])
    rows = rows[:: -(-len(rows) // MOST_CANDIDATES)]
    faces = _plain(landmarks[rows][:, _LOOKED_AT].astype(np.float64)).reshape(len(rows), -1)
    chosen = [int(np.argmin(np.linalg.norm(faces - np.median(faces, 0), axis=1)))]
    apart = np.linalg.norm(faces - faces[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(apart)))
        apart = np.minimum(apart, np.linalg.norm(faces - faces[chosen[-1]], axis=1))
    return np.sort(rows[np.unique(chosen)])


def _plain(points: np.ndarray) -> np.ndarray:
    """Points [R, n, 2], centred, of unit size, turned so that all lie on the first as well as they can."""
    points = points - points.mean(1, keepdims=True)
    complex_points = points[..., 0] + 1j * points[..., 1]
    complex_points /= np.linalg.norm(complex_points, axis=1, keepdims=True)
    turn = (complex_points * complex_points[:1].conj()).sum(1, keepdims=True)
    turned = complex_points * (turn.conj() / np.maximum(np.abs(turn), 1e-12))
    return np.stack([turned.real, turned.imag], -1)
