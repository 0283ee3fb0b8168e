"""The search through a complete tree of boxes over triangles, for `nearest`."""

from __future__ import annotations

import numpy as np

from flame_tools.compiled import kernel


@kernel("float64(float64[::1], float64[:,::1], int64, int64, float64[::1])", inline="always")
def on_segment(p, corners, i, j, place):
    """Squared distance of p to the segment between corners i and j; `place` becomes its barycentrics."""
    along = 0.0
    length = 0.0
    for k in range(3):
        d = corners[j, k] - corners[i, k]
        along += (p[k] - corners[i, k]) * d
        length += d * d
    t = min(max(along / length, 0.0), 1.0) if length > 0.0 else 0.0
    squared = 0.0
    for k in range(3):
        d = p[k] - corners[i, k] - t * (corners[j, k] - corners[i, k])
        squared += d * d
    place[0] = 0.0
    place[1] = 0.0
    place[2] = 0.0
    place[i] = 1.0 - t
    place[j] = t
    return squared


@kernel("float64(float64[::1], float64[:,::1], float64[::1], float64[::1])")
def on_triangle(p, corners, place, trial):
    """Squared distance of p [3] to the triangle; `place` [3] becomes the barycentrics. `trial` [3] is scratch."""
    ux = corners[1, 0] - corners[0, 0]
    uy = corners[1, 1] - corners[0, 1]
    uz = corners[1, 2] - corners[0, 2]
    vx = corners[2, 0] - corners[0, 0]
    vy = corners[2, 1] - corners[0, 1]
    vz = corners[2, 2] - corners[0, 2]
    qx = p[0] - corners[0, 0]
    qy = p[1] - corners[0, 1]
    qz = p[2] - corners[0, 2]
    nx = uy * vz - uz * vy
    ny = uz * vx - ux * vz
    nz = ux * vy - uy * vx
    area = nx * nx + ny * ny + nz * nz
    if area > 1e-28 * (ux * ux + uy * uy + uz * uz) * (vx * vx + vy * vy + vz * vz):  # else its edges answer for it
        b = ((qy * vz - qz * vy) * nx + (qz * vx - qx * vz) * ny + (qx * vy - qy * vx) * nz) / area
        c = ((uy * qz - uz * qy) * nx + (uz * qx - ux * qz) * ny + (ux * qy - uy * qx) * nz) / area
        if b >= 0.0 and c >= 0.0 and b + c <= 1.0:
            place[0] = 1.0 - b - c
            place[1] = b
            place[2] = c
            height = qx * nx + qy * ny + qz * nz
            return height * height / area
    squared = on_segment(p, corners, 0, 1, place)
    for i in range(1, 3):
        other = on_segment(p, corners, i, (i + 1) % 3, trial)
        if other < squared:
            squared = other
            for k in range(3):
                place[k] = trial[k]
    return squared


@kernel("float64(float64[::1], float64[:,::1], float64[:,::1], int64)", inline="always")
def to_box(p, low, high, node):
    """Squared distance of p to a node's box; 0 inside."""
    squared = 0.0
    for k in range(3):
        d = max(low[node, k] - p[k], p[k] - high[node, k], 0.0)
        squared += d * d
    return squared


@kernel(
    "Tuple((int64[::1], float64[:,::1], float64[::1]))(float64[:,::1], float64[:,::1], float64[:,::1], float64, "
    "float64[:,:,::1], float64[:,::1], float64[:,::1], float64)"
)
def search(points, normals, face_normals, min_cosine, corners, low, high, limit):
    """Slots of `corners` [N] (-1: none within the squared distance `limit`), barycentrics [N, 3], squared [N].

    `normals` [N, 3] and `face_normals` [n, 3] are empty where any face may answer.
    """
    n = points.shape[0]
    slots = np.full(n, -1, np.int64)
    barycentrics = np.zeros((n, 3))
    squared = np.full(n, np.inf)
    nodes = low.shape[0]
    inner = nodes // 2  # inner nodes come first
    leaf = corners.shape[0] // (nodes - inner)
    with_normals = normals.shape[0] > 0
    place = np.zeros(3)
    trial = np.zeros(3)
    stack = np.zeros(64, np.int64)
    bounds = np.zeros(64)
    for q in range(n):
        p = points[q]
        best = limit
        stack[0] = 0
        bounds[0] = 0.0
        top = 1
        while top > 0:
            top -= 1
            if bounds[top] > best:
                continue
            node = stack[top]
            if node < inner:
                near = 2 * node + 1
                far = near + 1
                near_bound = to_box(p, low, high, near)
                far_bound = to_box(p, low, high, far)
                if far_bound < near_bound:
                    near, far = far, near
                    near_bound, far_bound = far_bound, near_bound
                if far_bound <= best:
                    stack[top] = far
                    bounds[top] = far_bound
                    top += 1
                if near_bound <= best:
                    stack[top] = near
                    bounds[top] = near_bound
                    top += 1
                continue
            first = (node - inner) * leaf
            for slot in range(first, first + leaf):
                if with_normals:
                    cosine = 0.0
                    for k in range(3):
                        cosine += normals[q, k] * face_normals[slot, k]
                    if cosine < min_cosine:
                        continue
                found = on_triangle(p, corners[slot], place, trial)
                if found < best or (found == best and slots[q] < 0):
                    best = found
                    squared[q] = found
                    slots[q] = slot
                    for k in range(3):
                        barycentrics[q, k] = place[k]
    return slots, barycentrics, squared
