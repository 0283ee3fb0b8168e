"""Which frames of a film to take a texture from: from all sides, with eyes open and shut, trusted, and held still."""

from __future__ import annotations

import numpy as np

TURNED = 0.3  # radians that the head is turned by: as far apart as eyes open and shut
SHUT = 4.0  # how much more shut eyes count against a frame that is to be shown
LEAST = 0.3  # trust below which a frame is bridged, not seen
STILL = 0.04  # of the face's size a frame: faster, and a frame counts for half
MOST_CANDIDATES = 2000


def choose_texture_frames(
    rotation: np.ndarray,  # [R, 3] axis-angle of the head
    eyelids: np.ndarray,  # [R, 2] in [0, 1]: 1 shut
    held: np.ndarray,  # [R, 2] `held_still` of each row
    trust: np.ndarray,  # [R] in [0, 1]
    *,
    bridged: np.ndarray | None = None,  # [R] bool: frames whose pose was not seen
    count: int = 8,
) -> np.ndarray:
    """Rows [n], at most `count`, in their order; empty where no frame can be used.

    The first is `key_frame`; each further one is that which is farthest, in the head's turn and the
    lids, from those chosen, and worth it: sure of its landmarks, large, and moving little against the frames beside it.
    """
    usable = trust >= LEAST
    if bridged is not None:
        usable &= ~bridged
    rows = np.flatnonzero(usable & np.isfinite(rotation).all(1))
    if not len(rows):
        return rows
    worth = _worth(held, trust)[rows]
    kept = np.arange(len(rows))[:: -(-len(rows) // MOST_CANDIDATES)]
    rows, worth = rows[kept], worth[kept]
    shut = np.clip(eyelids[rows], 0, 1).mean(1)
    place = np.concatenate([rotation[rows] / TURNED, shut[:, None]], 1)
    chosen = [key_frame(rotation[rows], eyelids[rows], held[rows], trust[rows])]
    apart = np.linalg.norm(place - place[chosen[0]], axis=1)
    while len(chosen) < min(count, len(rows)):
        chosen.append(int(np.argmax(np.minimum(apart, 1.5) * worth)))
        apart = np.minimum(apart, np.linalg.norm(place - place[chosen[-1]], axis=1))
        if apart.max() < 1e-6:
            break
    return np.sort(rows[np.unique(chosen)])


def key_frame(rotation: np.ndarray, eyelids: np.ndarray, held: np.ndarray, trust: np.ndarray) -> int:
    """Of frames as `choose_texture_frames` takes them, the one to show: the frontal one with open eyes of the better
    half."""
    shut = np.clip(eyelids, 0, 1).max(1)
    away = np.linalg.norm(np.concatenate([rotation / TURNED, SHUT * shut[:, None]], 1), axis=1)
    worth = _worth(held, trust)
    return int(np.argmin(np.where(worth >= np.quantile(worth, 0.5), away, np.inf)))


def held_still(landmarks: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """[R, 2] of landmarks [R, 468, 2] in frames [R] that ascend: the face's size in pixels, and how much of it the
    landmarks move a frame against the faster of the frames beside."""
    size = np.maximum(np.linalg.norm(np.ptp(landmarks, axis=1), axis=1), 1e-6)
    moved = np.linalg.norm(np.diff(landmarks, axis=0), axis=-1).mean(1) / size[1:]
    speed = np.where(np.diff(frame) <= 2, moved / np.maximum(np.diff(frame), 1), 0)
    return np.stack([size, np.maximum(np.append(speed, 0), np.insert(speed, 0, 0))], 1)


def _worth(held: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """[R] in [0, 1]: trusted, large, still."""
    size, speed = held.T
    return trust * np.minimum(size / np.median(size), 1) / (1 + (speed / STILL) ** 2)
