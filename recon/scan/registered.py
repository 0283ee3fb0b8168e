"""Meshes in the head's own topology to its parameters: one identity, and what each mesh adds to it, all at once.

With every vertex known nothing has to be searched for: identity and expression are linear once the pose is known, so a
few Gauss-Newton steps on all of it together end at the least-squares answer. The frames hang together by the identity
alone, which is eliminated last (Schur complement). Metres and radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.blas import one_blas_thread
from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.surface.alignment import Alignment
from flame_tools.types import FaceParams
from recon.scan.placing import align_robustly, place_in, root_joints, rotation_of

POSE_STEP = 1e-4  # radians, of the central differences by which rotations are differentiated
FREE_TURN_SD, EYE_SD, LID_SD, JAW_SD = 0.3, 0.3, 0.5, 0.2  # radians, shares; what is likely before a mesh is seen
COARSE, POLISH = 1200, 3  # vertices that a first fit looks at, and the steps with all of them after it
PART_SIZES = {"neck": 3, "jaw": 3, "eyes": 6, "eyelids": 2, "global_rotation": 3, "translation": 3}


@dataclass(frozen=True)
class RegisteredOptions:
    """How a registered fit weighs what it knows."""

    noise_m: float = 1e-4
    """Standard deviation of a vertex from the head that is being looked for."""
    robust_m: float | None = None
    """Vertices that are off by more lose their pull (Geman-McClure); None: all count alike."""
    neck: bool = True
    """Whether the neck may turn; without, the head's pose is all in the root."""
    steps: int = 25
    """Most Gauss-Newton steps."""


@dataclass(frozen=True)
class RegisteredFit:
    """Where a fit ended."""

    params: FaceParams  # shape [S], every other field [T, ...]
    residual: np.ndarray  # [T, V, 3] metres, mesh less head


def checked_meshes(meshes: np.ndarray, head: Head) -> np.ndarray:
    """Finite meshes [T, V, 3] in the head's own topology, as float64."""
    meshes = np.asarray(meshes, np.float64)
    count = len(head.v_template)
    if meshes.ndim != 3 or meshes.shape[1:] != (count, 3) or not len(meshes):
        raise ShapeError(f"meshes are {list(meshes.shape)}, but head {head.arrays.id!r} has [T, {count}, 3]")
    if not np.isfinite(meshes).all():
        raise InputError("the meshes hold NaN or infinite values; export them again")
    return meshes


