"""Low-frequency light on skin: nine spherical harmonics, fitted to what is seen and taken out gently."""

from __future__ import annotations

import numpy as np

RIDGE = (1e-3, *(0.02,) * 3, *(0.06,) * 5)  # pull to an even light; higher bands are less sure

STRENGTH = 0.7  # how far a view's own light is taken out
GAINS = (0.6, 1.8)  # least and most that this may change a colour

RED_OVER_GREEN, GREEN_OVER_BLUE = (0.15, 0.72), (0.05, 0.62)  # logarithms, of fair skins
DARK_MORE = 0.4  # how much further these reach on the darkest skins


def harmonics(normals: np.ndarray) -> np.ndarray:
    """Unit normals [n, 3] -> [n, 9]: the real spherical harmonics up to band 2, each in [-1, 1] or so.

    Nine numbers hold 98 % of what a convex Lambertian surface shows (Ramamoorthi and Hanrahan 2001).
    """
    x, y, z = normals.T.astype(np.float32)
    return np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1], 1)


def fit_light(normals: np.ndarray, colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Linear colours [n, 3] on a surface of one albedo -> coefficients [9, 3], so that harmonics @ them is the shade.

    Reweighted three times, so that brows, stubble and highlights do not pass for light.
    """
    basis = harmonics(normals)
    ridge = np.diag(np.array(RIDGE) * weights.sum())
    grey = colours.mean(1)
    trust = weights.copy()
    for _ in range(3):
        weighted = basis * trust[:, None]
        light = np.linalg.solve(basis.T @ weighted + ridge, weighted.T @ colours)
        error = np.abs(grey - (basis @ light).mean(1)) / max(float(np.average(grey, weights=weights)), 1e-6)
        trust = weights / (1 + (error / 0.12) ** 2)
    return light


def gain(normals: np.ndarray, light: np.ndarray, *, strength: float = STRENGTH) -> np.ndarray:
    """[n, 1]: what to multiply linear colours by, so that their light is more even; one factor for all channels.

    The definition of what `evened` does at every texel.
    """
    shade = harmonics(normals) @ _shade(light)
    return np.clip(np.maximum(shade, 0.05) ** -strength, *GAINS)[:, None].astype(np.float32)


def evened(
    colours: np.ndarray,  # [T, 3] float32, linear
    normals: np.ndarray,  # [T, 3] float32
    openness: np.ndarray,  # [T] float32: light that reaches the surface
    seen: np.ndarray,  # [T] float32
    light: np.ndarray,  # [9, 3]
) -> np.ndarray:
    """[T, 3] float32 in [0, 1]: colours over openness times `gain` where they are seen, zero elsewhere."""
    from recon.texture.texels_numba import even_out

    out = np.zeros_like(colours)
    even_out(colours, normals, openness, seen, _shade(light).astype(np.float64), STRENGTH, *GAINS, out)
    return out


def _shade(light: np.ndarray) -> np.ndarray:
    """[9] grey, over the even part of it."""
    return light.mean(1) / max(float(light[0].mean()), 1e-6)


def white_balance(tone: np.ndarray) -> np.ndarray:
    """[3] gains for a photo in which skin [3], linear, is too red or too blue to be anyone's; ones for most photos.

    Melanin and blood keep the ratios red to green and green to blue of skins in a narrow range, further out the
    darker the skin; luminance stays.
    """
    red, green, blue = np.log(np.maximum(tone, 1e-4))
    luminance = np.array([0.2126, 0.7152, 0.0722])
    more = DARK_MORE * np.clip((0.25 - luminance @ tone) / 0.2, 0, 1)
    warm = np.clip(red - green, RED_OVER_GREEN[0], RED_OVER_GREEN[1] + more)
    yellow = np.clip(green - blue, GREEN_OVER_BLUE[0], GREEN_OVER_BLUE[1] + more)
    wanted = np.exp([green + warm, green, green - yellow])
    return (wanted * (luminance @ tone) / (luminance @ wanted) / np.maximum(tone, 1e-4)).astype(np.float32)
