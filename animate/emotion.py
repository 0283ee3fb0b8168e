"""Emotions as layers of facial action: the eight that EMOTE knows, any intensity, any mix, constant or over time.

Each emotion is the set of action units that FACS research finds in its prototype (Ekman & Friesen 1978; Du, Tao &
Martinez 2014, table 1), and each action unit is the ARKit weights that show it. Contempt's brow on the other side is an
animator's habit, not a finding: it keeps a smirk from being read as a smile. Mixes join by 1 - (1 - a)(1 - b), so
that two emotions which share a unit strengthen it and never exceed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import numpy as np

from flame_tools.arkit import ARKIT_NAMES, INDEX
from flame_tools.errors import InputError

EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")
_ALSO = {
    "happiness": "happy", "joy": "happy", "sadness": "sad", "surprised": "surprise", "fearful": "fear",
    "afraid": "fear", "disgusted": "disgust", "angry": "anger", "contemptuous": "contempt",
}  # fmt: skip

# Action unit -> ARKit weights at full strength; "X*" stands for XLeft and XRight.
ACTION_UNITS: dict[str, dict[str, float]] = {
    "1": {"browInnerUp": 1.0},
    "2": {"browOuterUp*": 0.95},
    "4": {"browDown*": 1.0, "noseSneer*": 0.25},  # the corrugator draws the inner ends further in than browDown does
    "5": {"eyeWide*": 1.0},
    "6": {"cheekSquint*": 0.95, "eyeSquint*": 0.35},
    "7": {"eyeSquint*": 1.0},
    "9": {"noseSneer*": 1.0, "mouthUpperUp*": 0.12},
    "10": {"mouthUpperUp*": 0.65, "mouthShrugUpper": 0.25},
    "12": {"mouthSmile*": 0.95},
    "14": {"mouthDimple*": 0.70},
    "15": {"mouthFrown*": 1.0},
    "16": {"mouthLowerDown*": 0.40},
    "17": {"mouthShrugLower": 0.75},
    "20": {"mouthStretch*": 1.0},
    "23": {"mouthPress*": 0.60, "mouthRollLower": 0.20, "mouthRollUpper": 0.18},
    "26": {"jawOpen": 0.25},
    "29": {"jawForward": 0.50},
    "43": {"eyeBlink*": 0.25},
    "L2": {"browOuterUpLeft": 0.50},
    "R10": {"mouthUpperUpRight": 0.10, "noseSneerRight": 0.30},
    "R12": {"mouthSmileRight": 0.70, "mouthRight": 0.08},
    "R14": {"mouthDimpleRight": 1.0, "cheekSquintRight": 0.40},
}
# Emotion -> action units and their strength at intensity 1
PROTOTYPES: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {"6": 0.90, "12": 0.95, "1": 0.08, "2": 0.08},
    "sad": {"1": 1.0, "4": 0.45, "15": 1.0, "17": 0.55, "43": 0.65, "7": 0.10},
    "surprise": {"1": 1.0, "2": 1.0, "5": 0.90, "26": 1.0},
    "fear": {"1": 1.0, "2": 0.65, "4": 0.40, "5": 1.0, "20": 1.0, "16": 0.60, "26": 0.60},
    "disgust": {"9": 1.0, "10": 1.0, "4": 0.15, "6": 0.30, "7": 0.15, "16": 0.30, "17": 0.45},
    "anger": {"4": 1.0, "5": 0.60, "7": 0.80, "23": 1.0, "9": 0.30, "17": 0.50, "29": 0.40},
    "contempt": {"R12": 1.0, "R14": 1.0, "R10": 0.80, "L2": 0.60, "43": 0.50},
}
_MOVES_LIPS = ("mouth", "jaw", "tongue", "cheekPuff", "noseSneer")
MOUTH = tuple(i for i, name in enumerate(ARKIT_NAMES) if name.startswith(_MOVES_LIPS))


def parse(spec: str | Mapping[str, float] | np.ndarray | None) -> np.ndarray:
    """Intensities [8] in [0, 1] in the order of EMOTIONS, or [T, 8] where an array over frames was given.

    `spec` is "happy", "happy:0.8,surprise:0.2", a dict, an array, or None for neutral.
    """
    if spec is None:
        return np.zeros(len(EMOTIONS))
    if isinstance(spec, str):
        pairs = [_pair(part) for part in spec.split(",") if part.strip()]
        if not pairs:
            raise InputError(f"emotion {spec!r} names none; write it like happy:0.8, or leave it out for neutral")
    elif isinstance(spec, Mapping):
        pairs = list(spec.items())
    else:
        values = _numbers(spec)
        if values.ndim not in (1, 2) or values.shape[-1] != len(EMOTIONS):
            raise InputError(
                f"emotion is {list(values.shape)}, wanted [8] or [T, 8] in the order {', '.join(EMOTIONS)}"
            )
        return checked(values)
    named: dict[str, float] = {}
    for name, intensity in pairs:
        emotion = emotion_named(name)
        if emotion in named:
            raise InputError(f"emotion {spec!r} names {emotion} twice; write each once, as in happy:0.8,surprise:0.2")
        named[emotion] = _number(name, intensity)
    return checked(np.array([named.get(emotion, 0.0) for emotion in EMOTIONS]))


def emotion_named(name: object) -> str:
    """The one of EMOTIONS that a name stands for, as "joy" for "happy". Raises InputError for an unknown one."""
    asked = str(name).strip().lower()
    known = _ALSO.get(asked, asked)
    if known not in EMOTIONS:
        near = get_close_matches(asked, [*EMOTIONS, *_ALSO], 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        if "=" in asked:
            meant = "; an intensity follows a colon, as in happy:0.8"
        raise InputError(f"emotion {name!r} is unknown; there are: {', '.join(EMOTIONS)}{meant}")
    return known


def _numbers(spec: object) -> np.ndarray:
    try:
        return np.asarray(spec, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"emotion is a {type(spec).__name__} that holds no numbers; write it like happy:0.8, or give an array [8]"
        ) from None


def _number(name: object, intensity: object) -> float:
    try:
        return float(intensity)
    except (TypeError, ValueError):
        raise InputError(
            f"emotion {name!r} has intensity {intensity!r}, wanted a number from 0 to 1; write it like happy:0.8"
        ) from None


def _pair(part: str) -> tuple[str, float]:
    name, *numbers = part.split(":")
    if len(numbers) > 1:
        raise InputError(
            f"emotion {part.strip()!r} has {len(numbers)} intensities, wanted one; write it like happy:0.8,surprise:0.2"
        )
    try:
        return name, float(numbers[0]) if numbers else 1.0
    except ValueError:
        raise InputError(
            f"emotion {part.strip()!r} has no number after the colon; write it like happy:0.8,surprise:0.2"
        ) from None


def checked(values: np.ndarray) -> np.ndarray:
    """Intensities as they are. Raises InputError where one is not in [0, 1]."""
    bad = int(np.size(values) - np.isfinite(values).sum())
    if bad:
        raise InputError(f"{bad} of the emotion's intensities are NaN or infinite, wanted [0, 1]")
    if values.size and (values.min() < 0 or values.max() > 1):
        worst = np.argmax(np.abs(values - 0.5))
        name = EMOTIONS[worst % len(EMOTIONS)]
        raise InputError(f"emotion {name} is {values.flat[worst]:g}, wanted 0 to 1, such as {name}:0.7")
    return values


def layer(intensities: np.ndarray) -> np.ndarray:
    """ARKit weights [..., 52] of a face that feels `intensities` [..., 8] and says nothing."""
    intensities = np.asarray(intensities, dtype=np.float64)
    remaining = np.ones((*intensities.shape[:-1], len(ARKIT_NAMES)))
    for e, emotion in enumerate(EMOTIONS):
        remaining = remaining * (1 - intensities[..., e, None] * _prototype(emotion))
    return 1 - remaining


def _prototype(emotion: str) -> np.ndarray:
    remaining = np.ones(len(ARKIT_NAMES))
    for unit, strength in PROTOTYPES[emotion].items():
        for name, weight in ACTION_UNITS[unit].items():
            for i in [INDEX[name]] if name in INDEX else [INDEX[name[:-1] + side] for side in ("Left", "Right")]:
                remaining[i] *= 1 - strength * weight
    return 1 - remaining


def during_speech(emotion: np.ndarray, speaking: np.ndarray, rounding: np.ndarray) -> np.ndarray:
    """The emotion layer [T, 52] with its mouth part held back where speech needs the mouth.

    speaking: [T] in [0, 1]; rounding: [T] in [0, 1], how round the lips are: round lips cannot smile.
    """
    out = emotion.copy()
    out[:, MOUTH] *= (1 - 0.20 * speaking)[:, None]
    for name in ("Smile", "Stretch", "Dimple"):
        for side in ("Left", "Right"):
            out[:, INDEX[f"mouth{name}{side}"]] *= 1 - 0.75 * np.clip(rounding, 0, 1)
    out[:, INDEX["jawOpen"]] *= 1 - 0.5 * speaking
    for name in ("mouthPressLeft", "mouthPressRight", "mouthShrugLower", "mouthRollLower", "mouthRollUpper"):
        out[:, INDEX[name]] *= 1 - 0.5 * speaking
    return out