@one_blas_thread()
def fit_registered(
    meshes: np.ndarray,  # [T, V, 3] metres, in any pose, numbered as the head
    head: Head,
    *,
    weights: np.ndarray | None = None,  # [V] how much each vertex counts
    offsets: np.ndarray | None = None,  # [V, 3] metres: what is known of the person beside the identity components
    options: RegisteredOptions = RegisteredOptions(),
) -> RegisteredFit:
    """One person's meshes to one identity and a frame each."""
    meshes = checked_meshes(meshes, head)
    person = _Person(head, offsets, options)
    weights = np.ones(len(head.v_template)) if weights is None else np.asarray(weights, np.float64)
    used = np.flatnonzero(weights > 0)
    places = [_first_place(mesh, person.rest) for mesh in meshes]
    local = np.stack([place(mesh) for place, mesh in zip(places, meshes, strict=True)])
    shape, frames = np.zeros(person.shapes), np.zeros((len(meshes), len(person.free)))
    steps = options.steps
    if len(used) > 2 * COARSE:  # a thousand vertices tell nearly all of it
        some = used[:: len(used) // COARSE]
        shape, frames = person.only(some).solve(local[:, some], weights[some], shape, frames, steps)
        steps = POLISH
    shape, frames = person.only(used).solve(local[:, used], weights[used], shape, frames, steps)
    params = person.params(shape, frames)
    with torch.no_grad():
        residual = local - person.head.vertices(params).numpy()
    residual = np.stack([r @ rotation_of(place) for r, place in zip(residual, places, strict=True)])
    roots = root_joints(params, person.head)
    placed = [place_in(params.frame(slice(t, t + 1)), roots[t], place.inverse()) for t, place in enumerate(places)]
    joined = {name: torch.cat([getattr(one, name) for one in placed]) for name in ("global_rotation", "translation")}
    return RegisteredFit(params.replace(**joined).to(head.v_template.dtype), residual)


def _first_place(mesh: np.ndarray, rest: np.ndarray) -> Alignment:
    """The rigid motion that brings a mesh near the head at rest."""
    return align_robustly(mesh, rest, np.ones(len(mesh)), width=0.006, kind="rigid")


class _Person:
    """A head in double precision, its unknowns as vectors, and their prior."""

    def __init__(self, head: Head, offsets: np.ndarray | None, options: RegisteredOptions):
        self.options = options
        self.head = Head(head.arrays, dtype=torch.float64)
        if offsets is not None:
            self.head = self.head._with(v_template=self.head.v_template + torch.as_tensor(offsets))
        self.rest = self.head.v_template.numpy()
        arrays = head.arrays
        self.shapes, self.expressions = head.shape_size, head.expression_size
        low, high = [arrays.expression_bounds[:, 0]], [arrays.expression_bounds[:, 1]]
        sd = [np.maximum(arrays.expression_sd, 1e-3)]
        free = [np.ones(self.expressions, bool)]
        scale = {"neck": FREE_TURN_SD, "jaw": JAW_SD, "eyes": EYE_SD, "eyelids": LID_SD}
        for name, size in PART_SIZES.items():
            bounded = name == "eyelids"
            low.append(np.full(size, 0.0 if bounded else -np.inf))
            high.append(np.full(size, 1.0 if bounded else np.inf))
            sd.append(np.full(size, scale.get(name, np.inf)))
            has = {"neck": options.neck, "eyelids": len(arrays.eyelid_vertices) > 0}
            free.append(np.full(size, has.get(name, True)))
        self.low, self.high, self.sd, self.free = map(np.concatenate, (low, high, sd, free))

    def only(self, vertices: np.ndarray) -> _Person:
        import copy

        small = copy.copy(self)
        small.head = self.head.only(torch.as_tensor(vertices))
        return small

    def params(self, shape: np.ndarray, frames: np.ndarray) -> FaceParams:
        """Shape [S] or [n, S] and vectors [n, P] of everything else as parameters."""
        frames = torch.as_tensor(frames)
        expression, *parts = frames.split([self.expressions, *PART_SIZES.values()], -1)
        fields = dict(zip(PART_SIZES, parts, strict=True))
        fields["eyes"] = fields["eyes"].unflatten(-1, (2, 3))
        return FaceParams(shape=torch.as_tensor(shape), expression=expression, **fields)

    def linearised(self, shape: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices [3 n] and their derivatives [3 n, S + P]: the head is affine in most of it, so differences do."""
        s, p = self.shapes, len(frame)
        linear = np.concatenate(
            [np.eye(s + self.expressions), np.zeros((s + self.expressions, p - self.expressions))], 1
        )
        poses = np.eye(p)[self.expressions :]
        steps = np.concatenate([np.full(p - self.expressions - 3, POSE_STEP), np.ones(3)])[:, None]
        poses = np.concatenate([np.zeros((len(poses), s)), poses * steps], 1)
        moves = np.concatenate([np.zeros((1, s + p)), linear, poses, -poses]) + np.concatenate([shape, frame])
        with torch.no_grad():
            found = self.head.vertices(self.params(moves[:, :s], moves[:, s:])).flatten(1).numpy()
        middle, straight, ahead, behind = np.split(found, np.cumsum([1, len(linear), len(poses)]))
        return middle[0], np.concatenate([straight - middle, (ahead - behind) / (2 * steps)]).T

    def solve(
        self, local: np.ndarray, weights: np.ndarray, shape: np.ndarray, frames: np.ndarray, steps: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Shape [S] and frames [T, P], from a start, for meshes [T, n, 3] that lie near the head at rest."""
        s, frames, last = self.shapes, frames.copy(), np.inf
        start = self.options.steps - steps  # a polish does not widen what counts as an outlier again
        for step in range(start, start + steps):
            cost = (shape**2).sum()
            top, right = np.eye(s), -shape
            kept = []
            for t, mesh in enumerate(local):
                vertices, jacobian = self.linearised(shape, frames[t])
                off = mesh.ravel() - vertices
                share, price = self._shares(off.reshape(-1, 3), weights, step)
                cost += price + ((frames[t] / self.sd) ** 2).sum()
                scaled = jacobian * share.repeat(3)[:, None]
                normal, pull = scaled.T @ jacobian, scaled.T @ off
                prior = self.sd**-2.0
                normal[s:, s:] += np.diag(prior)
                pull[s:] -= prior * frames[t]
                stuck = (frames[t] <= self.low) & (pull[s:] < 0) | (frames[t] >= self.high) & (pull[s:] > 0)
                free = np.flatnonzero(self.free & ~stuck)
                mixed, own = normal[:s, s + free], normal[np.ix_(s + free, s + free)]
                solved = np.linalg.solve(
                    own + 1e-9 * np.diag(np.diag(own)), np.concatenate([mixed.T, pull[s + free, None]], 1)
                )
                kept.append((free, solved))
                top = top + normal[:s, :s] - mixed @ solved[:, :-1]
                right = right + pull[:s] - mixed @ solved[:, -1]
            if step > start + 2 and abs(last - cost) < 1e-6 * cost:
                break
            last = cost
            change = np.linalg.solve(top, right) if s else np.zeros(0)
            shape = shape + change
            for t, (free, solved) in enumerate(kept):
                frames[t, free] += solved[:, -1] - solved[:, :-1] @ change
                frames[t] = np.clip(frames[t], self.low, self.high)
        return shape, frames

    def _shares(self, off: np.ndarray, weights: np.ndarray, step: int) -> tuple[np.ndarray, float]:
        """How much each vertex counts [n], over the noise's variance, and what the residuals [n, 3] cost."""
        squared = (off**2).sum(1)
        share = weights / self.options.noise_m**2
        if self.options.robust_m is not None:
            # wide at first: where all is off nothing is an outlier
            width = max(self.options.robust_m, 0.01 * 0.5**step)
            share = share / (1 + squared / width**2) ** 2
        return share, float((share * squared).sum())
