"""Kernels that go once over the texels of a face: half a million, so that nothing is gathered twice.

Each works through its texels in their order on one thread, so that a sum is the same however many threads there are.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float32, float64, int32, int64, types, void

from flame_tools.compiled import kernel
from recon.texture.surface import DARKNESS, HUE

_F, _FF, _FFF = float32[::1], float32[:, ::1], float32[:, :, ::1]
_D, _DD = float64[::1], float64[:, ::1]
_BYTES = types.Array(types.uint8, 3, "A", readonly=True)
_DARK_LOW, _DARK_HIGH = DARKNESS
_HUE_LOW, _HUE_HIGH = HUE


@kernel(float64(float64, float64, float64))
def _smooth(value, low, high):
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@kernel(types.Tuple((types.uintp, types.uintp, float64))(float64, int64))
def _between(place, count):
    """The two of `count` pixels whose middles a place lies between, and how near the second; held at the rim."""
    at = min(max(place - 0.5, 0.0), count - 1.0)
    first = int(at)
    return np.uintp(first), np.uintp(min(first + 1, count - 1)), at - first


@kernel(void(_FF, int32[:, ::1], _FF, _FF))
def spread(values, corners, barycentrics, out):
    """Vertex values [V, C] to texels [T, C]."""
    for i in range(len(corners)):
        t = np.uintp(i)
        a, b, c = np.uintp(corners[t, 0]), np.uintp(corners[t, 1]), np.uintp(corners[t, 2])
        u, v, w = barycentrics[t, 0], barycentrics[t, 1], barycentrics[t, 2]
        for n in range(values.shape[1]):
            k = np.uintp(n)
            out[t, k] = values[a, k] * u + values[b, k] * v + values[c, k] * w


@kernel(void(_FFF, int64[::1], int64, _FF))
def interpolate(image, texels, size, out):
    """An image [h, w, C] over the whole atlas to texels [T, C], flat indices into size x size, linear between."""
    height, width, channels = image.shape
    down, along = height / size, width / size
    for i in range(len(texels)):
        t = np.uintp(i)
        row = texels[t] // size
        x0, x1, u = _between((texels[t] - row * size + 0.5) * along, width)
        y0, y1, v = _between((row + 0.5) * down, height)
        for n in range(channels):
            k = np.uintp(n)
            above = image[y0, x0, k] * (1 - u) + image[y0, x1, k] * u
            below = image[y1, x0, k] * (1 - u) + image[y1, x1, k] * u
            out[t, k] = above * (1 - v) + below * v


@kernel(void(int32[::1], _FF, _F, _DD, _D))
def add_to_cells(cell, values, weights, sums, total):
    """Add texel values [T, C] times weights [T] to sums [K, C], and the weights to total [K]."""
    for i in range(len(cell)):
        t = np.uintp(i)
        weight = float64(weights[t])
        if weight == 0:
            continue
        at = np.uintp(cell[t])
        total[at] += weight
        for n in range(values.shape[1]):
            k = np.uintp(n)
            sums[at, k] += weight * values[t, k]


@kernel(_FFF(_BYTES, _F, int64))
def decoded_blocks(image, table, factor):
    """What table [256] says of each byte of image [H, W, 3], averaged over blocks; a ragged rim repeats its last."""
    height, width, _ = image.shape
    rows, columns = (height + factor - 1) // factor, (width + factor - 1) // factor
    out = np.empty((rows, columns, 3), np.float32)
    for row in range(rows):
        for column in range(columns):
            for c in range(3):
                total = 0.0
                for i in range(row * factor, row * factor + factor):
                    y = min(i, height - 1)
                    for j in range(column * factor, column * factor + factor):
                        total += table[image[y, min(j, width - 1), c]]
                out[row, column, c] = total / (factor * factor)
    return out


LENS = types.UniTuple(float64, 4)  # focal length and middle, pixels
CROP = types.UniTuple(float64, 3)  # left, top, and pixels of the whole to one of the part


@kernel(void(int32[:, ::1], _FF, _DD, _DD, LENS, types.boolean, int64, int64, _DD, CROP, float64, _FFF, CROP, float64,
             float64, float64, _FF, _FF, _F, _F))  # fmt: skip
def look_up(
    corners, barycentrics, at, turn, lens, orthographic, width, height, depth, round_head, slack, part, place, exposure,
    edge_on, seen_well, colours, normals, seen, scale,
):  # fmt: skip
    """What `posed_view.sampled` tells of each texel. What the view does not show stays as it is.

    at [V, 7]: place in the camera's axes, normal in the world's, and what counts of the vertex. turn [3, 3]: world to
    camera. depth [h, w]: metres of the nearest surface in the crop `round_head`. part: linear light in crop `place`.
    """
    fx, fy, middle_x, middle_y = lens
    focal = 0.5 * (fx + fy)
    for i in range(len(corners)):
        t = np.uintp(i)
        a, b, c = np.uintp(corners[t, 0]), np.uintp(corners[t, 1]), np.uintp(corners[t, 2])
        u, v, w = float64(barycentrics[t, 0]), float64(barycentrics[t, 1]), float64(barycentrics[t, 2])
        x = at[a, 0] * u + at[b, 0] * v + at[c, 0] * w
        y = at[a, 1] * u + at[b, 1] * v + at[c, 1] * w
        z = at[a, 2] * u + at[b, 2] * v + at[c, 2] * w
        nx = at[a, 3] * u + at[b, 3] * v + at[c, 3] * w
        ny = at[a, 4] * u + at[b, 4] * v + at[c, 4] * w
        nz = at[a, 5] * u + at[b, 5] * v + at[c, 5] * w
        shorter = 1 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-12)
        nx, ny, nz = nx * shorter, ny * shorter, nz * shorter
        sx, sy, sz = (0.0, 0.0, 1.0) if orthographic else (x, y, z)  # from the camera
        away = -(
            sx * (turn[0, 0] * nx + turn[0, 1] * ny + turn[0, 2] * nz)
            + sy * (turn[1, 0] * nx + turn[1, 1] * ny + turn[1, 2] * nz)
            + sz * (turn[2, 0] * nx + turn[2, 1] * ny + turn[2, 2] * nz)
        )
        distance = math.sqrt(sx * sx + sy * sy + sz * sz)  # 1 where it does not matter
        facing = away / max(distance, 1e-12)
        if not facing > edge_on:
            continue
        if not orthographic and not z > 0:
            continue
        over = 1.0 if orthographic else 1 / z
        px, py = fx * x * over + middle_x, fy * y * over + middle_y
        if not (px > 1 and py > 1 and px < width - 1 and py < height - 1):
            continue
        column = min(max(int((px - round_head[0]) / round_head[2]), 0), depth.shape[1] - 1)
        row = min(max(int((py - round_head[1]) / round_head[2]), 0), depth.shape[0] - 1)
        if not z < depth[row, column] + slack:
            continue
        shown = _smooth(facing, edge_on, seen_well) * (at[a, 6] * u + at[b, 6] * v + at[c, 6] * w)
        if not shown > 1e-6:
            continue
        normals[t, 0], normals[t, 1], normals[t, 2] = nx, ny, nz
        seen[t] = shown
        scale[t] = math.sqrt(facing) * focal / distance
        x0, x1, s = _between((px - place[0]) / place[2], part.shape[1])
        y0, y1, r = _between((py - place[1]) / place[2], part.shape[0])
        for n in range(3):
            k = np.uintp(n)
            above = part[y0, x0, k] * (1 - s) + part[y0, x1, k] * s
            below = part[y1, x0, k] * (1 - s) + part[y1, x1, k] * s
            colours[t, k] = min((above * (1 - r) + below * r) * exposure, 1.0)


@kernel(void(_FF, _FF, _F, _F, _D, float64, float64, float64, _FF))
def even_out(colours, normals, openness, seen, shade, strength, least, most, out):
    """Seen colours [T, 3] over openness, times the gain that shade [9] over the normals asks for; the rest stays."""
    for i in range(len(seen)):
        t = np.uintp(i)
        if seen[t] == 0:
            continue
        x, y, z = float64(normals[t, 0]), float64(normals[t, 1]), float64(normals[t, 2])
        light = shade[0] + shade[1] * x + shade[2] * y + shade[3] * z + shade[4] * x * y + shade[5] * x * z
        light += shade[6] * y * z + shade[7] * (x * x - y * y) + shade[8] * (3 * z * z - 1)
        gain = min(max(max(light, 0.05) ** -strength, least), most) / openness[t]
        for n in range(3):
            k = np.uintp(n)
            out[t, k] = min(max(colours[t, k] * gain, 0.0), 1.0)


@kernel(void(_FF, _F, _D, _F))
def unlike_skin(colours, where, tone, out):
    """The twin of `surface.unlike_skin` at the texels where `where` [T] is above zero; the rest stays."""
    whole = tone[0] + tone[1] + tone[2]
    red, green, blue = tone[0] / whole, tone[1] / whole, tone[2] / whole
    for i in range(len(where)):
        t = np.uintp(i)
        if not where[t] > 0:
            continue
        r, g, b = float64(colours[t, 0]), float64(colours[t, 1]), float64(colours[t, 2])
        total = r + g + b
        darkness = abs(math.log((total / 3 + 0.01) / (whole / 3 + 0.01)))
        under = 1 / max(total, 1e-4)
        hue = math.sqrt((r * under - red) ** 2 + (g * under - green) ** 2 + (b * under - blue) ** 2)
        out[t] = max(_smooth(darkness, _DARK_LOW, _DARK_HIGH), _smooth(hue, _HUE_LOW, _HUE_HIGH))


@kernel(void(_FF, float64, float64, _F, _F, _DD, _DD))
def add_to_columns(rest, brow, extent, seen, hair, sums, count):
    """Add hair [T] of what is seen to the cells [rows, columns] in which places rest [T, 3] lie above the brows."""
    rows, columns = sums.shape
    for i in range(len(hair)):
        t = np.uintp(i)
        if seen[t] == 0 or not rest[t, 1] > brow or not rest[t, 2] > 0:
            continue
        x, y = (rest[t, 0] + extent) / (2 * extent) * columns, (rest[t, 1] - brow) / extent * rows
        if x > 0 and x < columns and y < rows:
            row, column = np.uintp(int(y)), np.uintp(int(x))
            sums[row, column] += hair[t]
            count[row, column] += 1


@kernel(void(_FF, float64, float64, _DD, _F))
def above_hair(rest, brow, extent, begun, out):
    """[T] in [0, 1]: whether places rest [T, 3] lie where hair has begun; those below the brows stay."""
    rows, columns = begun.shape
    for i in range(len(out)):
        t = np.uintp(i)
        if not rest[t, 1] > brow:
            continue
        x, y = (rest[t, 0] + extent) / (2 * extent) * columns, (rest[t, 1] - brow) / extent * rows
        x0, x1, u = _between(x, columns)
        y0, y1, v = _between(y + 2, rows)  # hair that begins up to 4 mm above counts, too: it has a shade
        soft = (begun[y0, x0] * (1 - u) + begun[y0, x1] * u) * (1 - v) + (
            begun[y1, x0] * (1 - u) + begun[y1, x1] * u
        ) * v
        out[t] = _smooth(soft, 0.08, 0.3) * _smooth(rest[t, 1], brow, brow + 0.004)


@kernel(void(_FFF, int64[::1], int64, _FF, _F, _F, float64, _FF, _F, _F))
def blend(fields, texels, size, colours, weights, fine, sharp, sums, total, seen):
    """Add a view to the sums [T, 3] of all, by how well it shows what is fine, squared, and to what was seen [T].

    fields [grid, grid, 4] over the atlas: gains, and how far the view agrees with all.
    """
    height, width, _ = fields.shape
    down, along = height / size, width / size
    for i in range(len(texels)):
        t = np.uintp(i)
        if weights[t] == 0:
            continue
        row = texels[t] // size
        x0, x1, u = _between((texels[t] - row * size + 0.5) * along, width)
        y0, y1, v = _between((row + 0.5) * down, height)
        w00, w01, w10, w11 = (1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v
        kept = fields[y0, x0, 3] * w00 + fields[y0, x1, 3] * w01 + fields[y1, x0, 3] * w10 + fields[y1, x1, 3] * w11
        agreed = weights[t] * kept
        best = fine[t] * kept * sharp
        best = best * best + 1e-6 * agreed
        for n in range(3):
            k = np.uintp(n)
            gain = fields[y0, x0, k] * w00 + fields[y0, x1, k] * w01 + fields[y1, x0, k] * w10 + fields[y1, x1, k] * w11
            sums[t, k] += best * gain * colours[t, k]
        total[t] += best
        seen[t] += agreed
