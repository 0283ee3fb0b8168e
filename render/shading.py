"""Fused shading of one band of rows: interpolate, light, blend samples, encode. Numba; only visible pixels are shaded.

The light is attached to the camera, as in a photo studio: key from the upper left, cool fill from the right, a rim from
behind, and a sky that is brighter above. View axes: x right, y up, z towards the viewer. Maths in linear light.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from flame_tools.compiled import kernel
from render.eyes import EYE_EXTENT
from render.materials import RAMP

IRIS_DEPTH = 0.0024  # metres behind the cornea's top; none at its rim
CORNEA = 1.336  # refractive index of what lies between
SCATTERED = np.float32(0.45)  # of the light that comes into a mouth: what its deepest part gets from everywhere

_SHADE = (
    "void(int32[:,::1], float64[:,::1], float64[:,::1], int32[:,::1], int32[::1], float32[:,::1], float32[:,::1], "
    "float32[:,::1], float32[:,::1], int32[:,::1], uint8[:,:,::1], uint8[:,:,::1], float32[:,::1], float32[:,:,::1], "
    "float32[:,::1], float32[:,::1], float32[::1], uint8[::1], float32[::1], float64[::1], "
    "int64, int64, int64, float64, float32[:,:,::1], float32[:,::1], uint8[:,:,::1])"
)


@njit(nogil=True, fastmath=True, error_model="numpy")
def texels_at(texture, u, v):
    """Rows i, ii and columns j, jj of the four texels about (u, v), and the shares of ij, ijj, iij, iijj."""
    f4 = np.float32
    one = f4(1.0)
    rows, columns = texture.shape[0], texture.shape[1]
    x = min(max(u * columns - f4(0.5), f4(0.0)), max(f4(columns) - f4(1.001), f4(0.0)))
    y = min(max((one - v) * rows - f4(0.5), f4(0.0)), max(f4(rows) - f4(1.001), f4(0.0)))
    j = np.uintp(x)
    i = np.uintp(y)
    fx = x - f4(j)
    fy = y - f4(i)
    jj = min(j + np.uintp(1), np.uintp(columns - 1))
    ii = min(i + np.uintp(1), np.uintp(rows - 1))
    a = (one - fx) * (one - fy)
    b = fx * (one - fy)
    c = (one - fx) * fy
    d = fx * fy
    return i, ii, j, jj, a, b, c, d


@njit(nogil=True, fastmath=True, error_model="numpy")
def sample(texture, u, v, decode):
    """Bilinear linear-light colour of an sRGB texture [h, w, 3] at (u, v), row 0 at v = 1; borders are held."""
    i, ii, j, jj, a, b, c, d = texels_at(texture, u, v)
    return (
        a * decode[texture[i, j, 0]] + b * decode[texture[i, jj, 0]]
        + c * decode[texture[ii, j, 0]] + d * decode[texture[ii, jj, 0]],
        a * decode[texture[i, j, 1]] + b * decode[texture[i, jj, 1]]
        + c * decode[texture[ii, j, 1]] + d * decode[texture[ii, jj, 1]],
        a * decode[texture[i, j, 2]] + b * decode[texture[i, jj, 2]]
        + c * decode[texture[ii, j, 2]] + d * decode[texture[ii, jj, 2]],
    )  # fmt: skip


@njit(nogil=True, fastmath=True, error_model="numpy")
def sample_slopes(slopes, u, v):
    """Bilinear slopes of a relief [h, w, 2] at (u, v), row 0 at v = 1; borders are held."""
    i, ii, j, jj, a, b, c, d = texels_at(slopes, u, v)
    first = a * slopes[i, j, 0] + b * slopes[i, jj, 0] + c * slopes[ii, j, 0] + d * slopes[ii, jj, 0]
    second = a * slopes[i, j, 1] + b * slopes[i, jj, 1] + c * slopes[ii, j, 1] + d * slopes[ii, jj, 1]
    return first, second


@njit(nogil=True, fastmath=True, error_model="numpy")
def through_cornea(x, y, facing):
    """How far a refracted ray goes aside, metres a unit of slant, until it meets the iris at gaze coordinates x, y.

    The iris lies deepest behind the cornea's top, and at the surface along its rim.
    """
    f4 = np.float32
    one = f4(1.0)
    deep = f4(IRIS_DEPTH) * max(one - x * x - y * y, f4(0.0)) * min(max(f4(3.0) * facing, f4(0.0)), one)
    return deep * f4(1 / CORNEA) / np.sqrt(one - (one - facing * facing) * f4(1 / CORNEA**2))


@njit(nogil=True, fastmath=True, error_model="numpy")
def shares_of_step(clip, i0, i1, i2, x, y):
    """What the shares of a face's second and third corner gain by a step of (x right, y down) in half pictures."""
    x0 = clip[i0, 0] / clip[i0, 3]
    y0 = -clip[i0, 1] / clip[i0, 3]
    x1 = clip[i1, 0] / clip[i1, 3] - x0
    y1 = -clip[i1, 1] / clip[i1, 3] - y0
    x2 = clip[i2, 0] / clip[i2, 3] - x0
    y2 = -clip[i2, 1] / clip[i2, 3] - y0
    area = x1 * y2 - y1 * x2
    if not abs(area) > 1e-12:
        return np.float32(0.0), np.float32(0.0)
    return np.float32((x * y2 - y * x2) / area), np.float32((x1 * y - y1 * x) / area)


