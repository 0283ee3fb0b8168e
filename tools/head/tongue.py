"""The tongue: rings along a curve from the root to the tip, and its speech shapes as other settings of the rings.

Millimetres, the frame of `teeth` (origin where the lips touch, y up, z forward), jaw shut. The left half is built.
The tongue rides on the jaw; `tongueUp` meets the ridge behind the upper incisors at jawOpen 0.1 to 0.2, `tongueBack`
the soft palate, `tongueBetweenTeeth` lies between the incisors at jawOpen 0.15 to 0.3, `tongueOut` over the lower lip
from jawOpen 0.3 on.
"""

from __future__ import annotations

import numpy as np

from tools.head.half_mesh import Part, from_faces, reflect

# One row per ring, root to tip: z, y of its centre; degrees that the ring leans back (0 upright, + the back is raised:
# the rings of the root lie nearly flat); half width; height of the back above the centre; depth below it.
REST = np.array(
    [
        [-76.0, -20.0, 75.0, 17.0, 8.0, 12.0],
        [-73.0, -9.0, 60.0, 18.5, 10.0, 14.0],
        [-67.0, -3.5, 35.0, 19.5, 10.0, 13.0],
        [-60.0, -2.0, 14.0, 19.5, 9.5, 13.0],
        [-53.0, -2.0, 4.0, 18.6, 9.2, 12.5],
        [-46.0, -2.5, 0.0, 17.6, 8.8, 12.0],
        [-39.0, -3.0, -4.0, 16.6, 8.0, 11.0],
        [-32.5, -3.8, -8.0, 15.0, 7.2, 9.0],
        [-27.0, -4.4, -12.0, 13.0, 6.2, 6.0],
        [-22.6, -4.8, -16.0, 10.6, 4.8, 3.8],
        [-19.3, -5.1, -20.0, 7.9, 3.4, 2.5],
        [-17.2, -5.4, -22.0, 4.6, 2.0, 1.5],
    ]
)
_TIP_LENGTH = 0.9  # the tip's point lies this far before the last ring

# Points of a half ring from the middle of the back to the middle of the underside: share of the half width, and of
# the height above (+) or the depth below (-). The furrow in the middle comes from the first point.
_PROFILE = np.array(
    [[0.0, 0.93], [0.34, 1.0], [0.70, 0.84], [0.94, 0.42], [1.0, -0.08], [0.84, -0.62], [0.45, -0.93], [0.0, -1.0]]
)

SHAPES = ("tongueUp", "tongueBack", "tongueBetweenTeeth")


