"""The tongue: rings along a curve from the root to the tip, and its speech shapes as other settings of the rings.

Millimetres, the frame of `teeth` (origin where the lips touch, y up, z forward), jaw shut. The left half is built.
The tongue rides on the jaw; `tongueUp` meets the ridge behind the upper incisors at jawOpen 0.1 to 0.2, `tongueBack`
the soft palate, `tongueBetweenTeeth` lies between the incisors at jawOpen 0.15 to 0.3, `tongueOut` hangs over the lower
lip from jawOpen 0.1 on. `jawOpen` is what the tongue does besides riding on the jaw.
"""

from __future__ import annotations

import numpy as np

from tools.head.half_mesh import Part, from_faces, reflect

# One row per ring, root to tip: z, y of its centre; degrees that the ring leans back (0 upright, + the back is raised:
# the rings of the root lie nearly flat); half width; height of the back above the centre; depth below it.
REST = np.array(
    [
        [-77.0, -24.0, 80.0, 17.0, 8.0, 12.0],
        [-74.5, -14.0, 62.0, 18.5, 9.0, 13.0],
        [-69.0, -8.0, 38.0, 19.5, 9.5, 11.5],
        [-62.0, -5.6, 16.0, 19.2, 9.0, 10.4],
        [-54.5, -4.9, 5.0, 18.7, 8.4, 10.7],
        [-47.5, -4.8, 0.0, 18.0, 7.8, 10.3],
        [-41.0, -5.0, -3.0, 17.2, 7.2, 9.6],
        [-35.0, -5.4, -6.0, 16.0, 6.6, 8.1],
        [-29.8, -5.9, -9.0, 14.3, 5.8, 6.1],
        [-25.4, -6.3, -11.0, 12.6, 4.9, 4.5],
        [-21.8, -6.7, -12.0, 10.1, 3.9, 3.3],
        [-19.1, -7.0, -13.0, 7.2, 2.9, 2.4],
        [-17.4, -7.1, -14.0, 4.2, 1.7, 1.4],
    ]
)
_TIP_LENGTH = 0.8  # the tip's point lies this far before the last ring

# Points of a half ring from the middle of the back to the middle of the underside: share of the half width, and of
# the height above (+) or the depth below (-). The furrow in the middle comes from the first point.
_PROFILE = np.array(
    [[0.0, 0.93], [0.36, 1.0], [0.74, 0.91], [0.96, 0.56], [1.0, -0.05], [0.84, -0.62], [0.45, -0.93], [0.0, -1.0]]
)

SHAPES = ("tongueUp", "tongueBack", "tongueBetweenTeeth")


def settings(shape: str | None = None) -> np.ndarray:
    """Rings [R, 6] of the rest or of a shape at weight 1."""
    rings = REST.copy()
    s = np.linspace(0.0, 1.0, len(REST))  # root to tip
    turn = 1.0  # rings turn with the curve, so that the tongue keeps its thickness
    if shape == "tongueUp":
        tip = _rise(s, 0.40, 0.96)
        rings[:, 1] += 17.0 * tip
        rings[:, 0] += 0.7 * tip
        rings[:, 3] *= 1.0 + 0.16 * _rise(s, 0.7, 1.0)
        rings[:, 5] *= 1.0 - 0.15 * _rise(s, 0.5, 0.8)
    elif shape == "tongueBack":
        hump = _bump(s, 0.31, 0.16)
        rings[:, 1] += 15.5 * hump - 1.0 * _rise(s, 0.6, 1.0)
        rings[:, 0] -= 2.0 * hump + 5.5 * _rise(s, 0.45, 1.0)
        rings[:, 5] += 7.0 * hump
        turn = 0.5  # the hump's rings keep off each other under the tongue
    elif shape == "tongueBetweenTeeth":
        rings[:, 0] += 11.8 * _rise(s, 0.05, 0.95)
        rings[:, 1] += 8.6 * _rise(s, 0.38, 0.90)
        rings[:, 3] *= 1.0 + 0.14 * _rise(s, 0.7, 1.0) - 0.09 * _bump(s, 0.62, 0.14)
        rings[:, 4] *= 1.0 - 0.42 * _rise(s, 0.55, 0.9)
        rings[:, 5] *= 1.0 - 0.48 * _rise(s, 0.5, 0.85)
    elif shape == "tongueOut":
        # forward over the lower incisors and the lip, then down in front of it; the tip stays as round as at rest
        rings[:, 0] += 36.0 * _rise(s, -0.05, 1.05) ** 1.15
        rings[:, 1] += 13.5 * _rise(s, 0.15, 0.78) - 12.0 * _rise(s, 0.72, 1.05)
        rings[:, 3] *= 1.0 - 0.10 * _rise(s, 0.1, 0.5) + 0.26 * _rise(s, 0.7, 1.0)
        rings[:, 4] *= 1.0 - 0.40 * _rise(s, 0.5, 0.8) + 0.43 * _rise(s, 0.8, 1.0)
        rings[:, 5] *= 1.0 - 0.45 * _rise(s, 0.5, 0.8) + 0.42 * _rise(s, 0.8, 1.0)
    elif shape == "jawOpen":  # the body of the tongue stays behind as the jaw turns away, so that the throat opens
        rings[:, 1] -= 7.0 * _bump(s, 0.30, 0.17)
        rings[:, 3] *= 1.0 - 0.10 * _bump(s, 0.40, 0.28)
        rings[:, 4] *= 1.0 - 0.25 * _bump(s, 0.35, 0.22)
        turn = 0.5
    elif shape is not None:
        raise ValueError(f"no tongue shape {shape!r}; there are tongueOut, {', '.join(SHAPES)}")
    rings[:, 2] += turn * np.degrees(_slope(rings) - _slope(REST))
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


def _slope(rings: np.ndarray) -> np.ndarray:
    """Direction [R] in radians of the curve through the rings' centres, 0 straight forward."""
    return np.arctan2(np.gradient(rings[:, 1]), np.gradient(rings[:, 0]))


def _rise(s: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 before `start`, 1 after `end`, smooth between."""
    x = np.clip((s - start) / (end - start), 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _bump(s: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((s - centre) / width) ** 2)
