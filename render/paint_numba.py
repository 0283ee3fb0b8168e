"""What the painting of a skin does at every texel, without the GIL."""

from __future__ import annotations

import math

import numpy as np

from flame_tools.compiled import kernel

_ONE, _TWO, _THREE, _HALF, _TINY = (np.float32(value) for value in (1, 2, 3, 2**31, 1e-12))
_PRIMES = np.array([0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D], np.uint32)  # of xxHash
_SCRAMBLE = np.array([0x2C1B3C6D, 0x297A2D39], np.uint32)


@kernel("void(int32[:,::1], float32[:,:,::1], int32[:,::1], float32[:,::1], float32[:,::1])")
def spread(face_id, bary, faces, layers, texels):
    """Interpolate layers [V, C] of corners at the covered texels, in the order of rows, into texels [n, C]."""
    n = 0
    for y in range(face_id.shape[0]):
        for x in range(face_id.shape[1]):
            f = face_id[y, x]
            if f >= 0:
                for c in range(layers.shape[1]):
                    texels[n, c] = (
                        bary[y, x, 0] * layers[faces[f, 0], c]
                        + bary[y, x, 1] * layers[faces[f, 1], c]
                        + bary[y, x, 2] * layers[faces[f, 2], c]
                    )
                n += 1


@kernel("void(uint8[:,:,::1], uint8[:,::1], int64)")
def grow(texture, inside, rounds):
    """Carry colours outwards by one texel a round; `inside` is written."""
    height, width = inside.shape
    for k in range(1, rounds + 1):  # texels reached in this round are marked k + 1: they wait for the next
        for y in range(height):
            for x in range(width):
                if inside[y, x] == 0:
                    for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0)):
                        i = y + dy
                        j = x + dx
                        if 0 <= i < height and 0 <= j < width and 0 < inside[i, j] <= k:
                            for c in range(3):
                                texture[y, x, c] = texture[i, j, c]
                            inside[y, x] = k + 1
                            break


@kernel("int64[::1](float32[:,::1], float32[::1], float32[::1])")
def around(at, low, high):
    """Which of the points [n, 3] lie within a box."""
    found, count = np.empty(len(at), np.int64), 0
    for i in range(len(at)):
        if low[0] < at[i, 0] < high[0] and low[1] < at[i, 1] < high[1] and low[2] < at[i, 2] < high[2]:
            found[count] = i
            count += 1
    return found[:count].copy()


@kernel("float32[::1](float32[:,::1], float32, uint32)")
def noise(at, wavelength, salt):
    """Values in [-1, 1] on a lattice of that spacing, drawn by `salt`, blended at points [n, 3]."""
    out = np.empty(len(at), np.float32)
    hashes, shares = np.empty((3, 2), np.uint32), np.empty((3, 2), np.float32)
    for i in range(len(at)):
        for k in range(3):
            place = at[i, k] / wavelength
            low = np.float32(math.floor(place))
            t = place - low
            shares[k, 1] = t * t * (_THREE - _TWO * t)
            shares[k, 0] = _ONE - shares[k, 1]
            number = np.uint32(np.int64(low))
            hashes[k, 0], hashes[k, 1] = number * _PRIMES[k], (number + 1) * _PRIMES[k]
        total = np.float32(0)
        for x in range(2):
            for y in range(2):
                for z in range(2):
                    key = np.uint32(salt ^ hashes[0, x] ^ hashes[1, y] ^ hashes[2, z])
                    key = np.uint32((key ^ (key >> 15)) * _SCRAMBLE[0])
                    key = np.uint32((key ^ (key >> 12)) * _SCRAMBLE[1])
                    key ^= key >> 15
                    value = np.float32(key) / _HALF - _ONE
                    total += shares[0, x] * shares[1, y] * shares[2, z] * value
        out[i] = total
    return out


@kernel("void(float32[:,::1], float32[:,::1], float32[::1], float32, float32[::1], float32[::1])")
def along(at, line, ends, reach, best, share):
    """Distance of points [n, 3] to a polyline [m, 3], and the share ends [m] of it where the nearest place lies.

    Points further than `reach` off its box are infinitely far.
    """
    low, high = np.empty(3, np.float32), np.empty(3, np.float32)
    for c in range(3):
        low[c], high[c] = line[:, c].min() - reach, line[:, c].max() + reach
    for i in range(len(at)):
        best[i], share[i] = np.inf, 0
        x, y, z = at[i, 0], at[i, 1], at[i, 2]
        if not (low[0] < x < high[0] and low[1] < y < high[1] and low[2] < z < high[2]):
            continue
        for k in range(len(line) - 1):
            px, py, pz = x - line[k, 0], y - line[k, 1], z - line[k, 2]
            ex, ey, ez = (line[k + 1, 0] - line[k, 0], line[k + 1, 1] - line[k, 1], line[k + 1, 2] - line[k, 2])
            t = (px * ex + py * ey + pz * ez) / max(ex * ex + ey * ey + ez * ez, _TINY)
            t = min(max(t, np.float32(0)), _ONE)
            px, py, pz = px - t * ex, py - t * ey, pz - t * ez
            away = math.sqrt(px * px + py * py + pz * pz)
            if away < best[i]:
                best[i], share[i] = away, ends[k] + t * (ends[k + 1] - ends[k])