def settings(shape: str | None = None) -> np.ndarray:
    """Rings [R, 6] of the rest or of a shape at weight 1."""
    rings = REST.copy()
    s = np.linspace(0.0, 1.0, len(REST))  # root to tip
    if shape == "tongueUp":
        tip = _rise(s, 0.42, 0.97)
        rings[:, 1] += 15.2 * tip - 1.5 * _bump(s, 0.45, 0.16)
        rings[:, 0] += 1.2 * tip
        rings[:, 2] -= 38.0 * _bump(s, 0.68, 0.17) - 14.0 * _rise(s, 0.86, 1.0)
        rings[:, 5] *= 1.0 - 0.45 * _bump(s, 0.72, 0.2)
        rings[:, 3] *= 1.0 + 0.10 * _rise(s, 0.75, 1.0)
    elif shape == "tongueBack":
        hump = _bump(s, 0.30, 0.17)
        rings[:, 1] += 11.5 * hump - 2.0 * _rise(s, 0.6, 1.0)
        rings[:, 0] -= 3.0 * hump + 5.5 * _rise(s, 0.45, 1.0)
        rings[:, 5] += 8.0 * hump
        rings[:, 2] += 9.0 * _bump(s, 0.16, 0.1) - 8.0 * _bump(s, 0.46, 0.12)
    elif shape == "tongueBetweenTeeth":
        tip = _rise(s, 0.40, 1.0)
        rings[:, 0] += 11.6 * _rise(s, 0.15, 1.0)
        rings[:, 1] += 6.2 * tip
        rings[:, 2] += 16.0 * _rise(s, 0.7, 1.0)
        rings[:, 4] *= 1.0 - 0.35 * _rise(s, 0.55, 0.95)
        rings[:, 5] *= 1.0 - 0.45 * _rise(s, 0.5, 0.9)
        rings[:, 3] *= 1.0 + 0.12 * _rise(s, 0.8, 1.0)
    elif shape == "tongueOut":
        rings[:, 0] += 27.0 * _rise(s, -0.25, 0.75) - 27.0 * _rise(-0.25 * np.ones(1), -0.25, 0.75)
        rings[:, 1] += 8.2 * _bump(s, 0.78, 0.22) + 3.0 * _rise(s, 0.3, 0.6) - 2.4 * _rise(s, 0.9, 1.0)
        rings[:, 2] += 14.0 * _bump(s, 0.97, 0.2) - 10.0 * _bump(s, 0.55, 0.12)
        rings[:, 3] *= 1.0 - 0.13 * _rise(s, 0.1, 0.6) + 0.22 * _rise(s, 0.8, 1.0)
        rings[:, 5] *= 1.0 - 0.5 * _bump(s, 0.6, 0.2)
    elif shape is not None:
        raise ValueError(f"no tongue shape {shape!r}; there are tongueOut, {', '.join(SHAPES)}")
    return rings


def build_tongue() -> Part:
    """The whole tongue at rest, both halves."""
    half, faces, uv = _half(settings())
    return reflect(from_faces(half, faces, uv))


def shape_offsets(shape: str) -> np.ndarray:
    """Offsets [n, 3] in mm of a shape at weight 1, vertices in the order of `build_tongue`."""
    rest, faces, uv = _half(settings())
    moved, _, _ = _half(settings(shape))
    both = reflect(from_faces(rest, faces, uv)).mirror
    offsets = np.concatenate([moved - rest, np.zeros((len(both) - len(rest), 3))])
    twin = np.arange(len(rest), len(both))
    offsets[twin] = offsets[both[twin]] * [-1.0, 1.0, 1.0]
    return offsets


def _half(rings: np.ndarray) -> tuple[np.ndarray, list, np.ndarray]:
    points = []
    for z, y, lean, width, above, below in rings:
        across, up = _PROFILE.T
        reach = np.where(up > 0, up * above, up * below)
        lean = np.radians(lean)
        points.append(np.stack([across * width, y + reach * np.cos(lean), z - reach * np.sin(lean)], -1))
    points = np.stack(points)  # [rings, profile, 3]
    count, size = points.shape[:2]
    last = np.radians(rings[-1, 2])
    forward = np.array([0.0, np.sin(last), np.cos(last)])
    tip = np.array([0.0, rings[-1, 1], rings[-1, 0]]) + _TIP_LENGTH * forward
    root = points[0, [0, -1]].mean(0)
    vertices = np.concatenate([points.reshape(-1, 3), tip[None], root[None]])
    faces = []
    for i in range(count - 1):
        for j in range(size - 1):
            a, b = i * size + j, (i + 1) * size + j
            faces += [[a, b, b + 1], [a, b + 1, a + 1]]
    end = (count - 1) * size
    faces += [[end + j, len(vertices) - 2, end + j + 1] for j in range(size - 1)]
    faces += [[j + 1, len(vertices) - 1, j] for j in range(size - 1)]
    across = np.linspace(0.5, 0.98, size)
    along = np.linspace(0.03, 0.96, count)
    uv = np.stack(np.meshgrid(across, along, indexing="xy"), -1).reshape(-1, 2)
    return vertices, faces, np.concatenate([uv, [[0.5, 0.99]], [[0.5, 0.01]]])


def _rise(s: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 before `start`, 1 after `end`, smooth between."""
    x = np.clip((s - start) / (end - start), 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _bump(s: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((s - centre) / width) ** 2)
