"""What one picture shows of the skin against what its light makes of it: logarithms, with derivatives.

A sample is log(picture at its place) - log(hollow * light on its normal): the logarithm of the albedo, if face, pose
and light are right. So the albedo is a mean, and a picture's exposure is a number of the light.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from readers.sampling import bilinear, gaussian, reduce
from recon.fitting.observation import View
from recon.fitting.skin_samples import SkinSamples
from recon.texture.light import harmonics
from recon.texture.posed_view import visible
from recon.texture.surface import smooth_step, unit
from render.materials import srgb_to_linear

FLOOR = 0.02  # added to linear light: the logarithm of black is noise
DIMMEST = 0.1  # of the mean light: shades below are not believed
FACING = (0.15, 0.45)  # cosines to the line of sight between which a sample begins to count
HOLLOW = 0.5  # how far hollows are darker for the sky that they do not see
LEAST_BLUR_PX = 1.0  # finer than that lie noise and what compression left
_EYES_PX = 80  # between the eyes, to which large pictures are reduced
_LINEAR = srgb_to_linear(np.arange(256) / 255).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Blurred:
    """A part of a picture at one scale of fitting."""

    log: np.ndarray  # [h, w, 3] float32: log light, and its change to the right and down a pixel of the picture
    left: float  # pixels of the picture
    top: float
    factor: int  # pixels of the picture to one of `log`
    share: float = 0.0  # blur (SD) of the distance between the eyes

    def at(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels [M, 2] -> [M, 3] log light and its change a pixel of the picture to the right and down."""
        return bilinear(self.log, *((pixels - (self.left, self.top)) / self.factor).T)


def blurred(image: np.ndarray, around: np.ndarray, eye_distance: float, share: float) -> Blurred:
    """The picture [H, W, 3] uint8 about landmarks [n, 2], blurred by `share` (SD) of the distance between the eyes.

    By a pixel at least, of those of `Blurred.log`.
    """
    height, width = image.shape[:2]
    margin = 0.5 * eye_distance
    low = np.clip(np.floor(around.min(0) - margin), 0, (width - 2, height - 2)).astype(int)
    high = np.clip(np.ceil(around.max(0) + margin), low + 2, (width, height)).astype(int)
    factor = max(1, int(eye_distance / _EYES_PX))
    part = reduce(_LINEAR[image[low[1] : high[1], low[0] : high[0]]], factor).mean(-1)
    width = max(share * eye_distance / factor, LEAST_BLUR_PX)
    part = np.log(gaussian(part, width, rim="edge") + FLOOR)
    down, right = np.gradient(part)
    slopes = np.stack([part, right / factor, down / factor], -1)
    return Blurred(slopes, float(low[0]), float(low[1]), factor, width * factor / eye_distance)


def harmonics_change(normals: np.ndarray) -> np.ndarray:
    """[n, 9, 3]: the derivative of `recon.texture.light.harmonics` by the normal [n, 3]."""
    x, y, z = normals.T
    change = np.zeros((len(normals), 9, 3))
    change[:, 1, 0] = change[:, 2, 1] = change[:, 3, 2] = 1
    change[:, 4, 0], change[:, 4, 1] = y, x
    change[:, 5, 0], change[:, 5, 2] = z, x
    change[:, 6, 1], change[:, 6, 2] = z, y
    change[:, 7, 0], change[:, 7, 1] = 2 * x, -2 * y
    change[:, 8, 2] = 6 * z
    return change


@dataclass(frozen=True, eq=False)
class Shown:
    """What a picture shows of M samples."""

    values: np.ndarray  # [M] log albedo
    by_unknowns: np.ndarray | None  # [R, K] of the samples asked for
    by_light: np.ndarray | None  # [R, 9]


def shown(
    samples: SkinSamples,
    picture: Blurred,
    view: View,
    x: np.ndarray,  # [K]
    light: np.ndarray,  # [9] grey
    points: np.ndarray,  # [M, 3] the samples at x
    change: np.ndarray | None = None,  # [3 M, K] float32 of the samples' places by the unknowns: `change_of`
    rows: np.ndarray | None = None,  # of the samples whose derivatives are wanted: all
) -> Shown:
    """The log albedo of all samples; with `change` its derivatives, too."""
    from recon.fitting.photometric_numba import pull_back

    lay = samples.model.layout
    focal = float(np.exp(x[lay.log_focal][0]))
    matrix, shift = view.axes
    camera = points @ matrix.T + shift
    depth = np.maximum(camera[:, 2:], 1e-3)
    image = focal * camera[:, :2] / depth
    seen = picture.at(image + view.middle)
    normal = samples.normals(points)
    length = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    normal = normal / length
    basis = harmonics(normal).astype(np.float64)
    shade = basis @ light
    least = DIMMEST * max(float(light[0]), 1e-6)
    lit = np.maximum(shade, least)
    values = seen[:, 0] - np.log(lit * (1 - HOLLOW * (1 - samples.open)))
    if change is None:
        return Shown(values, None, None)
    bright = (shade > least)[:, None] / lit[:, None]
    slope = seen[:, 1:].astype(np.float64)
    by_camera = np.concatenate([focal * slope, -(image * slope).sum(1, keepdims=True)], 1) / depth
    by_normal = -bright * np.einsum("k,nkc->nc", light, harmonics_change(normal))
    by_normal = (by_normal - normal * (by_normal * normal).sum(1, keepdims=True)) / length
    rows = np.arange(len(points)) if rows is None else rows
    row = np.full(len(points), -1)
    row[rows] = np.arange(len(rows))
    by_unknowns = np.zeros((len(rows), len(x)), np.float32)
    pull_back(points, samples.triangles, by_normal, by_camera @ matrix, change, row, by_unknowns)
    by_unknowns[:, lay.log_focal] += (image * slope).sum(1)[rows, None]
    return Shown(values, by_unknowns, (-bright * basis)[rows])


def change_of(samples: SkinSamples, x: np.ndarray) -> np.ndarray:
    """[3 M, K] float32: how the samples' places change with the unknowns at x [K]."""
    return samples.model.points_and_jacobian(x)[1].reshape(-1, len(x)).astype(np.float32)


def seen_well(samples: SkinSamples, view: View, x: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[M] in [0, 1]: which samples, at points [M, 3], the picture shows squarely, with all neighbours in front."""
    from render.camera import project

    camera = view.camera(float(np.exp(x[samples.model.layout.log_focal][0])))
    front = visible(project(points, camera), points, samples.triangles, camera)
    hidden = np.zeros(len(points))
    np.maximum.at(hidden, samples.triangles, (1 - front)[samples.triangles].max(1, keepdims=True))
    facing = (unit(samples.normals(points)) * view.sight(points)).sum(1)
    return (1 - hidden) * smooth_step(facing, *FACING) * samples.used
