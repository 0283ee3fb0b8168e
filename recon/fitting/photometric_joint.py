"""The cost that landmarks, priors and pictures put on all unknowns of several pictures at once, and its descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recon.fitting.least_squares import Problem, expand, free_of, total_cost
from recon.fitting.observation import Observation
from recon.fitting.photometric_residuals import FLOOR, Blurred, blurred, change_of, seen_well, shown
from recon.fitting.skin_samples import SkinSamples
from recon.texture.light import RIDGE, fit_light
from recon.texture.surface import unit

LEAST_WEIGHT = 1e-3  # of a sample, to be looked at
COVERED = 0.15  # samples trusted less lie under something, whose blurred rim reaches RINGS of triangles further
RINGS = 2
REACH = 2 * np.pi  # of a blur (SD^2): it errs as one over 4 pi, of which half, since `noise` is wide enough for tails


@dataclass(frozen=True)
class PhotometricOptions:
    """How a refinement weighs what pictures show. Albedo and light are in natural logarithms."""

    noise: float = 0.045
    """Standard deviation of a sample in one picture: what no light of nine harmonics explains. Between five pictures of
    one person 0.02 to 0.04 are left, in clips as in made pictures."""
    albedo_sd: float = 0.15
    """Of a sample's albedo about the smooth fields, on plain skin."""
    feature_sd: float = 0.6
    """The same on lips, brows and lids."""
    field_sd: float = 0.1
    """Of each smooth field."""
    light_sd: float = 0.3
    """Of a light's coefficients over its level, about the light that is found on the start."""
    alike: float = 4.0
    """How many neighbouring samples err as one in how even the albedo is: a blush or a shadow passes for shape. In how
    they match between pictures as many do as a blur reaches."""
    cauchy: float = 2.5
    """Samples beyond this many standard deviations lose their pull: hair, hands, highlights, shadows."""
    scales: tuple[float, ...] = (0.06, 0.03)
    """Blurs (SD) from coarse to fine, as shares of the distance between the eyes."""
    matched: float = 0.015
    """One more, of several pictures: spots and pores tell where each lies in all of them."""
    steps: int = 4
    """Most steps at each scale."""


USUAL_PHOTOMETRIC = PhotometricOptions()


