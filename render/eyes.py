"""The procedural eye: gaze coordinates of eyeball vertices and a painted iris, pupil, limbus and sclera."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from flame_tools.smooth import smooth_step
from flame_tools.surface.eyeball import sphere_centre

EYE_NAMES = ("left_eyeball", "right_eyeball")
EYE_EXTENT = 4.0  # the texture covers this many iris radii on either side of the gaze axis
EYE_SIZE = 512
_EYE_MATERIALS = ("sclera", "iris", "pupil", "cornea", "eye", "eyes")


def eye_coordinates(vertices, faces, face_material, names, regions) -> np.ndarray:  # [V, 2] float32, zero off the eyes
    """Stereographic coordinates about each eyeball's gaze axis at rest, scaled so that the iris' rim has radius 1."""
    result = np.zeros((len(vertices), 2), np.float32)
    index = {name: k for k, name in enumerate(names)}

    def of(*wanted):
        chosen = [index[n] for n in wanted if n in index]
        return np.unique(faces[np.isin(face_material, chosen)])

    every, rim = of(*_EYE_MATERIALS), of("iris", "pupil")
    balls = [np.asarray(r, np.int64) for r in regions if len(r)]
    if not balls and len(every):
        side = vertices[every, 0] > 0
        balls = [every[side], every[~side]]
    for ball in balls:
        if len(ball) < 8:
            continue
        points = vertices[ball].astype(np.float64)
        directions = points - sphere_centre(points)
        directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
        iris = directions[np.isin(ball, rim)]
        axis = iris.mean(0) if len(iris) else np.array([0.0, 0.0, 1.0])
        axis /= np.linalg.norm(axis)
        right = np.cross([0.0, 1.0, 0.0], axis)
        right /= np.linalg.norm(right)
        up = np.cross(axis, right)
        forward = np.maximum(directions @ axis, -0.8)
        plane = np.stack([directions @ right, directions @ up], 1) / (1 + forward[:, None])
        radius = np.linalg.norm(plane[np.isin(ball, rim)], axis=1).max() if len(iris) else np.tan(0.5 * 0.5)
        result[ball] = plane / radius
    return result


@lru_cache(maxsize=8)
def eye_texture(
    iris: tuple[int, int, int] = (104, 92, 62),  # sRGB
    inner: tuple[int, int, int] = (146, 104, 58),  # around the pupil
    *,
    seed: int = 7,
    size: int = EYE_SIZE,
) -> np.ndarray:
    """[size, size, 3] uint8 sRGB: pupil, fibrous iris with a darker limbal ring, sclera with warm corners."""
    rng = np.random.default_rng(seed)
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(grid * EYE_EXTENT, -grid * EYE_EXTENT)
    whole, turn = np.hypot(x, y), np.arctan2(y, x)

    def fibres(count, phase):  # a smooth periodic noise of the angle, sheared a little with the radius
        total = np.zeros_like(r)
        for k in range(count):
            frequency = rng.integers(7, 60)
            total += np.cos(frequency * angle + rng.uniform(0, 2 * np.pi) + phase * np.sin(3 * r + k))
        return total / np.sqrt(count)

    corners = smooth_step(whole, 1.5, 2.8) * (0.35 + 0.65 * np.abs(np.cos(turn)))
    white = np.array([240, 231, 222]) / 255 * (1 - corners[..., None] * np.array([0.03, 0.15, 0.14]))
    near = whole < 1.2
    r, angle = whole[near], turn[near]
    fibre = fibres(24, 0.8)
    outer_colour, inner_colour = np.array(iris) / 255, np.array(inner) / 255
    share = (1 - smooth_step(r + 0.06 * fibre, 0.35, 0.75))[..., None]
    colour = outer_colour * (1 - share) + inner_colour * share
    colour *= (1 + 0.16 * fibre * smooth_step(r, 0.33, 0.5))[..., None]
    colour *= (1 - 0.75 * smooth_step(r, 0.78, 1.0))[..., None]  # limbal ring
    colour *= (0.35 + 0.65 * smooth_step(r, 0.30, 0.46))[..., None]
    edge = smooth_step(r, 0.94, 1.10)[..., None]
    colour = colour * (1 - edge) + white[near] * edge
    pupil = (1 - smooth_step(r, 0.31, 0.36))[..., None]
    white[near] = colour * (1 - pupil) + np.array([0.012, 0.012, 0.014]) * pupil
    return np.clip(np.rint(white * 255), 0, 255).astype(np.uint8)


def iris_of(
    albedo: np.ndarray,  # [h, w, 3] uint8 sRGB
    places: tuple[np.ndarray, ...],  # uv [n, 2] of pupil, iris and sclera
) -> tuple[int, int, int] | None:
    """The colour of the irises painted on an albedo; None where it has no eyes (no dark pupil in a bright sclera)."""
    if any(len(uv) == 0 for uv in places):
        return None
    height, width = albedo.shape[:2]

    def colours(uv):
        rows = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
        return albedo[rows, np.clip((uv[:, 0] * width).astype(int), 0, width - 1)].astype(float)

    pupil, iris, sclera = (np.median(colours(uv), axis=0) for uv in places)
    if not (pupil.mean() < 60 and sclera.mean() > pupil.mean() + 80):
        return None
    return tuple(int(c) for c in np.rint(iris))
