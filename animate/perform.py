"""Phones and prosody to a head's own parameters: every layer of the performance, put together once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from animate import headmotion
from animate.bearing import bearing_of
from animate.coarticulation import EARLY_S, articulate, early_vowels, grid, rest_envelope, sample
from animate.contact import closures, part, seal
from animate.emotion import during_speech, layer
from animate.emphasis import find_accents
from animate.eyes import Blink, brows, gaze, lid_closure, plan_blinks
from animate.labiodental import bite_of, bitten, holds
from animate.lids import Lids, blinked
from animate.life import USUAL, Life
from animate.manner import Manner
from animate.silences import silences
from animate.speech import Prosody
from animate.visemes import CHANNELS
from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.head import Head
from flame_tools.lips import Lips
from flame_tools.types import FaceParams, Intervals

_CHANNEL = {name: i for i, name in enumerate(CHANNELS)}
# Articulation channel -> ARKit weights of it; "X*" stands for XLeft and XRight.
_TO_ARKIT = {
    "jaw": {"jawOpen": 1.0},
    "pucker": {"mouthPucker": 1.0},
    "funnel": {"mouthFunnel": 1.0},
    "spread": {"mouthStretch*": 0.55, "mouthSmile*": 0.45, "mouthDimple*": 0.15},
    "upper": {"mouthUpperUp*": 1.0},
    "lower": {"mouthLowerDown*": 1.0},
    "roll": {"mouthRollLower": 1.0},
    "press": {"mouthPress*": 0.6, "mouthRollLower": 0.35, "mouthRollUpper": 0.45},
    "forward": {"jawForward": 1.0},
}
_TONGUE = {"tongue_up": "tongueUp", "tongue_back": "tongueBack", "tongue_teeth": "tongueBetweenTeeth"}
TONGUE = tuple(_TONGUE.values())
_PARTING = ("funnel", "upper", "lower", "spread")  # what would hold lips apart while they close


@dataclass(frozen=True)
class Spoken:
    """What speech and feeling do to a face, before chance adds blinks, glances and nods."""

    weights: np.ndarray  # [T, 52] ARKit weights in [0, 1]
    tongue: np.ndarray  # [T, 3] in [0, 1]: the tongue's shapes beyond ARKit's one, in the order of TONGUE


def speak(
    phones: Intervals,
    prosody: Prosody,
    times: np.ndarray,  # [T] seconds
    duration_s: float,
    feelings: np.ndarray,  # [8] or [T, 8] in [0, 1]
    *,
    lips: Lips,
    manner: Manner,
    early_s: float = EARLY_S,  # by which vowels after a pause open the mouth before they begin
) -> Spoken:
    """The mouth that says the phones, and the emotion over it, with lips that meet."""
    mouthed = early_vowels(phones, early_s)
    paths = sample(articulate(mouthed, prosody, duration_s), times) * manner.gains
    speaking = sample(rest_envelope(mouthed, grid(duration_s))[:, None], times)[:, 0]

    lips_wanted = closures(phones, times)
    for name in _PARTING:
        paths[:, _CHANNEL[name]] *= 1 - lips_wanted.hold
    closing = np.maximum(np.clip(paths[:, _CHANNEL["close"]], 0, 0.8), lips_wanted.hold)
    closing = np.minimum(closing, lips_wanted.limit)

    rounding = paths[:, _CHANNEL["pucker"]] + 0.5 * paths[:, _CHANNEL["funnel"]]
    felt = np.broadcast_to(layer(feelings), (len(times), len(ARKIT_NAMES)))
    weights = _join(_mouth(paths, manner.lean), during_speech(felt, speaking, rounding))
    tongue = np.clip(paths[:, [_CHANNEL[channel] for channel in _TONGUE]], 0.0, 1.0)
    met = part(seal(weights, closing, lips), lips_wanted, lips)
    return Spoken(bitten(met, holds(phones, times), lips_wanted.hold, bite_of(lips.person)), tongue)


def enliven(
    spoken: Spoken,
    phones: Intervals,  # what is said
    prosody: Prosody,
    times: np.ndarray,  # [T] seconds
    duration_s: float,
    feelings: np.ndarray,  # [8] or [T, 8] in [0, 1]: they carry the head, the eyes and the blinks
    *,
    head: Head,
    shape: torch.Tensor,  # [S]
    life: Life = USUAL,
    seed: int | tuple[int, ...] = 0,
) -> tuple[FaceParams, tuple[Blink, ...]]:
    """Blinks, gaze, brow flashes and head motion over what is said. Returns FaceParams over [T] and the blinks."""
    quiet = silences(phones)
    accents = find_accents(prosody)
    bearing = bearing_of(feelings, times, seed=seed)
    turn = life.head * (bearing.posture + bearing.moves[:, None] * headmotion.neck(times, prosody, accents, seed=seed))
    look = life.gaze * (gaze(times, quiet, away=_over(times, bearing.away), seed=seed) + bearing.look)
    look -= 0.9 * turn[:, :2]  # eyes hold their target while the head moves under them, all but a tenth
    ends = np.array([start for start, _ in quiet])
    pace = _over(times, life.blinks * bearing.blinks)
    blinks = plan_blinks(duration_s, ends, pace=pace, seed=seed) if life.blinks else ()
    flash = life.brows * brows(times, accents, seed=seed)
    weights = blinked(_flashed(spoken.weights, flash), lid_closure(blinks, times), look, Lids(head))

    eyes = np.zeros((len(times), 2, 3))
    eyes[..., :2] = np.clip(look, -0.35, 0.35)[:, None]
    return params_of(Spoken(weights, spoken.tongue), head, shape).replace(
        neck=torch.as_tensor(turn, dtype=torch.float32),
        eyes=torch.as_tensor(eyes, dtype=torch.float32),
    ), blinks


def _over(times: np.ndarray, values: np.ndarray) -> Callable[[float], float]:
    """Values [T] as a function of time."""
    return lambda at: float(np.interp(at, times, values))


def params_of(spoken: Spoken, head: Head, shape: torch.Tensor) -> FaceParams:
    """FaceParams [T] of a face that says this and holds its head and eyes still."""
    count = len(spoken.weights)
    params = to_params(torch.as_tensor(spoken.weights, dtype=torch.float32), head)
    expression = params.expression.clone()
    for name, column in zip(TONGUE, spoken.tongue.T, strict=True):
        if name in head.arrays.expression_names:  # a head without them keeps its tongue still
            at = head.arrays.expression_names.index(name)
            expression[:, at] = torch.as_tensor(column, dtype=torch.float32)
    still = torch.zeros(count, 3)
    return params.replace(shape=shape, global_rotation=still, translation=still, neck=still, expression=expression)


def _columns(name: str) -> list[int]:
    return [INDEX[name]] if name in INDEX else [INDEX[name[:-1] + side] for side in ("Left", "Right")]


def _mouth(paths: np.ndarray, lean: float) -> np.ndarray:
    """Articulation [T, C] to ARKit weights [T, 52], one side a little ahead of the other as in every speaker."""
    weights = np.zeros((len(paths), len(ARKIT_NAMES)))
    for channel, names in _TO_ARKIT.items():
        for name, share in names.items():
            for column, side in zip(_columns(name), (1 + lean, 1 - lean), strict=False):
                weights[:, column] += share * paths[:, _CHANNEL[channel]] * (side if name.endswith("*") else 1.0)
    return np.clip(weights, 0.0, 1.0)


def _flashed(weights: np.ndarray, flash: np.ndarray) -> np.ndarray:
    """Weights [T, 52] with brow flashes [T].

    Brows that a feeling draws down do not flash up, and those that it has raised rise by what is left.
    """
    out = weights.copy()
    drawn_down = 0.5 * (out[:, INDEX["browDownLeft"]] + out[:, INDEX["browDownRight"]])
    flash = np.clip(flash * (1 - drawn_down), 0.0, 1.0)
    for name, height in (("browOuterUpLeft", 0.34), ("browOuterUpRight", 0.34), ("browInnerUp", 0.40)):
        out[:, INDEX[name]] += height * flash * (1 - out[:, INDEX[name]])
    return np.clip(out, 0.0, 1.0)


def _join(mouth: np.ndarray, felt: np.ndarray) -> np.ndarray:
    """Speech and emotion [T, 52] together: weights add, and level off towards 1."""
    return 1 - (1 - mouth) * (1 - felt)
