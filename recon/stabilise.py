"""The skull's rigid motion between meshes of one person with different expressions: what is left is the face itself.

Skin slides over bone everywhere, so no set of vertices stands still and aligning them all (Procrustes) takes part of an
expression for a motion of the head. Here expression and motion are explained together, by the head's own model: one
identity, an expression and a jaw for each mesh, and a rigid motion; what the model cannot express of the person goes
into a field of offsets that all frames share, and what it cannot express of a frame loses its weight. In the spirit of
Bednarik et al., "Learning to Stabilize Faces", 2024, with the model as the prior in the place of a trained network.
Metres and radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.rotations import matrix_from_axis_angle
from flame_tools.surface.alignment import Alignment, align
from flame_tools.types import FaceParams, HeadArrays
from recon.scan.registered import RegisteredOptions, fit_registered
from recon.scan.skin import ScanModel

NECK = 1  # the joint that carries the skull
STILL_M = 0.002  # vertices that expressions usually move by more than this say little about the skull
NOISE_M, ODD_M = 0.0005, 0.0015  # of meshes about the model; beyond the second a vertex loses its pull
OFFSET_ROUNDS = 2
EVERY = 3  # of the skin's vertices: a thousand tell as much as all


@dataclass(frozen=True)
class Stabilised:
    """Meshes of one person whose skull stands where it stands in the first of them."""

    motions: tuple[Alignment, ...]  # rigid, from each mesh to the first one's skull
    vertices: np.ndarray  # [T, V, 3] metres, moved by them
    params: FaceParams  # of the fits; shape [S], every other field [T, ...]
    offsets: np.ndarray  # [V, 3] metres: the person beside the identity components
    residual_mm: np.ndarray  # [T] mean over the skin of what the model leaves


def stabilise(meshes: np.ndarray, head: Head) -> Stabilised:
    """Take the skull's motion out of meshes [T, V, 3] in metres, in the head's topology."""
    meshes = np.asarray(meshes, np.float64)
    if meshes.ndim != 3 or len(meshes) < 2:
        raise InputError(f"meshes are {list(meshes.shape)}; wanted two or more of one person, [T, V, 3]")
    weights = stillness(head.arrays)
    used = weights > 0
    weights[np.setdiff1d(np.flatnonzero(used), np.flatnonzero(used)[::EVERY])] = 0
    options = RegisteredOptions(noise_m=NOISE_M, robust_m=ODD_M, neck=False)
    offsets = np.zeros(meshes.shape[1:])
    for _ in range(1 + OFFSET_ROUNDS):
        found = fit_registered(meshes, head, weights=weights, offsets=offsets, options=options)
        turns = matrix_from_axis_angle(found.params.global_rotation.double()).numpy()
        upright = np.einsum("tvb,tba->tva", found.residual, turns)  # into the frame of the skull
        offsets = offsets + np.where(used[:, None], np.median(upright, axis=0), 0.0)
    places = skull_places(found.params, head)
    motions = motions_from(places)
    moved = np.stack([motion(mesh) for motion, mesh in zip(motions, meshes, strict=True)])
    residual = 1000 * np.linalg.norm(found.residual[:, used], axis=-1).mean(1)
    return Stabilised(motions, moved, found.params, offsets, residual)


def stillness(arrays: HeadArrays) -> np.ndarray:
    """[V] in [0, 1]: how much each vertex says about the skull. Skin only; the inside is seldom captured."""
    skin = ScanModel(arrays)
    sd = np.asarray(arrays.expression_sd, np.float64)
    travel = np.sqrt(np.einsum("vce,e->v", np.asarray(arrays.expressiondirs, np.float64) ** 2, sd**2))
    weights = np.zeros(len(travel))
    share = skin.share / skin.share.max()
    weights[skin.vertices] = np.maximum(share, 0.05) / (1 + (travel[skin.vertices] / STILL_M) ** 2)
    weights[arrays.regions.get("neck", [])] = 0
    weights[arrays.regions.get("ears", [])] *= 0.3
    return weights


def skull_places(params: FaceParams, head: Head) -> list[Alignment]:
    """The rigid motion, of each frame, from the head's own frame to where its skull is, the neck's turn included."""
    head = Head(head.arrays, dtype=torch.float64)
    params = params.to(torch.float64)
    neutral = FaceParams.neutral(head).replace(shape=params.shape)
    before = head.skeleton(neutral)[0][NECK]
    joints, turns = head.skeleton(params)
    shifts = joints[:, NECK] - turns[:, NECK] @ before
    return [Alignment(turn, shift) for turn, shift in zip(turns[:, NECK].numpy(), shifts.numpy(), strict=True)]


def procrustes(meshes: np.ndarray, weights: np.ndarray) -> tuple[Alignment, ...]:
    """The usual way, for comparison: every mesh rigidly onto the first, all vertices with `weights` [V] together."""
    return tuple(align(mesh, meshes[0], kind="rigid", weights=weights) for mesh in meshes)


def motion_errors(
    found: tuple[Alignment, ...], true: tuple[Alignment, ...], middle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Degrees [T] and millimetres [T], at the point `middle` [3], by which motions differ."""
    degrees, millimetres = [], []
    for a, b in zip(found, true, strict=True):
        cosine = (np.trace(a.linear @ b.linear.T) - 1) / 2
        degrees.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
        there = b.inverse()(middle)  # the point of the mesh that truly ends at `middle`
        millimetres.append(1000 * np.linalg.norm(a(there) - middle))
    return np.array(degrees), np.array(millimetres)


def figures(found: Stabilised) -> dict:
    """The motions as plain numbers: how far each mesh's skull has turned and moved from the first one's."""
    turns = [np.degrees(np.arccos(np.clip((np.trace(m.linear) - 1) / 2, -1, 1))) for m in found.motions]
    middle = found.vertices[0].mean(0)
    shifts = [1000 * np.linalg.norm(motion.inverse()(middle) - middle) for motion in found.motions]
    return {
        "meshes": len(found.motions),
        "turn_deg": np.round(turns, 3).tolist(),
        "shift_mm": np.round(shifts, 3).tolist(),
        "residual_mm": round(float(found.residual_mm.mean()), 4),
    }


def errors_of(found: Stabilised, meshes: np.ndarray, params: FaceParams, head: Head) -> dict:
    """Mean errors of the motions where the true parameters are known, beside those of Procrustes alignment.

    The neck may turn in a track; its turns are part of the skull's motion.
    """
    true = motions_from(skull_places(params, head))
    middle = meshes[0][head.arrays.regions.get("face", slice(None))].mean(0)
    rows = {"error": found.motions, "procrustes": procrustes(meshes, (stillness(head.arrays) > 0).astype(float))}
    result = {}
    for name, motions in rows.items():
        degrees, millimetres = motion_errors(motions, true, middle)
        result |= {
            f"{name}_deg": round(float(degrees[1:].mean()), 4),
            f"{name}_mm": round(float(millimetres[1:].mean()), 4),
        }
    return result


def motions_from(places: list[Alignment]) -> tuple[Alignment, ...]:
    """From where the skulls are [T] to rigid motions onto the first."""
    return tuple(_after(places[0], place.inverse()) for place in places)


def _after(second: Alignment, first: Alignment) -> Alignment:
    return Alignment(second.linear @ first.linear, second(first.translation[None])[0])
