"""How what is seen of the skin changes with the unknowns: through places and normals, without the GIL."""

from __future__ import annotations

import numpy as np

from flame_tools.compiled import kernel


@kernel(
    "void(float64[:,::1], int64[:,::1], float64[:,::1], float64[:,::1], float32[:,::1], int64[::1], float32[:,::1])"
)
def pull_back(points, triangles, by_normal, by_point, change, row, out):
    """Derivatives of scalars by K unknowns, added to out [R, K]; that of sample i into row[i], or none where it is -1.

    A scalar changes with the normal of its sample (`SkinSamples.normals` of points [M, 3]) by `by_normal` [M, 3], and
    with its place by `by_point` [M, 3]; places change with the unknowns by `change` [3 M, K].
    """
    unknowns = np.uintp(out.shape[1])
    for i in range(len(points)):
        if row[i] >= 0:
            r, at = np.uintp(row[i]), np.uintp(3 * i)
            x, y, z = np.float32(by_point[i, 0]), np.float32(by_point[i, 1]), np.float32(by_point[i, 2])
            for n in range(unknowns):
                out[r, n] += x * change[at, n] + y * change[at + 1, n] + z * change[at + 2, n]
    for f in range(len(triangles)):
        for owner in range(3):
            i = triangles[f, owner]
            if row[i] < 0:
                continue
            r = np.uintp(row[i])
            for k in range(3):  # the normal is a x b + b x c + c x a
                b, c = triangles[f, (k + 1) % 3], triangles[f, (k + 2) % 3]
                ex, ey, ez = (points[b, 0] - points[c, 0], points[b, 1] - points[c, 1], points[b, 2] - points[c, 2])
                nx, ny, nz = by_normal[i, 0], by_normal[i, 1], by_normal[i, 2]
                x, y, z = np.float32(ey * nz - ez * ny), np.float32(ez * nx - ex * nz), np.float32(ex * ny - ey * nx)
                at = np.uintp(3 * triangles[f, k])
                for n in range(unknowns):
                    out[r, n] += x * change[at, n] + y * change[at + 1, n] + z * change[at + 2, n]
