"""Refine a landmark fit by what pictures show of the skin: shading in one, in several what moves between them.

All unknowns of `recon.fit.fit_many` and each picture's light at once, by Levenberg-Marquardt on the landmark terms and
priors that are there already and on the logarithm of the albedo (recon.photometric_residuals) at every sample of the
skin. An albedo is a few smooth fields over the face plus a number of each sample, shared by the pictures and known a
priori to within `albedo_sd`: it is eliminated in closed form (variable projection; Golub and Pereyra 1973), so that of
one picture only shading remains, less sure for it, and of several mostly how they match.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.blas import one_blas_thread
from flame_tools.types import HeadArrays
from recon.fit import LandmarkFit
from recon.landmark_model import LandmarkModel
from recon.least_squares import Problem, expand, total_cost
from recon.light import RIDGE, fit_light, harmonics
from recon.observation import USUAL, FitOptions, Observation
from recon.photometric_residuals import FLOOR, Blurred, Shown, blurred, change_of, seen_well, shown
from recon.residuals import eye_distance, landmark_problem
from recon.skin_samples import SkinSamples, skin_samples
from recon.surface import unit

LEAST_WEIGHT = 1e-3  # of a sample, to be looked at


@dataclass(frozen=True)
class PhotometricOptions:
    """How a refinement weighs what pictures show. Albedo and light are in natural logarithms."""

    noise: float = 0.06
    """Standard deviation of a sample in one picture: what no light of nine harmonics explains."""
    albedo_sd: float = 0.15
    """Of a sample's albedo about the smooth fields."""
    field_sd: float = 0.1
    """Of each smooth field."""
    light_sd: float = 0.3
    """Of a light's coefficients over its level, about the light that is found on the start."""
    samples_alike: float = 8.0
    """How many neighbouring samples err as one."""
    cauchy: float = 2.0
    """Samples beyond this many standard deviations lose their pull: hair, hands, highlights, shadows."""
    scales: tuple[float, ...] = (0.06, 0.03)
    """Blurs (SD) from coarse to fine, as shares of the distance between the eyes."""
    steps: int = 4
    """Most steps at each scale."""


@dataclass(frozen=True, eq=False)
class Refined:
    """Refined fits and what they rest on."""

    fits: list[LandmarkFit]
    light: np.ndarray  # [T, 9] grey: log of the blurred picture = log albedo + log(hollow * harmonics @ light)
    weights: np.ndarray  # [T, M] in [0, 1]: how far each sample of each picture was believed
    cost: tuple[float, float]  # at the finest scale, before and after


@one_blas_thread()
def refine(
    head: HeadArrays,
    model: LandmarkModel,
    images: Sequence[np.ndarray],  # T, each [H, W, 3] uint8 sRGB
    seen: Sequence[Observation],  # T
    fits: Sequence[LandmarkFit],  # T, of `recon.fit.fit_many`
    *,
    shared: np.ndarray,  # [K] bool: unknowns that are one for all pictures
    alike: float | None = None,  # FitOptions.alike
    options: FitOptions = USUAL,
    photometric: PhotometricOptions = PhotometricOptions(),
) -> Refined:
    """Fits of T pictures of one person, refined together."""
    joint = _Joint(head, model, images, seen, np.stack([f.unknowns for f in fits]), shared, options, photometric)
    for share in photometric.scales:
        joint.look(share)
        before = joint.cost()
        joint.descend(photometric.steps)
    return joint.result(before)