class Joint:
    """All unknowns of T pictures in one vector: shared ones, each picture's own, each one's light, fields of albedo."""

    def __init__(
        self,
        samples: SkinSamples,
        images: Sequence[np.ndarray],  # T
        seen: Sequence[Observation],  # T
        problems: Sequence[Problem],  # T: landmarks and priors; those of what is shared in the first alone
        start: np.ndarray,  # [T, K]
        shared: np.ndarray,  # [K] bool
        how: PhotometricOptions,
    ):
        self.samples, self.images, self.seen, self.problems, self.how = samples, images, seen, problems, how
        count, size = start.shape
        own = np.flatnonzero(~shared)
        border = int(shared.sum())
        self.place = np.empty((count, size), int)  # of each picture's unknowns in the vector
        self.place[:, shared] = np.arange(border)
        self.place[:, own] = border + np.arange(count * len(own)).reshape(count, -1)
        self.lights = border + count * len(own) + np.arange(count * 9).reshape(count, 9)
        lay = samples.model.layout
        self.held = np.zeros(size, bool)  # unknowns of which pictures say nothing
        self.held[lay.eyes] = True
        # what is shared tells a near face from a long lens; in weak perspective it is the scale: depth is pinned
        one_lens = count > 1 and shared[lay.log_focal].any()
        self.held[lay.log_focal] = not (one_lens or any(s.view.weak for s in seen))
        self.smooth = _fields(samples)
        spread = how.feature_sd + samples.plain * (how.albedo_sd - how.feature_sd)
        # [M] how much it weighs that an albedo is near the fields, beside one look
        self.prior = (how.noise / spread) ** 2 / how.alike
        self.telling = np.full((count, 1), 1 / how.alike)  # how much a sample of a picture weighs
        self.fields = self.lights.max() + 1 + np.arange(self.smooth.shape[1])
        self.z = np.zeros(self.fields.max() + 1)
        for place, x in zip(self.place, start, strict=True):
            self.z[place] = x
        self.low, self.high = np.full(len(self.z), -np.inf), np.full(len(self.z), np.inf)
        for place, problem in zip(self.place[::-1], self.problems[::-1], strict=True):
            self.low[place], self.high[place] = problem.low, problem.high
        self.pictures: list[Blurred] = []
        self._places: dict[bytes, np.ndarray] = {}
        self.around: np.ndarray | None = None  # lights and fields a priori, and their precision
        self.steps = 0

    def look(self, share: float) -> None:
        """Blur the pictures, find what is visible, and on the first look the lights."""
        first = self.around is None
        self.pictures, weights = [], []
        for t, (image, s, place) in enumerate(zip(self.images, self.seen, self.place, strict=True)):
            self.pictures.append(blurred(image, s.landmarks, _eyes_apart(s), share))
            if len(self.images) > 1:
                self.telling[t] = 1 / (self.samples.density * REACH * self.pictures[t].share ** 2)
            x = self.z[place]
            weights.append(seen_well(self.samples, s.view, x, self._points(x)))
        self.visible = np.stack(weights) * self.telling
        if first:
            self._first_lights()
        unlike = self._robust(self._values(self.z)) < COVERED * self.visible
        self.visible = self.visible * ~self.samples.grown(unlike, RINGS)
        self.robust = self._robust(self._values(self.z))
        self.change = [change_of(self.samples, self.z[place]) for place in self.place]

    def _points(self, x: np.ndarray) -> np.ndarray:
        """[M, 3] the samples at unknowns x [K]; those of the last few are kept, since steps ask for them again."""
        key = x.tobytes()
        if key not in self._places:
            if len(self._places) >= 2 * len(self.place):
                self._places.clear()
            self._places[key] = self.samples.model.points(x)
        return self._places[key]

    def _first_lights(self) -> None:
        samples = self.samples
        self.around = np.zeros(len(self.z))
        self.precision = np.zeros(len(self.z))
        ridge = np.array(RIDGE) / RIDGE[-1]
        for picture, s, place, light, w in zip(
            self.pictures, self.seen, self.place, self.lights, self.visible, strict=True
        ):
            points = self._points(self.z[place])
            focal = float(np.exp(self.z[place][samples.model.layout.log_focal][0]))
            grey = np.exp(picture.at(s.view.project(points, focal))[:, :1])
            self.z[light] = fit_light(unit(samples.normals(points)), grey, w * samples.plain + 1e-6)[:, 0]
            self.around[light] = self.z[light]
            self.precision[light] = ridge / (self.how.light_sd * max(self.z[light][0], FLOOR)) ** 2
        self.precision[self.lights[:, 0]] = 0  # exposure is free
        self.precision[self.fields] = self.how.field_sd**-2.0

    def _values(self, z: np.ndarray) -> np.ndarray:
        """[T, M] log albedo less the smooth fields."""
        looks = [
            shown(self.samples, picture, s.view, z[place], z[light], self._points(z[place])).values
            for picture, s, place, light in zip(self.pictures, self.seen, self.place, self.lights, strict=True)
        ]
        return np.stack(looks) - self.smooth @ z[self.fields]

    def _robust(self, off: np.ndarray) -> np.ndarray:
        """[T, M] weights of Cauchy's cost of `_values`, about each sample's own albedo as the pictures tell it."""
        prior = self.prior
        weights = self.visible
        for _ in range(3):
            albedo = (weights * off).sum(0) / (weights.sum(0) + prior)
            squared = ((off - albedo) / self.how.noise) ** 2 + (albedo / self.how.noise) ** 2 * prior
            weights = self.visible / (1 + squared / self.how.cauchy**2)
        return weights

    def _photometric_cost(self, z: np.ndarray) -> float:
        off = self._values(z)
        total, prior = self.robust.sum(0), self.prior
        squares = (self.robust * off**2).sum(0) - (self.robust * off).sum(0) ** 2 / (total + prior)
        return float(squares.sum()) / self.how.noise**2

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
        prior, scale = self.prior[used], 1 / self.how.noise**2
        total = self.robust[:, used].sum(0) + prior
        albedo = (self.robust * off)[:, used].sum(0) / total
        mean = np.zeros((len(used), size))
        views = zip(self.pictures, self.seen, self.change, self.robust, off, self.place, self.lights, strict=True)
        for picture, s, change, weights, values, place, light in views:
            mine = np.flatnonzero(weights[used] > LEAST_WEIGHT)
            x = self.z[place]
            look = shown(self.samples, picture, s.view, x, self.z[light], self._points(x), change, used[mine])
            look.by_unknowns[:, self.held] = 0
            rows = np.concatenate([look.by_unknowns, look.by_light, -self.smooth[used[mine]]], 1)
            weighted = rows * weights[used[mine], None]
            at = np.concatenate([place, light, self.fields])
            gradient[at] += scale * weighted.T @ (values[used[mine]] - albedo[mine])
            hessian[np.ix_(at, at)] += scale * (rows.T @ weighted)
            mean[np.ix_(mine, at)] += weighted
        hessian -= scale * (mean.T @ (mean / total[:, None]))
        return gradient, hessian

    def descend(self, steps: int) -> None:
        """Levenberg-Marquardt; the weights of samples are found anew at each step."""
        damping = 1e-3
        moving = np.ones(len(self.z), bool)
        moving[self.place[:, self.held]] = False
        for _ in range(steps):
            self.steps += 1
            gradient, hessian = self.expanded()
            cost = self.cost()
            free = free_of(self.z, gradient, self.low, self.high) & moving
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

    def covariance(self) -> np.ndarray:
        """[T, K, K] of each picture's unknowns; 0 where a bound holds."""
        gradient, hessian = self.expanded()
        free = np.flatnonzero(free_of(self.z, gradient, self.low, self.high))
        covariance = np.zeros_like(hessian)
        covariance[np.ix_(free, free)] = np.linalg.inv(hessian[np.ix_(free, free)])
        return np.stack([covariance[np.ix_(place, place)] for place in self.place])


def _eyes_apart(seen: Observation) -> float:
    """Pixels between the eyes, seen from the front: by the irises, or by their size where the head is turned."""
    return max(float(np.linalg.norm(seen.iris[0] - seen.iris[1])), 10.0 * float(seen.iris_radius.mean()))


def _fields(samples: SkinSamples) -> np.ndarray:
    """[M, 9] smooth fields of albedo over the face: a slow polynomial, and what is not plain skin."""
    x, y = samples.places[:, 0], samples.places[:, 1]
    return np.stack([x, y, x * x - 0.3, x * y, y * y - 0.3, 1 - samples.plain], 1)