@kernel(_SHADE, fastmath=True)
def shade_band(
    face_id,  # [rows * s, W * s]
    depth,  # [rows * s, W * s] ndc z
    clip,  # [V, 4]
    faces,
    face_material,
    attributes,  # [V, ATTRIBUTES]
    tint,  # [V, 3]
    wire,  # [V, 3] x, y in samples (wireframe), or [0, 3]
    uv,
    uv_faces,
    skin_texture,  # [h, w, 3]; [1, 1, 3] where there is none
    eye_texture,
    table,
    ramps,
    lights,  # [L, 6]; [0, 6]: the surface's own colours, unlit
    sky,  # [2, 3]
    decode,
    encode,
    background,  # [8]: r g b at the middle, r g b at the corners, alpha, wire width in samples
    rays,  # [5]: focal x y, centre x y in pixels; 1 if orthographic
    s,  # samples a side
    top,  # first row of the band
    height,  # of the picture
    step,  # ndc z: samples further apart belong to different parts of the surface
    slopes,  # [h, w, 2] of the skin's relief (flame_tools.surface.relief); [1, 1, 2] where there is none
    ways,  # [V, 4] view axes: the way in which u grows, and 1 or -1: on which side of it v does; [0, 4] without relief
    out,  # [rows, W, 4] uint8
):
    f4 = np.float32
    rows, width = out.shape[0], out.shape[1]
    count = s * s
    one = f4(1.0)
    wide = f4(width * s)
    tall = f4(height * s)
    textured = skin_texture.shape[0] > 1
    for y in range(rows):
        for x in range(width):
            # one shading for the pixel where all samples lie on one kind of surface, else one for each sample
            first = face_id[np.uintp(y * s), np.uintp(x * s)]
            alike = first >= 0 and wire.shape[0] == 0
            covered = 0
            low = np.inf
            high = -np.inf
            page = -1
            if first >= 0:
                page = face_material[np.uintp(first)]
            for k in range(count):
                f = face_id[np.uintp(y * s + k // s), np.uintp(x * s + k % s)]
                if f >= 0:
                    covered += 1
                    z = depth[np.uintp(y * s + k // s), np.uintp(x * s + k % s)]
                    low = min(low, z)
                    high = max(high, z)
                    if face_material[np.uintp(f)] != page:
                        alike = False
                else:
                    alike = False
            if high - low > step:
                alike = False
            red = f4(0.0)
            green = f4(0.0)
            blue = f4(0.0)
            shots = 1 if alike else count
            if covered == 0:
                shots = 0
            for k in range(shots):
                if alike:
                    f = face_id[np.uintp(y * s + (s - 1) // 2), np.uintp(x * s + (s - 1) // 2)]
                    sx = f4(x * s) + f4(0.5) * f4(s)
                    sy = f4((top + y) * s) + f4(0.5) * f4(s)
                else:
                    f = face_id[np.uintp(y * s + k // s), np.uintp(x * s + k % s)]
                    if f < 0:
                        continue
                    sx = f4(x * s + k % s) + f4(0.5)
                    sy = f4((top + y) * s + k // s) + f4(0.5)
                t = np.uintp(f)
                i0 = np.uintp(faces[t, 0])
                i1 = np.uintp(faces[t, 1])
                i2 = np.uintp(faces[t, 2])
                px = np.float64(f4(2.0) * sx / wide - one)
                py = np.float64(one - f4(2.0) * sy / tall)
                ax = clip[i0, 0] - px * clip[i0, 3]
                ay = clip[i0, 1] - py * clip[i0, 3]
                bx = clip[i1, 0] - px * clip[i1, 3]
                by = clip[i1, 1] - py * clip[i1, 3]
                cx = clip[i2, 0] - px * clip[i2, 3]
                cy = clip[i2, 1] - py * clip[i2, 3]
                w0 = bx * cy - by * cx
                w1 = cx * ay - cy * ax
                w2 = ax * by - ay * bx
                total = w0 + w1 + w2
                facing = total > 0.0
                over = 1.0 / total
                # the pixel's middle may lie a little outside the sample's triangle: hold it inside
                g0 = f4(min(max(w0 * over, 0.0), 1.0))
                g1 = f4(min(max(w1 * over, 0.0), 1.0))
                g2 = f4(min(max(w2 * over, 0.0), 1.0))
                fix = one / max(g0 + g1 + g2, f4(1e-6))
                g0 *= fix
                g1 *= fix
                g2 *= fix
                nx = g0 * attributes[i0, 0] + g1 * attributes[i1, 0] + g2 * attributes[i2, 0]
                ny = g0 * attributes[i0, 1] + g1 * attributes[i1, 1] + g2 * attributes[i2, 1]
                nz = g0 * attributes[i0, 2] + g1 * attributes[i1, 2] + g2 * attributes[i2, 2]
                seen = g0 * attributes[i0, 3] + g1 * attributes[i1, 3] + g2 * attributes[i2, 3]
                direct = g0 * attributes[i0, 4] + g1 * attributes[i1, 4] + g2 * attributes[i2, 4]
                key = g0 * attributes[i0, 8] + g1 * attributes[i1, 8] + g2 * attributes[i2, 8]
                gloss = g0 * attributes[i0, 5] + g1 * attributes[i1, 5] + g2 * attributes[i2, 5]
                size = one / np.sqrt(max(nx * nx + ny * ny + nz * nz, f4(1e-20)))
                if not facing:
                    size = -size
                nx *= size
                ny *= size
                nz *= size
                # from the surface to the eye
                vx = f4(0.0)
                vy = f4(0.0)
                vz = one
                if rays[4] == 0.0:
                    vx = f4((rays[2] - sx / s) / rays[0])
                    vy = f4((sy / s - rays[3]) / rays[1])
                    size = one / np.sqrt(vx * vx + vy * vy + one)
                    vx *= size
                    vy *= size
                    vz = size
                m = np.uintp(face_material[t])
                if slopes.shape[0] > 1 and table[m, 6] == 1.0:
                    u0 = np.uintp(uv_faces[t, 0])
                    u1 = np.uintp(uv_faces[t, 1])
                    u2 = np.uintp(uv_faces[t, 2])
                    u = g0 * uv[u0, 0] + g1 * uv[u1, 0] + g2 * uv[u2, 0]
                    v = g0 * uv[u0, 1] + g1 * uv[u1, 1] + g2 * uv[u2, 1]
                    su, sv = sample_slopes(slopes, u, v)
                    tx = g0 * ways[i0, 0] + g1 * ways[i1, 0] + g2 * ways[i2, 0]
                    ty = g0 * ways[i0, 1] + g1 * ways[i1, 1] + g2 * ways[i2, 1]
                    tz = g0 * ways[i0, 2] + g1 * ways[i1, 2] + g2 * ways[i2, 2]
                    away = tx * nx + ty * ny + tz * nz
                    tx -= away * nx
                    ty -= away * ny
                    tz -= away * nz
                    size = one / np.sqrt(max(tx * tx + ty * ty + tz * tz, f4(1e-20)))
                    su *= size
                    sv *= size * ways[i0, 3]
                    kx = nx - su * tx - sv * (ny * tz - nz * ty)
                    ky = ny - su * ty - sv * (nz * tx - nx * tz)
                    kz = nz - su * tz - sv * (nx * ty - ny * tx)
                    size = one / np.sqrt(max(kx * kx + ky * ky + kz * kz, f4(1e-20)))
                    nx = kx * size
                    ny = ky * size
                    nz = kz * size
                r = table[m, 0]
                g = table[m, 1]
                b = table[m, 2]
                source = table[m, 6]
                if source == 2.0:
                    eu = g0 * attributes[i0, 6] + g1 * attributes[i1, 6] + g2 * attributes[i2, 6]
                    ev = g0 * attributes[i0, 7] + g1 * attributes[i1, 7] + g2 * attributes[i2, 7]
                    facing_us = nx * vx + ny * vy + nz * vz
                    across, down = f4(rays[0]) * (vx - facing_us * nx), -f4(rays[1]) * (vy - facing_us * ny)
                    if rays[4] == 0.0:  # pixels a metre
                        across /= f4(max(clip[i0, 3], 1e-6))
                        down /= f4(max(clip[i0, 3], 1e-6))
                    way = through_cornea(eu, ev, facing_us) * f4(2 * s)
                    h1, h2 = shares_of_step(clip, i0, i1, i2, -across * way / wide, -down * way / tall)
                    eu += h1 * (attributes[i1, 6] - attributes[i0, 6]) + h2 * (attributes[i2, 6] - attributes[i0, 6])
                    ev += h1 * (attributes[i1, 7] - attributes[i0, 7]) + h2 * (attributes[i2, 7] - attributes[i0, 7])
                    u = f4(0.5) + f4(0.5) / f4(EYE_EXTENT) * eu
                    v = f4(0.5) + f4(0.5) / f4(EYE_EXTENT) * ev
                    r, g, b = sample(eye_texture, u, v, decode)
                elif source == 1.0 and textured:
                    u0 = np.uintp(uv_faces[t, 0])
                    u1 = np.uintp(uv_faces[t, 1])
                    u2 = np.uintp(uv_faces[t, 2])
                    u = g0 * uv[u0, 0] + g1 * uv[u1, 0] + g2 * uv[u2, 0]
                    v = g0 * uv[u0, 1] + g1 * uv[u1, 1] + g2 * uv[u2, 1]
                    tr, tg, tb = sample(skin_texture, u, v, decode)
                    r *= tr
                    g *= tg
                    b *= tb
                else:
                    r *= g0 * tint[i0, 0] + g1 * tint[i1, 0] + g2 * tint[i2, 0]
                    g *= g0 * tint[i0, 1] + g1 * tint[i1, 1] + g2 * tint[i2, 1]
                    b *= g0 * tint[i0, 2] + g1 * tint[i1, 2] + g2 * tint[i2, 2]

                if not facing and table[m, 7] < 0.0:  # the inside of a head without a mouth of its own: a dark one
                    r, g, b = f4(0.10), f4(0.022), f4(0.018)
                    seen = direct = f4(0.12)
                    gloss = f4(0.0)
                coat = table[m, 5] + gloss * f4(0.02)
                rough = table[m, 3] - gloss * f4(0.08)
                alpha = rough * rough
                a2 = alpha * alpha
                base = table[m, 4]
                nv = max(nx * vx + ny * vy + nz * vz, f4(0.05))
                # sky and ground, and their reflection, stronger at grazing angles
                up = f4(0.5) + f4(0.5) * ny
                graze = one - nv
                graze2 = graze * graze
                fresnel = base + (one - base) * graze2 * graze2 * graze
                # lit through the lips only: no sky to reflect, no rim, and redder when dark
                inside = table[m, 7] > 0.0 or (not facing and table[m, 7] < 0.0)
                shine = fresnel * (one - f4(0.7) * rough) * seen * f4(0.7)
                if inside:
                    shine = f4(0.0)
                ry = f4(2.0) * nv * ny - vy
                above = f4(0.5) + f4(0.5) * ry
                dr = (sky[1, 0] + (sky[0, 0] - sky[1, 0]) * up) * seen
                dg = (sky[1, 1] + (sky[0, 1] - sky[1, 1]) * up) * seen
                db = (sky[1, 2] + (sky[0, 2] - sky[1, 2]) * up) * seen
                hr = shine * (sky[1, 0] + (sky[0, 0] - sky[1, 0]) * above)
                hg = shine * (sky[1, 1] + (sky[0, 1] - sky[1, 1]) * above)
                hb = shine * (sky[1, 2] + (sky[0, 2] - sky[1, 2]) * above)
                lamps = 1 if inside else lights.shape[0]
                for q in range(lamps):
                    open_to = direct
                    if q == 0:
                        open_to *= key
                    elif q == 2:  # the rim casts no shadow of its own: hollows do not see it
                        open_to *= seen * seen
                    lx = lights[q, 0]
                    ly = lights[q, 1]
                    lz = lights[q, 2]
                    nl = nx * lx + ny * ly + nz * lz
                    ramp = np.uintp(min(max((nl + one) * f4(0.5) * f4(RAMP - 1), f4(0.0)), f4(RAMP - 1)))
                    scattered = f4(0.0)  # the deeper in a mouth, the more of its light comes from its own walls
                    if inside:
                        scattered = one - min(seen, one)
                    dr += lights[q, 3] * open_to * (ramps[m, ramp, 0] + scattered * (SCATTERED - ramps[m, ramp, 0]))
                    dg += lights[q, 4] * open_to * (ramps[m, ramp, 1] + scattered * (SCATTERED - ramps[m, ramp, 1]))
                    db += lights[q, 5] * open_to * (ramps[m, ramp, 2] + scattered * (SCATTERED - ramps[m, ramp, 2]))
                    if nl > 0.0:
                        hx = lx + vx
                        hy = ly + vy
                        hz = lz + vz
                        size = one / np.sqrt(max(hx * hx + hy * hy + hz * hz, f4(1e-12)))
                        nh = min(max((nx * hx + ny * hy + nz * hz) * size, f4(0.0)), one)
                        lh = max((lx * hx + ly * hy + lz * hz) * size, f4(0.0))
                        # GGX with Schlick's Fresnel and the joint visibility of Karis 2013, divided by pi already
                        d = nh * nh * (a2 - one) + one
                        turn = one - lh
                        turn2 = turn * turn
                        f5 = base + (one - base) * turn2 * turn2 * turn
                        vis = f4(0.5) / (
                            nl * (nv * (one - alpha) + alpha) + nv * (nl * (one - alpha) + alpha) + f4(1e-4)
                        )
                        gain = a2 / (d * d) * f5 * vis * nl * open_to
                        if coat > 0.0:
                            c2 = f4(0.0036)
                            d = nh * nh * (c2 - one) + one
                            gain += min(c2 / (d * d) * f4(0.25), f4(40.0)) * coat * f4(0.03) * nl * open_to
                        hr += lights[q, 3] * gain
                        hg += lights[q, 4] * gain
                        hb += lights[q, 5] * gain
                lr = r * dr + hr
                lg = g * dg + hg
                lb = b * db + hb
                if lights.shape[0] == 0:
                    lr, lg, lb = r, g, b
                elif inside:
                    lr *= f4(1.10)
                    lg *= f4(0.50) + f4(0.58) * np.sqrt(seen)
                    lb *= f4(0.38) + f4(0.66) * np.sqrt(seen)
                if wire.shape[0] > 0:
                    near = f4(1e9)
                    longest = f4(1e-6)
                    for e in range(3):
                        p = i0
                        q2 = i1
                        if e == 1:
                            p = i1
                            q2 = i2
                        elif e == 2:
                            p = i2
                            q2 = i0
                        ex = wire[q2, 0] - wire[p, 0]
                        ey = wire[q2, 1] - wire[p, 1]
                        size = np.sqrt(ex * ex + ey * ey + f4(1e-12))
                        longest = max(longest, size)
                        near = min(near, abs(ex * (sy - wire[p, 1]) - ey * (sx - wire[p, 0])) / size)
                    # lines closer than a few pixels grow faint, or small triangles would be a black patch
                    reach = abs(ex * (wire[i1, 1] - wire[i0, 1]) - ey * (wire[i1, 0] - wire[i0, 0])) / longest
                    faint = min(f4(0.2) + reach / f4(5 * s), one)
                    ink = min(max(background[7] * f4(0.5) + f4(0.5) - near, f4(0.0)), one) * f4(0.75) * faint
                    lr += (f4(0.02) - lr) * ink
                    lg += (f4(0.025) - lg) * ink
                    lb += (f4(0.03) - lb) * ink
                # soft shoulder: linear up to 0.6, then towards 1 (keeps colour in the highlights)
                knee = f4(0.6) if lights.shape[0] > 0 else one
                if lr > knee:
                    lr = one - f4(0.16) / (lr - f4(0.2))
                if lg > knee:
                    lg = one - f4(0.16) / (lg - f4(0.2))
                if lb > knee:
                    lb = one - f4(0.16) / (lb - f4(0.2))
                red += lr
                green += lg
                blue += lb
            if covered > 0:
                part = one if alike else one / count
                red *= part
                green *= part
                blue *= part
            cover = f4(covered) / f4(count)
            rest = one - cover
            opacity = one
            if background[6] > 0.0:
                if rest > 0.0:
                    gx = (f4(x) + f4(0.5)) / f4(width) - f4(0.5)
                    gy = (f4(top + y) + f4(0.5)) / f4(height) - f4(0.45)
                    away = min((gx * gx + gy * gy) * f4(2.2), one)
                    away = away * (f4(2.0) - away)
                    red += rest * (background[0] + (background[3] - background[0]) * away)
                    green += rest * (background[1] + (background[4] - background[1]) * away)
                    blue += rest * (background[2] + (background[5] - background[2]) * away)
            else:
                opacity = cover
                if covered > 0:
                    red /= cover
                    green /= cover
                    blue /= cover
            i = np.uintp(y)
            j = np.uintp(x)
            out[i, j, 0] = encode[np.uintp(min(max(red, f4(0.0)), one) * f4(8192.0) + f4(0.5))]
            out[i, j, 1] = encode[np.uintp(min(max(green, f4(0.0)), one) * f4(8192.0) + f4(0.5))]
            out[i, j, 2] = encode[np.uintp(min(max(blue, f4(0.0)), one) * f4(8192.0) + f4(0.5))]
            out[i, j, 3] = np.uint8(opacity * f4(255.0) + f4(0.5))