class _Joint:
    """All unknowns of T pictures in one vector: shared ones, each picture's own, each one's light, fields of albedo."""

    def __init__(self, head, model, images, seen, start, shared, options, photometric):
        self.head, self.model, self.images, self.seen = head, model, images, seen
        self.options, self.how = options, photometric
        self.samples: SkinSamples = skin_samples(head)
        count, size = start.shape
        own = np.flatnonzero(~shared)
        border = int(shared.sum())
        self.place = np.empty((count, size), int)  # of each picture's unknowns in the vector
        self.place[:, shared] = np.arange(border)
        self.place[:, own] = border + np.arange(count * len(own)).reshape(count, -1)
        self.lights = border + count * len(own) + np.arange(count * 9).reshape(count, 9)
        self.smooth = _fields(self.samples)
        self.fields = self.lights.max() + 1 + np.arange(self.smooth.shape[1])
        self.z = np.zeros(self.fields.max() + 1)
        for place, x in zip(self.place, start, strict=True):
            self.z[place] = x
        lay = model.layout
        fewer = np.where(shared, 1 + (count - 1) * options.alike, 1.0)
        fewer[lay.log_focal] = count if shared[lay.log_focal].all() else 1
        self.fewer, self.shared = fewer, shared
        problems = [landmark_problem(head, model, s, x, options)[0] for s, x in zip(seen, start, strict=True)]
        self.problems = [dataclasses.replace(p, sd=p.sd / np.sqrt(fewer)) for p in problems]
        sd = np.where(shared, np.inf, 1.0)
        self.problems[1:] = [dataclasses.replace(p, sd=np.where(shared, sd, p.sd)) for p in self.problems[1:]]
        self.low, self.high = np.full(len(self.z), -np.inf), np.full(len(self.z), np.inf)
        for place, problem in zip(self.place[::-1], self.problems[::-1], strict=True):
            self.low[place], self.high[place] = problem.low, problem.high
        self.pictures: list[Blurred] = []
        self.around: np.ndarray | None = None  # lights and their precision

    def look(self, share: float) -> None:
        """Blur the pictures, find what is visible, and on the first look the lights."""
        first = self.around is None
        self.pictures, weights = [], []
        for image, s, place in zip(self.images, self.seen, self.place, strict=True):
            x = self.z[place]
            self.pictures.append(blurred(image, s.landmarks, eye_distance(self.model, x, s), share))
            weights.append(seen_well(self.samples, s.view, x))
        self.visible = np.stack(weights)
        if first:
            self._first_lights()
        self.robust = self._robust(self._values(self.z))
        self.change = [change_of(self.samples, self.z[place]).astype(np.float32) for place in self.place]

    def _first_lights(self) -> None:
        samples = self.samples
        self.around = np.zeros(len(self.z))
        self.precision = np.zeros(len(self.z))
        ridge = np.array(RIDGE) / RIDGE[-1]
        for picture, s, place, light, w in zip(
            self.pictures, self.seen, self.place, self.lights, self.visible, strict=True
        ):
            points = samples.model.points(self.z[place])
            focal = float(np.exp(self.z[place][self.model.layout.log_focal][0]))
            grey = np.exp(picture.at(s.view.project(points, focal))[:, :1])
            self.z[light] = fit_light(unit(samples.normals(points)), grey, w * samples.plain + 1e-6)[:, 0]
            self.around[light] = self.z[light]
            self.precision[light] = ridge / (self.how.light_sd * max(self.z[light][0], FLOOR)) ** 2
        self.precision[self.lights[:, 0]] = 0  # exposure is free
        self.precision[self.fields] = self.how.field_sd**-2.0

    def _values(self, z: np.ndarray) -> np.ndarray:
        """[T, M] log albedo less the smooth fields."""
        looks = [
            shown(self.samples, picture, s.view, z[place], z[light]).values
            for picture, s, place, light in zip(self.pictures, self.seen, self.place, self.lights, strict=True)
        ]
        return np.stack(looks) - self.smooth @ z[self.fields]

    def _robust(self, off: np.ndarray) -> np.ndarray:
        """[T, M] weights of Cauchy's cost of `_values`, about each sample's own albedo as the pictures tell it."""
        prior = (self.how.noise / self.how.albedo_sd) ** 2
        weights = self.visible
        for _ in range(3):
            albedo = (weights * off).sum(0) / (weights.sum(0) + prior)
            squared = ((off - albedo) / self.how.noise) ** 2 + (albedo / self.how.albedo_sd) ** 2
            weights = self.visible / (1 + squared / self.how.cauchy**2)
        return weights

    def _unit(self) -> float:
        return 1 / (self.how.noise**2 * self.how.samples_alike)

    def _photometric_cost(self, z: np.ndarray) -> float:
        off = self._values(z)
        total, prior = self.robust.sum(0), (self.how.noise / self.how.albedo_sd) ** 2
        squares = (self.robust * off**2).sum(0) - (self.robust * off).sum(0) ** 2 / (total + prior)
        return float(squares.sum()) * self._unit()

    def cost(self, z: np.ndarray | None = None) -> float:
        z = self.z if z is None else z
        landmarks = sum(total_cost(p, z[place]) for p, place in zip(self.problems, self.place, strict=True))
        apart = z - self.around
        return landmarks + self._photometric_cost(z) + float((self.precision * apart**2).sum())

    def expanded(self) -> tuple[np.ndarray, np.ndarray]:
        """Gradient [G] and Gauss-Newton Hessian [G, G] of half the cost."""
        size = len(self.z)
        gradient, hessian = self.precision * (self.z - self.around), np.diag(self.precision)
        for problem, place in zip(self.problems, self.place, strict=True):
            _, slope, matrix = expand(problem, self.z[place])
            gradient[place] += slope
            hessian[np.ix_(place, place)] += matrix
        off = self._values(self.z)
        self.robust = self._robust(off)
        used = np.flatnonzero(self.robust.max(0) > LEAST_WEIGHT)
        prior, scale = (self.how.noise / self.how.albedo_sd) ** 2, self._unit()
        total = self.robust[:, used].sum(0) + prior
        albedo = (self.robust * off)[:, used].sum(0) / total
        mean = np.zeros((len(used), size), np.float32)
        views = zip(self.pictures, self.seen, self.change, self.robust, off, self.place, self.lights, strict=True)
        for picture, s, change, weights, values, place, light in views:
            mine = np.flatnonzero(weights[used] > LEAST_WEIGHT)
            look = shown(self.samples, picture, s.view, self.z[place], self.z[light], change, used[mine])
            rows = np.concatenate([look.by_unknowns, look.by_light, -self.smooth[used[mine]]], 1).astype(np.float32)
            weighted = rows * weights[used[mine], None].astype(np.float32)
            at = np.concatenate([place, light, self.fields])
            gradient[at] += scale * weighted.T @ (values[used[mine]] - albedo[mine])
            hessian[np.ix_(at, at)] += scale * (rows.T @ weighted)
            mean[np.ix_(mine, at)] += weighted
        hessian -= scale * (mean.T @ (mean / total[:, None].astype(np.float32)))
        return gradient, hessian

    def descend(self, steps: int) -> None:
        damping = 1e-3
        for _ in range(steps):
            gradient, hessian = self.expanded()
            cost = self.cost()
            free = ~(((self.z <= self.low) & (gradient > 0)) | ((self.z >= self.high) & (gradient < 0)))
            gained = 0.0
            while damping < 1e6:
                matrix = hessian[np.ix_(free, free)]
                matrix = matrix + np.diag(damping * np.maximum(np.diag(matrix), 1e-12))
                trial = self.z.copy()
                trial[free] -= np.linalg.solve(matrix, gradient[free])
                trial = np.clip(trial, self.low, self.high)
                gained = cost - self.cost(trial)
                if gained > 0:
                    self.z, damping = trial, max(damping / 5, 1e-9)
                    break
                damping *= 5
            if gained < 1e-3 * cost:
                break

    def result(self, before: float) -> Refined:
        after = self.cost()
        gradient, hessian = self.expanded()
        free = ~(((self.z <= self.low) & (gradient > 0)) | ((self.z >= self.high) & (gradient < 0)))
        covariance = np.zeros_like(hessian)
        covariance[np.ix_(free, free)] = np.linalg.inv(hessian[np.ix_(free, free)])
        lay, fits = self.model.layout, []
        for s, place in zip(self.seen, self.place, strict=True):
            x = self.z[place]
            projected = s.view.project(
                self.model.points(x)[self.model.slices["468"]], float(np.exp(x[lay.log_focal][0]))
            )
            own = covariance[np.ix_(place, place)] * np.sqrt(self.fewer[:, None] * self.fewer)
            _, weights = landmark_problem(self.head, self.model, s, x, self.options)
            fits.append(
                LandmarkFit(lay, x, own, projected, eye_distance(self.model, x, s), weights, self.how.steps)
            )
        return Refined(fits, self.z[self.lights], self.robust, (before, after))


def _fields(samples: SkinSamples) -> np.ndarray:
    """[M, 9] smooth fields of albedo over the face: a slow polynomial, and what is not plain skin."""
    x, y = samples.places[:, 0], samples.places[:, 1]
    return np.stack([x, y, x * x - 0.3, x * y, y * y - 0.3, 1 - samples.plain], 1)
