"""A fitted head against a made person of another topology, at the places of the face that both have."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from flame_tools.surface.alignment import align
from flame_tools.surface.correspondence import correspond
from flame_tools.surface.embedding import at_vertices
from flame_tools.surface.nearest import Surface
from flame_tools.types import HeadArrays
from recon.fitting.certainty import place_covariance
from recon.fitting.landmark_model import LandmarkModel
from recon.synthetic.measures import surface_distance

CERTAIN = 0.5  # least confidence of the correspondence
RIDGE = 0.02  # mm^2, the variance of a coordinate in the bound: keeps identities near where the face says nothing


@dataclass(frozen=True)
class Placed:
    """A fit's face at the places that are compared, in its head's own frame, metres."""

    neutral: np.ndarray  # [n, 3]
    expressed: np.ndarray  # [n, 3]
    jacobian: np.ndarray  # [n, 3, K] of `expressed` by the unknowns of the fit


class Comparison:
    """The vertices of the fitted head's `face` region, and where they lie on the head of the truth."""

    def __init__(self, fitted: HeadArrays, true: HeadArrays):
        """Registers the two heads where the cache does not hold it: some seconds."""
        self._map = correspond(true, fitted)
        face = fitted.regions["face"]
        self.vertices = face[self._map.confidence[face] > CERTAIN]  # [n]
        places = at_vertices(fitted.faces, self.vertices)
        here = dataclasses.replace(fitted, landmarks={**fitted.landmarks, "face": places})
        self._model = LandmarkModel(here, ("face",))
        row = np.full(len(fitted.v_template), -1)
        row[self.vertices] = np.arange(len(self.vertices))
        own = row[fitted.faces]
        self._own_faces = own[(own >= 0).all(1)]
        skin = [k for k, name in enumerate(true.materials) if name in ("skin", "lips")]
        self._faces, self._skin = true.faces, np.isin(true.face_material, skin)
        self.mean = fitted.v_template[self.vertices].astype(np.float64)  # [n, 3] the mean face
        self._shapes = fitted.shapedirs[self.vertices].astype(np.float64)

    def surface(self, neutral: np.ndarray) -> Surface:
        """The skin of a true face [V, 3]."""
        return Surface(neutral, self._faces, face_mask=self._skin)

    def places(self, vertices: np.ndarray) -> np.ndarray:
        """Where the compared vertices lie on a true face [V, 3]: [n, 3]."""
        return self._map.values(np.asarray(vertices, np.float64))[self.vertices]

    def displacement(self, truth) -> np.ndarray:
        """[n, 3] how a Truth's expression moves them, in the fitted head's frame, metres."""
        return self._map.carry(truth.expressed - truth.neutral)[self.vertices]

    def placed(self, unknowns: np.ndarray) -> Placed:
        """The face of fitted unknowns [K], head pose undone."""
        lay = self._model.layout
        still = unknowns.copy()
        still[lay.rotation], still[lay.translation] = 0, 0
        rest = np.zeros(lay.size)
        rest[lay.shape] = unknowns[lay.shape]
        expressed, jacobian = self._model.points_and_jacobian(still)
        return Placed(self._model.points(rest), expressed, jacobian)

    def errors_and_covariance(self, placed: Placed, truth, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Errors [n, 3] in the fitted head's frame, rigidly aligned, and the covariance [n, 3, 3] that a fit whose
        unknowns have deviations `sd` [K] expects of them."""
        true = self.places(truth.expressed)
        errors = placed.expressed - align(true, placed.expressed, kind="rigid")(true)
        return errors, place_covariance(placed.jacobian, sd, placed.expressed)

    def normals(self, points: np.ndarray) -> np.ndarray:
        """[n, 3] unit normals of the compared face, lying at `points` [n, 3]."""
        return Surface(points, self._own_faces).vertex_normals

    def best_neutral(self, neutral: np.ndarray, *, kind: str = "similarity") -> np.ndarray:
        """[n, 3] the nearest that the fitted head's identities come to a true face: the bound of any fit."""
        surface, pairs = self.surface(neutral), self.places(neutral)
        found, targets = self.mean, pairs
        basis = self._shapes.reshape(-1, self._shapes.shape[2])
        normal = basis.T @ basis + RIDGE * 1e-6 * np.eye(basis.shape[1])
        for step in range(20):
            moved = align(found, targets, kind=kind)
            targets = pairs if step < 10 else surface.nearest(moved(found)).points
            wanted = moved.inverse()(targets)
            found = self.mean + self._shapes @ np.linalg.solve(normal, basis.T @ (wanted - self.mean).ravel())
        return found

    def neutral_errors(
        self, points: np.ndarray, neutral: np.ndarray, surface: Surface | None = None
    ) -> dict[str, float]:
        """Mean distance in mm of a neutral face [n, 3] to the true one [V, 3], by kind of alignment."""
        surface = surface or self.surface(neutral)
        places = self.places(neutral)
        return {
            kind: 1000 * float(surface_distance(points, surface, places, kind=kind).mean())
            for kind in ("similarity", "rigid")
        }
