"""Meshes of one topology brought to one frame: people onto their mean, each person's expressions onto their skull."""

from __future__ import annotations

import numpy as np

from flame_tools.surface.alignment import align
from flame_tools.surface.mesh_graph import vertex_areas
from flame_tools.types import NECK, HeadArrays

STILL_M = 1e-3  # what moves further than about this is soft tissue and counts less and less
ROUNDS = 8


def skull_weights(arrays: HeadArrays) -> np.ndarray:  # [V], sum 1
    """How much each vertex speaks for the skull: by area, where it turns with the skull alone."""
    weight = vertex_areas(np.asarray(arrays.v_template, np.float64), arrays.faces)
    weight = weight * np.clip(2.0 * arrays.weights[:, NECK] - 1.0, 0.0, None)
    for inside in ("mouth", "tongue", "eyes"):
        weight[np.asarray(arrays.regions.get(inside, ()), int)] = 0.0
    for bone in ("upper_teeth",):
        weight[np.asarray(arrays.regions.get(bone, ()), int)] *= 4.0
    return weight / weight.sum()


def people_together(
    neutrals: np.ndarray,  # [P, V, 3] metres
    template: np.ndarray,  # [V, 3] whose frame is wanted
    weights: np.ndarray,  # [V]
    rounds: int = 4,
) -> np.ndarray:  # [P, V, 3]
    """Generalised Procrustes analysis without scale (Gower 1975): people keep their size."""
    mean = np.asarray(template, np.float64)
    moved = neutrals
    for _ in range(rounds):
        moved = np.stack([align(one, mean, kind="rigid", weights=weights)(one) for one in neutrals])
        mean = moved.mean(0)
        mean = align(mean, template, kind="rigid", weights=weights)(mean)
    return moved.astype(neutrals.dtype)


def onto_skull(
    posed: np.ndarray,  # [V, 3] metres
    neutral: np.ndarray,  # [V, 3] of the same person
    weights: np.ndarray,  # [V] of skull_weights
) -> np.ndarray:  # [V, 3]
    """An expression moved rigidly so that what is bone stands where it does at rest.

    Iteratively reweighted: a vertex that is off by r counts 1 / (1 + (r / STILL_M)^2)^2 of its weight.
    """
    share, moved = weights, posed
    for _ in range(ROUNDS):
        moved = align(posed, neutral, kind="rigid", weights=share)(posed)
        away = ((moved - neutral) ** 2).sum(-1)
        share = weights / (1.0 + away / STILL_M**2) ** 2
    return moved.astype(posed.dtype)
