"""The CPU twin of `normals.normals_torch`: one pass over the triangles, forward and backward, without the GIL."""

from __future__ import annotations

import math

import numpy as np

from flame_tools.compiled import kernel

SMALLEST = 1e-20  # twice an area in square metres, below which there is no normal


@kernel([f"void(int64, int64, {t}[:,:,::1], int64[:,::1], {t}[:,:,::1], {t}[:,::1])" for t in ("float32", "float64")])
def normals(first, last, vertices, faces, out, lengths):
    """Unit normals [B, V, 3] of vertices [B, V, 3], weighted by area, and the lengths [B, V] they had before."""
    for b in range(np.uintp(first), np.uintp(last)):
        out[b] = 0.0
        for f in range(np.uintp(faces.shape[0])):
            i, j, k = np.uintp(faces[f, 0]), np.uintp(faces[f, 1]), np.uintp(faces[f, 2])
            x, y, z = vertices[b, i, 0], vertices[b, i, 1], vertices[b, i, 2]
            ax, ay, az = vertices[b, j, 0] - x, vertices[b, j, 1] - y, vertices[b, j, 2] - z
            bx, by, bz = vertices[b, k, 0] - x, vertices[b, k, 1] - y, vertices[b, k, 2] - z
            x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            for corner in (i, j, k):
                out[b, corner, 0] += x
                out[b, corner, 1] += y
                out[b, corner, 2] += z
        for v in range(np.uintp(out.shape[1])):
            length = math.sqrt(out[b, v, 0] ** 2 + out[b, v, 1] ** 2 + out[b, v, 2] ** 2)
            lengths[b, v] = length
            scale = 1.0 / length if length > SMALLEST else 0.0
            for c in range(3):
                out[b, v, c] *= scale


@kernel(
    [
        f"void(int64, int64, {t}[:,:,::1], int64[:,::1], {t}[:,:,::1], {t}[:,::1], {t}[:,:,::1], {t}[:,:,::1])"
        for t in ("float32", "float64")
    ]
)
def normals_backward(first, last, vertices, faces, out, lengths, grad_out, grad):
    """Gradient of `normals` by vertices; `grad_out` [B, V, 3] is used up."""
    for b in range(np.uintp(first), np.uintp(last)):
        grad[b] = 0.0
        for v in range(np.uintp(out.shape[1])):
            along = (
                out[b, v, 0] * grad_out[b, v, 0] + out[b, v, 1] * grad_out[b, v, 1] + out[b, v, 2] * grad_out[b, v, 2]
            )
            scale = 1.0 / lengths[b, v] if lengths[b, v] > SMALLEST else 0.0
            for c in range(3):
                grad_out[b, v, c] = (grad_out[b, v, c] - along * out[b, v, c]) * scale
        for f in range(np.uintp(faces.shape[0])):
            i, j, k = np.uintp(faces[f, 0]), np.uintp(faces[f, 1]), np.uintp(faces[f, 2])
            x, y, z = vertices[b, i, 0], vertices[b, i, 1], vertices[b, i, 2]
            ax, ay, az = vertices[b, j, 0] - x, vertices[b, j, 1] - y, vertices[b, j, 2] - z
            bx, by, bz = vertices[b, k, 0] - x, vertices[b, k, 1] - y, vertices[b, k, 2] - z
            gx = grad_out[b, i, 0] + grad_out[b, j, 0] + grad_out[b, k, 0]
            gy = grad_out[b, i, 1] + grad_out[b, j, 1] + grad_out[b, k, 1]
            gz = grad_out[b, i, 2] + grad_out[b, j, 2] + grad_out[b, k, 2]
            # of a x b: b x g by a, g x a by b
            px, py, pz = by * gz - bz * gy, bz * gx - bx * gz, bx * gy - by * gx
            qx, qy, qz = gy * az - gz * ay, gz * ax - gx * az, gx * ay - gy * ax
            grad[b, j, 0] += px
            grad[b, j, 1] += py
            grad[b, j, 2] += pz
            grad[b, k, 0] += qx
            grad[b, k, 1] += qy
            grad[b, k, 2] += qz
            grad[b, i, 0] -= px + qx
            grad[b, i, 1] -= py + qy
            grad[b, i, 2] -= pz + qz
