"""Which frames of a film tell most of a person: those that differ most from one another."""

from __future__ import annotations

import numpy as np

from readers.face_parts import BROWS, LEFT_EYE, LIPS, OVAL, RIGHT_EYE

_LOOKED_AT = np.array([*OVAL[::2], *BROWS[::3], *LIPS[::4], *RIGHT_EYE[::4], *LEFT_EYE[::4], 1, 4, 168])
MOST_CANDIDATES = 2000
TRUSTED = 0.5  # frames from this trust on


def candidates(trust: np.ndarray, count: int) -> np.ndarray:
    """Rows [n] in their order, from which `count` keyframes are to be chosen, by trust [R] in [0, 1].

    Trusted ones, evenly, at most MOST_CANDIDATES; where fewer than `count` are trusted, the most trusted.
    """
    rows = np.flatnonzero(trust >= TRUSTED)
    if len(rows) < count:
        return np.sort(np.argsort(-trust, kind="stable")[:count])
    return rows[:: -(-len(rows) // MOST_CANDIDATES)]


def farthest_apart(landmarks: np.ndarray, count: int) -> np.ndarray:
    """Rows [n] of landmarks [R, 468, 2], at most `count`, in their order.

    Landmarks are looked at without place, size and roll. The first row is the one nearest to the median face, each
    further one that which is farthest from those chosen (Gonzalez 1985), so that both profiles, open mouths and shut
    eyes are among them.
    """
    if len(landmarks) <= count:
        return np.arange(len(landmarks))
    faces = plain(landmarks)
    chosen = [int(np.argmin(np.linalg.norm(faces - np.median(faces, 0), axis=1)))]
    apart = np.linalg.norm(faces - faces[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(np.argmax(apart)))
        apart = np.minimum(apart, np.linalg.norm(faces - faces[chosen[-1]], axis=1))
    return np.unique(chosen)


def plain(landmarks: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Landmarks [R, 468, 2] as vectors [R, n] without place, size and roll; turned as the first row, or `like`."""
    looked_at = landmarks[:, _LOOKED_AT].astype(np.float64)
    first = looked_at[:1] if like is None else like[None, _LOOKED_AT].astype(np.float64)
    return _plain(looked_at, _complex(first)).reshape(len(landmarks), -1)


def _complex(points: np.ndarray) -> np.ndarray:
    """Points [R, n, 2] as complex numbers [R, n], centred, of unit size."""
    points = points - points.mean(1, keepdims=True)
    numbers = points[..., 0] + 1j * points[..., 1]
    return numbers / np.linalg.norm(numbers, axis=1, keepdims=True)


def _plain(points: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Points [R, n, 2], centred, of unit size, turned so that all lie on `like` [1, n] as well as they can."""
    numbers = _complex(points)
    turn = (numbers * like.conj()).sum(1, keepdims=True)
    turned = numbers * (turn.conj() / np.maximum(np.abs(turn), 1e-12))
    return np.stack([turned.real, turned.imag], -1)
