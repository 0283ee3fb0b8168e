"""Faces that people make, and more: ARKit weights drawn group by group, alike on both sides more often than not."""

from __future__ import annotations

import numpy as np

from flame_tools.arkit import ARKIT_NAMES, INDEX

# What is drawn together: the chance that a group moves at all, and how many of its motions at most.
GROUPS: tuple[tuple[float, int, tuple[str, ...]], ...] = (
    (0.5, 2, ("browDown", "browInnerUp", "browOuterUp")),
    (0.35, 1, ("eyeBlink", "eyeSquint", "eyeWide")),
    (0.45, 2, ("cheekPuff", "cheekSquint", *2 * ("noseSneer",))),
    (0.55, 1, ("jawOpen", "jawLeft", "jawRight", "jawForward")),
    (0.45, 2, ("mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch", "mouthPress")),
    (0.35, 2, ("mouthUpperUp", "mouthLowerDown", "mouthShrugLower", "mouthShrugUpper")),
    (0.45, 1, ("mouthFunnel", *2 * ("mouthPucker",), "mouthRollLower", "mouthRollUpper", "mouthClose")),
    (0.12, 1, ("mouthLeft", "mouthRight")),
)  # fmt: skip
NEUTRAL, ONE_SIDED = 0.1, 0.3  # shares of faces at rest, and of motions of one side more than the other
TONGUE, TONGUE_JAW = 0.07, (0.08, 0.5)  # share of tongues that are out, and how far the jaw makes way for them
AGAINST_TONGUE = ("mouthClose", "mouthPressLeft", "mouthPressRight", "mouthRollLower", "mouthRollUpper")


def random_weights(rng: np.random.Generator, *, tongue: float = TONGUE) -> np.ndarray:
    """[52] in [0, 1], in the order of ARKIT_NAMES; a share `tongue` with the tongue out."""
    weights = np.zeros(len(ARKIT_NAMES))
    _look(rng, weights)
    if rng.uniform() < NEUTRAL:
        return weights
    for chance, most, names in GROUPS:
        if rng.uniform() < chance:
            for name in rng.choice(names, int(rng.integers(1, most + 1)), replace=False):
                _set(rng, weights, str(name), rng.beta(1.2, 1.2))
    if rng.uniform() < tongue:
        weights[INDEX["tongueOut"]] = rng.beta(2.0, 1.2)
        weights[INDEX["jawOpen"]] = max(weights[INDEX["jawOpen"]], rng.uniform(*TONGUE_JAW))
        weights[[INDEX[name] for name in AGAINST_TONGUE]] = 0
    weights[INDEX["mouthClose"]] = min(weights[INDEX["mouthClose"]], weights[INDEX["jawOpen"]])
    return weights


def _look(rng: np.random.Generator, weights: np.ndarray) -> None:
    """Both eyes to one side, up or down; lids follow a look down."""
    across, up = np.clip(rng.normal(0, 0.3, 2), -0.9, 0.9) * (rng.uniform() < 0.7)
    for side, sign in (("Left", 1), ("Right", -1)):
        weights[INDEX[f"eyeLookOut{side}"]] = max(sign * across, 0)
        weights[INDEX[f"eyeLookIn{side}"]] = max(-sign * across, 0)
        weights[INDEX[f"eyeLookUp{side}"]] = max(up, 0)
        weights[INDEX[f"eyeLookDown{side}"]] = max(-up, 0)
        weights[INDEX[f"eyeBlink{side}"]] = np.clip(0.5 * max(-up, 0) + rng.normal(0.03, 0.05), 0, 1)


def _set(rng: np.random.Generator, weights: np.ndarray, name: str, value: float) -> None:
    if name in INDEX:
        weights[INDEX[name]] = value
        return
    sides = np.full(2, value) * np.clip(rng.normal(1, 0.07, 2), 0, None)
    if rng.uniform() < ONE_SIDED:
        sides[int(rng.integers(2))] *= rng.uniform(0, 0.6)
    for side, each in zip(("Left", "Right"), np.clip(sides, 0, 1), strict=True):
        weights[INDEX[name + side]] = each
