"""Small surfaces and heads whose correspondence is known."""

from __future__ import annotations

import dataclasses

import numpy as np

from flame_tools import HeadArrays
from flame_tools.types import Embedding


def sphere(rings: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """A closed sphere of radius 1, counter-clockwise from outside: vertices [V, 3], faces [F, 3]."""
    theta = np.linspace(0, np.pi, rings + 1)[1:-1, None]
    phi = np.arange(2 * rings)[None] * np.pi / rings
    middle = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi], -1)
    vertices = np.concatenate([[[0, 0, 1.0]], middle.reshape(-1, 3), [[0, 0, -1.0]]])
    n, faces = 2 * rings, []
    for i in range(n):
        j = (i + 1) % n
        faces.append((0, 1 + i, 1 + j))
        for r in range(rings - 2):
            a, b = 1 + r * n, 1 + (r + 1) * n
            faces += [(a + i, b + i, b + j), (a + i, b + j, a + j)]
        faces.append((len(vertices) - 1, 1 + (rings - 2) * n + j, 1 + (rings - 2) * n + i))
    return vertices, np.array(faces)


def someone(head: HeadArrays, seed: int, size: float = 1.2) -> HeadArrays:
    """The head of another person: identity components drawn with `size` standard deviations."""
    shape = size * np.random.default_rng(seed).normal(size=head.shapedirs.shape[-1])
    return dataclasses.replace(head, v_template=head.v_template + head.shapedirs @ shape, id=f"{head.id}-{seed}")


def split_in_four(head: HeadArrays) -> tuple[HeadArrays, np.ndarray]:
    """The same surface, each triangle cut in four, and the two old vertices [W, 2] that each new one lies between."""
    f, n = head.faces, len(head.v_template)
    sides = np.sort(np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]]), 1)
    edges, number = np.unique(sides, axis=0, return_inverse=True)
    m = number.reshape(3, -1).T + n  # middles of the sides 01, 12, 20
    a, b, c = f.T
    ab, bc, ca = m.T
    faces = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    between = np.concatenate([np.repeat(np.arange(n)[:, None], 2, 1), edges])

    def halved(values: np.ndarray) -> np.ndarray:
        return values[between].mean(1)

    def carried(places: Embedding) -> Embedding:
        w = np.asarray(places.barycentrics, np.float64)
        corner = np.where(w.max(1) >= 0.5, w.argmax(1), 3)
        inner = 1 - 2 * w[:, [2, 0, 1]]
        outer = 2 * w - np.eye(4)[corner][:, :3]
        weights = np.where((corner == 3)[:, None], inner, outer)
        return Embedding(places.faces + corner * len(f), weights, places.index)

    cut = dataclasses.replace(
        head,
        v_template=halved(head.v_template),
        faces=faces.astype(np.int32),
        uv_faces=np.tile(head.uv_faces, (4, 1)),
        face_material=np.tile(head.face_material, 4),
        weights=halved(head.weights),
        posedirs=halved(head.posedirs),
        J_regressor=np.pad(head.J_regressor, ((0, 0), (0, len(edges)))),
        landmarks={name: carried(places) for name, places in head.landmarks.items()},
        mirror=np.arange(len(between)),
    )
    return cut, between
