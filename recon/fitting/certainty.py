"""How sure a fit is of parameters, and of places on the face.

Landmarks and priors tell standard deviations, by the normal equations, for people whom the head's identities can say.
Real ones are not quite so. Two numbers make up for it, chosen on made people of another topology (ICT-FaceKit, seeds 0
to 3 of benchmarks/recon_synthetic.py, which checks them on others): what pictures tell counts as though
landmarks erred by UNFAMILIAR as much, and every place on the face is off by BEYOND_M more, which no parameter says.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from flame_tools.errors import InputError, ShapeError
from flame_tools.kept import kept_with_head
from flame_tools.surface.embedding import at_vertices
from flame_tools.types import HeadArrays, Track
from recon.fitting.face_vector import face_vector
from recon.fitting.landmark_model import LandmarkModel

if TYPE_CHECKING:
    from flame_tools.head import Head

UNFAMILIAR = 2.0
BEYOND_M = 0.00125  # standard deviation of a coordinate


def widened(sd: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Deviations [K] by the normal equations -> those to tell, never beyond the priors' `usual` [K]; 0 stays."""
    known = usual**-2.0
    seen = np.maximum(np.maximum(sd, 1e-12) ** -2.0 - known, 0)
    return np.where(sd > 0, (known + seen / UNFAMILIAR**2 + 1e-300) ** -0.5, 0.0)


def vertex_std(track: Track, head: Head, frame: int = 0) -> np.ndarray:
    """Standard deviation of each vertex coordinate [V, 3] of one frame, metres, in the head's own frame.

    NaN outside the head's `face` region. The head's pose is not counted, nor what moves the whole face as one.
    Raises InputError for a track without standard deviations or of another head, and for a head without that region.
    """
    if "face" not in head.arrays.regions:
        raise InputError(f"head {head.arrays.id!r} has no region 'face'; a FLAME head has one with its FLAME_masks.pkl")
    if track.std is None:
        raise InputError("the track has no standard deviations; wanted one that was fitted to pictures")
    if track.head_id != head.arrays.id:
        raise InputError(f"the track is of head {track.head_id!r}, given {head.arrays.id!r}; use its own")
    model = face_model(head.arrays)
    at, sd = np.zeros((2, model.layout.size))  # no pose, no camera
    for vector, params in ((at, track.params), (sd, track.std)):
        vector[: model.layout.rotation.start] = face_vector(params.frame(frame))
    places, jacobian = model.points_and_jacobian(at)
    spread = place_covariance(jacobian, np.nan_to_num(sd), places)
    found = np.full((len(head.arrays.v_template), 3), np.nan)
    found[head.arrays.regions["face"]] = np.sqrt(np.einsum("nii->ni", spread))
    return found


@kept_with_head
def face_model(head: HeadArrays) -> LandmarkModel:
    """The vertices of the head's `face` region as landmarks, kept with the head."""
    places = at_vertices(head.faces, head.regions["face"])
    return LandmarkModel(dataclasses.replace(head, landmarks={"face": places}), ("face",))


def place_covariance(
    jacobian: np.ndarray,  # [n, 3, K] how the places move with the unknowns
    sd: np.ndarray,  # [K] of the unknowns
    places: np.ndarray,  # [n, 3] metres
    *,
    aligned: str | None = "rigid",  # or "similarity": what is not counted, as errors after that alignment; None: all is
    beyond: float = BEYOND_M,
) -> np.ndarray:
    """Covariance [n, 3, 3] of each place, metres^2, in the frame of the places."""
    n, _, k = jacobian.shape
    if sd.shape != (k,) or places.shape != (n, 3):
        raise ShapeError(
            f"deviations are {list(sd.shape)} and places {list(places.shape)}; "
            f"wanted [{k}] and [{n}, 3] as the Jacobian {list(jacobian.shape)} says"
        )
    moves = jacobian.reshape(3 * n, k) * sd
    if aligned is not None:
        free = np.linalg.qr(_alignment_moves(places, aligned))[0]
        moves = moves - free @ (free.T @ moves)
    moves = moves.reshape(n, 3, k)
    return moves @ moves.transpose(0, 2, 1) + beyond**2 * np.eye(3)


def _alignment_moves(places: np.ndarray, kind: str) -> np.ndarray:
    """[3 n, 6 or 7] how places move with small shifts, turns and, of a similarity, growth."""
    arms = places - places.mean(0)
    shifts = np.tile(np.eye(3), (len(places), 1))
    turns = np.stack([np.cross(axis, arms).ravel() for axis in np.eye(3)], 1)
    columns = [shifts, turns] + ([arms.ravel()[:, None]] if kind == "similarity" else [])
    return np.concatenate(columns, 1)
