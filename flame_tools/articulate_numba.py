"""The CPU kernels of the head: Rodrigues, the joint tree and blend skinning, each with its gradient by hand.

One kernel call poses a run of faces without the GIL. Vertices are skinned in blocks that stay in the first cache, one
plane a coordinate, so that every inner loop is a vector instruction; indices are `np.uintp`, which need no
wrap-around test. The twin in plain torch is `skinning.py` with `rotations.py`; a test holds the two together.

Shapes: B faces, V vertices, J joints, N lid vertices. Rotations are local [B, J, 3, 3] until the tree makes them world.
"""

from __future__ import annotations

import math

import numpy as np

from flame_tools.compiled import kernel

BLOCK = 512  # vertices skinned together: 9 planes of 2 kB (float32)
_I = np.uintp


def _typed(signature: str) -> list[str]:
    """`signature` for both precisions; T stands for the type."""
    return [signature.replace("T", name) for name in ("float32", "float64")]


@kernel(_typed("void(int64, int64, T[:,:,::1], T[:,:,:,::1], T[:,::1], int64)"))
def rotate(first, last, turns, local, coefficients, column):
    """Axis-angles [B, J, 3] to local rotations; R - I of every joint but the root goes into `coefficients`."""
    for b in range(first, last):
        for j in range(turns.shape[1]):
            rx, ry, rz = turns[b, j, 0], turns[b, j, 1], turns[b, j, 2]
            # As published, the angle is |r + 1e-8|: finite at zero, gradient and all.
            angle = math.sqrt((rx + 1e-8) ** 2 + (ry + 1e-8) ** 2 + (rz + 1e-8) ** 2)
            x, y, z = rx / angle, ry / angle, rz / angle
            s, c = math.sin(angle), 1.0 - math.cos(angle)
            local[b, j, 0, 0] = 1.0 - c * (y * y + z * z)
            local[b, j, 0, 1] = -s * z + c * x * y
            local[b, j, 0, 2] = s * y + c * x * z
            local[b, j, 1, 0] = s * z + c * x * y
            local[b, j, 1, 1] = 1.0 - c * (x * x + z * z)
            local[b, j, 1, 2] = -s * x + c * y * z
            local[b, j, 2, 0] = -s * y + c * x * z
            local[b, j, 2, 1] = s * x + c * y * z
            local[b, j, 2, 2] = 1.0 - c * (x * x + y * y)
            if j > 0:
                at = column + 9 * (j - 1)
                for k in range(9):
                    coefficients[b, at + k] = local[b, j, k // 3, k % 3]
                for k in range(0, 9, 4):
                    coefficients[b, at + k] -= 1.0


@kernel(_typed("void(int64, int64, T[:,:,::1], T[:,:,:,::1], T[:,::1], int64, T[:,:,::1])"))
def rotate_backward(first, last, turns, grad_local, grad_coefficients, column, grad_turns):
    """Gradient of `rotate`: of local rotations and of the coefficients that they became, to axis-angles."""
    g = np.empty((3, 3))
    for b in range(first, last):
        for j in range(turns.shape[1]):
            for r in range(3):
                for q in range(3):
                    g[r, q] = grad_local[b, j, r, q]
                    if j > 0:
                        g[r, q] += grad_coefficients[b, column + 9 * (j - 1) + 3 * r + q]
            rx, ry, rz = turns[b, j, 0], turns[b, j, 1], turns[b, j, 2]
            angle = math.sqrt((rx + 1e-8) ** 2 + (ry + 1e-8) ** 2 + (rz + 1e-8) ** 2)
            x, y, z = rx / angle, ry / angle, rz / angle
            s, c = math.sin(angle), math.cos(angle)
            ax, ay, az = g[2, 1] - g[1, 2], g[0, 2] - g[2, 0], g[1, 0] - g[0, 1]  # <G, K> = a . (x, y, z)
            xy, xz, yz = g[0, 1] + g[1, 0], g[0, 2] + g[2, 0], g[1, 2] + g[2, 1]
            trace = g[0, 0] + g[1, 1] + g[2, 2]
            # <G, K K> with K K = u u' - |u|^2 I, and half its gradient by u
            hx = (g[0, 0] - trace) * x + (xy * y + xz * z) / 2
            hy = (g[1, 1] - trace) * y + (xy * x + yz * z) / 2
            hz = (g[2, 2] - trace) * z + (xz * x + yz * y) / 2
            ux = s * ax + 2 * (1.0 - c) * hx
            uy = s * ay + 2 * (1.0 - c) * hy
            uz = s * az + 2 * (1.0 - c) * hz
            by_angle = c * (ax * x + ay * y + az * z) + s * (hx * x + hy * y + hz * z)
            by_angle -= (ux * x + uy * y + uz * z) / angle
            grad_turns[b, j, 0] = (ux + by_angle * (rx + 1e-8)) / angle
            grad_turns[b, j, 1] = (uy + by_angle * (ry + 1e-8)) / angle
            grad_turns[b, j, 2] = (uz + by_angle * (rz + 1e-8)) / angle


@kernel(
    _typed(
        "void(int64, int64, int64[::1], T[:,:,:,::1], T[:,:,::1], T[:,::1], T[:,::1], T[:,::1],"
        "T[:,:,:,::1], T[:,:,::1], T[:,:,::1], T[:,:,::1])"
    ),
    fastmath={"contract"},
)
def pose(first, last, parents, local, joints, weights, translation, template, world, placed, offsets, vertices):
    """Chain rotations about rest `joints` [B, J, 3] down the tree, then skin template + offsets into `vertices`.

    `weights` [J, V], `template` [V, 3], `offsets` [B, V, 3]; writes `world` [B, J, 3, 3] and `placed` [B, J, 3].
    `vertices` may be `offsets` itself. Offsets are small: added here, the template costs them no digits.
    """
    count, size = joints.shape[1], _I(weights.shape[1])
    planes = np.empty((6, BLOCK), offsets.dtype)  # x, y, z at rest; x, y, z posed
    for b in range(_I(first), _I(last)):
        for j in range(count):
            up = parents[j]
            for r in range(3):
                placed[b, j, r] = joints[b, j, r]
                for q in range(3):
                    world[b, j, r, q] = local[b, j, r, q]
            if up < 0:
                continue
            for r in range(3):
                u0, u1, u2 = world[b, up, r, 0], world[b, up, r, 1], world[b, up, r, 2]
                placed[b, j, r] = placed[b, up, r] + (
                    u0 * (joints[b, j, 0] - joints[b, up, 0])
                    + u1 * (joints[b, j, 1] - joints[b, up, 1])
                    + u2 * (joints[b, j, 2] - joints[b, up, 2])
                )
                for q in range(3):
                    world[b, j, r, q] = u0 * local[b, j, 0, q] + u1 * local[b, j, 1, q] + u2 * local[b, j, 2, q]
        at = _I(0)
        while at < size:
            n = min(_I(BLOCK), size - at)
            for i in range(n):
                planes[0, i] = template[at + i, 0] + offsets[b, at + i, 0]
                planes[1, i] = template[at + i, 1] + offsets[b, at + i, 1]
                planes[2, i] = template[at + i, 2] + offsets[b, at + i, 2]
                planes[3, i] = 0.0
                planes[4, i] = 0.0
                planes[5, i] = 0.0
            for j in range(_I(count)):
                m00, m01, m02 = world[b, j, 0, 0], world[b, j, 0, 1], world[b, j, 0, 2]
                m10, m11, m12 = world[b, j, 1, 0], world[b, j, 1, 1], world[b, j, 1, 2]
                m20, m21, m22 = world[b, j, 2, 0], world[b, j, 2, 1], world[b, j, 2, 2]
                jx, jy, jz = joints[b, j, 0], joints[b, j, 1], joints[b, j, 2]
                shift_x = placed[b, j, 0] - (m00 * jx + m01 * jy + m02 * jz)
                shift_y = placed[b, j, 1] - (m10 * jx + m11 * jy + m12 * jz)
                shift_z = placed[b, j, 2] - (m20 * jx + m21 * jy + m22 * jz)
                for i in range(n):
                    w = weights[j, at + i]
                    x, y, z = planes[0, i], planes[1, i], planes[2, i]
                    planes[3, i] += w * (m00 * x + m01 * y + m02 * z + shift_x)
                    planes[4, i] += w * (m10 * x + m11 * y + m12 * z + shift_y)
                    planes[5, i] += w * (m20 * x + m21 * y + m22 * z + shift_z)
            tx, ty, tz = translation[b, 0], translation[b, 1], translation[b, 2]
            for i in range(n):
                vertices[b, at + i, 0] = planes[3, i] + tx
                vertices[b, at + i, 1] = planes[4, i] + ty
                vertices[b, at + i, 2] = planes[5, i] + tz
            at += n
        for j in range(count):
            for r in range(3):
                placed[b, j, r] += translation[b, r]


@kernel(
    _typed(
        "void(int64, int64, int64[::1], T[:,:,:,::1], T[:,:,::1], T[:,::1], T[:,::1], T[:,:,:,::1], T[:,:,::1],"
        "T[:,:,::1], T[:,:,::1], T[:,:,:,::1], T[:,:,:,::1], T[:,:,::1], T[:,::1])"
    ),
    fastmath={"contract", "reassoc", "nsz"},  # sums over vertices become vectors
)
def pose_backward(
    first, last, parents, local, joints, weights, template, world, offsets,
    grad_vertices, grad_placed, grad_world, grad_local, grad_joints, grad_translation,
):  # fmt: skip
    """Gradient of `pose`. `grad_vertices` becomes that of `offsets`; `grad_placed` and `grad_world` are used up."""
    count, size = joints.shape[1], _I(weights.shape[1])
    planes = np.empty((9, BLOCK), offsets.dtype)  # x, y, z at rest; their gradient posed; their gradient at rest
    for b in range(_I(first), _I(last)):
        shifts = np.zeros((count, 3))
        for r in range(3):
            grad_translation[b, r] = 0.0
            for j in range(count):
                grad_joints[b, j, r] = 0.0
                grad_translation[b, r] += grad_placed[b, j, r]
        at = _I(0)
        while at < size:
            n = min(_I(BLOCK), size - at)
            s0 = s1 = s2 = grad_translation[b, 0] * 0
            for i in range(n):
                planes[0, i] = template[at + i, 0] + offsets[b, at + i, 0]
                planes[1, i] = template[at + i, 1] + offsets[b, at + i, 1]
                planes[2, i] = template[at + i, 2] + offsets[b, at + i, 2]
                gx, gy, gz = grad_vertices[b, at + i, 0], grad_vertices[b, at + i, 1], grad_vertices[b, at + i, 2]
                planes[3, i] = gx
                planes[4, i] = gy
                planes[5, i] = gz
                planes[6, i] = 0.0
                planes[7, i] = 0.0
                planes[8, i] = 0.0
                s0 += gx
                s1 += gy
                s2 += gz
            grad_translation[b, 0] += s0
            grad_translation[b, 1] += s1
            grad_translation[b, 2] += s2
            for j in range(_I(count)):
                m00, m01, m02 = world[b, j, 0, 0], world[b, j, 0, 1], world[b, j, 0, 2]
                m10, m11, m12 = world[b, j, 1, 0], world[b, j, 1, 1], world[b, j, 1, 2]
                m20, m21, m22 = world[b, j, 2, 0], world[b, j, 2, 1], world[b, j, 2, 2]
                g00 = g01 = g02 = g10 = g11 = g12 = g20 = g21 = g22 = m00 * 0
                t0 = t1 = t2 = m00 * 0
                for i in range(n):
                    w = weights[j, at + i]
                    x, y, z = planes[0, i], planes[1, i], planes[2, i]
                    gx, gy, gz = w * planes[3, i], w * planes[4, i], w * planes[5, i]
                    planes[6, i] += m00 * gx + m10 * gy + m20 * gz
                    planes[7, i] += m01 * gx + m11 * gy + m21 * gz
                    planes[8, i] += m02 * gx + m12 * gy + m22 * gz
                    g00 += gx * x
                    g01 += gx * y
                    g02 += gx * z
                    g10 += gy * x
                    g11 += gy * y
                    g12 += gy * z
                    g20 += gz * x
                    g21 += gz * y
                    g22 += gz * z
                    t0 += gx
                    t1 += gy
                    t2 += gz
                shifts[j, 0] += t0
                shifts[j, 1] += t1
                shifts[j, 2] += t2
                grad_world[b, j, 0, 0] += g00
                grad_world[b, j, 0, 1] += g01
                grad_world[b, j, 0, 2] += g02
                grad_world[b, j, 1, 0] += g10
                grad_world[b, j, 1, 1] += g11
                grad_world[b, j, 1, 2] += g12
                grad_world[b, j, 2, 0] += g20
                grad_world[b, j, 2, 1] += g21
                grad_world[b, j, 2, 2] += g22
            for i in range(n):
                grad_vertices[b, at + i, 0] = planes[6, i]
                grad_vertices[b, at + i, 1] = planes[7, i]
                grad_vertices[b, at + i, 2] = planes[8, i]
            at += n
        for j in range(count - 1, -1, -1):
            up = parents[j]
            for r in range(3):  # shift = placed - world @ joint
                grad_placed[b, j, r] += shifts[j, r]
                for q in range(3):
                    grad_world[b, j, r, q] -= shifts[j, r] * joints[b, j, q]
                    grad_joints[b, j, q] -= world[b, j, r, q] * shifts[j, r]
            for r in range(3):
                if up < 0:
                    grad_joints[b, j, r] += grad_placed[b, j, r]
                    for q in range(3):
                        grad_local[b, j, r, q] = grad_world[b, j, r, q]
                    continue
                grad_placed[b, up, r] += grad_placed[b, j, r]
                for q in range(3):
                    grad_local[b, j, r, q] = 0.0
                    for k in range(3):
                        grad_local[b, j, r, q] += world[b, up, k, r] * grad_world[b, j, k, q]
                        grad_world[b, up, r, q] += grad_world[b, j, r, k] * local[b, j, q, k]
                    grad_world[b, up, r, q] += grad_placed[b, j, r] * (joints[b, j, q] - joints[b, up, q])
                    back = world[b, up, r, q] * grad_placed[b, j, r]
                    grad_joints[b, j, q] += back
                    grad_joints[b, up, q] -= back
