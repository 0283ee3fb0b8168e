"""What is known at the vertices of one picture: normals, and the light that reaches them in this pose."""

from __future__ import annotations

import numpy as np

from flame_tools.compiled import kernel
from render.look import Look
from render.occlusion import eye_centre, light_mouth, lit_by, shade_eye, unfolded

COLUMNS = 9  # normal x y z (view axes), sky seen, lamps seen, gloss, eye u v, key lamp seen
KEY_SHADOW = 0.8  # how much of the key lamp a cast shadow takes
HOLLOW_SHADE = 0.45  # how much of all lamps a vertex without sky loses
UNFOLDED = 0.7  # how much of what lids lack of the sky at rest they see when they are shut


def vertex_attributes(
    look: Look,
    points: np.ndarray,  # [V, 3] float32 world
    turn: np.ndarray,  # [3, 3] float32 world to view axes
    key: np.ndarray,  # [3] direction of the key lamp, view axes
) -> np.ndarray:  # [V, COLUMNS] float32
    """The columns that `render.shading` interpolates."""
    attributes = np.empty((len(points), COLUMNS), np.float32)
    smooth_normals(points, look.faces, turn, attributes)
    attributes[:, 3] = look.occlusion
    attributes[:, 4] = 1 - HOLLOW_SHADE * (1 - look.occlusion)
    attributes[:, 5] = look.gloss
    attributes[:, 6:8] = look.eye
    attributes[:, 8] = 1
    if len(points):
        attributes[:, 8] -= KEY_SHADOW * (1 - lit_by(points @ turn.T, look.faces, attributes[:, :3], key))
    _light_moving_parts(look, points, turn, attributes)
    return attributes


def _light_moving_parts(look, points, turn, attributes):
    """Light that depends on the pose: between the lips, under the lids; and the round cornea over a flat iris."""
    if len(look.lip_pairs) and len(look.mouth):
        share = light_mouth(points, look.mouth, look.lip_pairs)
        share *= np.where(look.gloss[look.mouth] > 0, 0.7, 1)  # lips keep some of the shade that they rest in
        attributes[look.mouth, 3] = np.maximum(attributes[look.mouth, 3], share)
        attributes[look.mouth, 4] = np.maximum(attributes[look.mouth, 3], share)
        deep = look.mouth[look.gloss[look.mouth] == 0]  # the opening's share stands for the key lamp's shadow too
        attributes[deep, 8] = 1
    for ball in look.balls:
        place = points[ball.vertices]
        normal = place - eye_centre(place[ball.white]).astype(np.float32)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        axis = normal[ball.radius < 0.7].mean(0)
        axis /= max(np.linalg.norm(axis), 1e-9)
        bulge = 0.6 * np.clip(1.25 - ball.radius, 0, 0.25) * 4
        normal += bulge[:, None] * (normal - (normal @ axis)[:, None] * axis)
        attributes[ball.vertices, :3] = normal @ turn.T
        attributes[ball.vertices, 3:5] = shade_eye(points, ball)[:, None]
        attributes[ball.lids, 3:5] += UNFOLDED * unfolded(points, ball) * (1 - attributes[ball.lids, 3:5])


@kernel("void(float32[:,::1], int32[:,::1], float32[:,::1], float32[:,::1])", fastmath=True)
def smooth_normals(vertices, faces, turn, attributes):
    """Area-weighted vertex normals, turned by [3, 3] into view axes, into the first three attributes."""
    for v in range(vertices.shape[0]):
        attributes[v, 0] = 0.0
        attributes[v, 1] = 0.0
        attributes[v, 2] = 0.0
    for f in range(faces.shape[0]):
        i = np.uintp(faces[f, 0])
        j = np.uintp(faces[f, 1])
        k = np.uintp(faces[f, 2])
        ux = vertices[j, 0] - vertices[i, 0]
        uy = vertices[j, 1] - vertices[i, 1]
        uz = vertices[j, 2] - vertices[i, 2]
        vx = vertices[k, 0] - vertices[i, 0]
        vy = vertices[k, 1] - vertices[i, 1]
        vz = vertices[k, 2] - vertices[i, 2]
        nx = uy * vz - uz * vy
        ny = uz * vx - ux * vz
        nz = ux * vy - uy * vx
        for corner in (i, j, k):
            attributes[corner, 0] += nx
            attributes[corner, 1] += ny
            attributes[corner, 2] += nz
    for v in range(vertices.shape[0]):
        x = attributes[v, 0]
        y = attributes[v, 1]
        z = attributes[v, 2]
        s = np.float32(1.0) / np.sqrt(max(x * x + y * y + z * z, np.float32(1e-30)))
        attributes[v, 0] = (turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z) * s
        attributes[v, 1] = (turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z) * s
        attributes[v, 2] = (turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z) * s
