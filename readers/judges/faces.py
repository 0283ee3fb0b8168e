"""What the judges learn from: ICT-FaceKit faces that feel what published tables say, and speak by MPEG-4's visemes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flame_tools.head import Head
from flame_tools.types import FaceParams
from readers.judges.mouths import mouth_of_phones
from readers.judges.units import EMOTIONS, UNITS, Columns, drawn_units, face_of_units

_FAINTEST = 0.1
_ANY = sorted(unit for unit in UNITS if not unit.startswith("R"))
_STRAY = 0.4  # most of a unit that somebody shows for no reason: the tables leave out what fewer than one in five do
_SILENT = 0.15  # share of faces that say nothing
_BLINK_S = 0.22
_MOUTH = ("mouth", "jaw")


@dataclass(frozen=True)
class Line:
    """What is said, and when."""

    phones: tuple[str, ...]  # ARPAbet without stress
    start_s: np.ndarray  # [n]
    end_s: np.ndarray  # [n]

    def at(self, times: np.ndarray) -> np.ndarray:
        """[T] which of its phones is said at times [T]."""
        return np.clip(np.searchsorted(self.start_s, times, side="right") - 1, 0, len(self.phones) - 1)


@dataclass(frozen=True)
class Habits:
    """How people move the mouth when they speak, and how often they feel what."""

    reach: float = 0.9
    """Median of how far, as a share of the full poses."""
    reach_spread: float = 0.25
    """SD of its logarithm."""
    inertia_s: tuple[float, float] = (0.030, 0.030)
    """Least and largest inertia."""
    neutral: float = 0.2
    """Share of faces that feel nothing."""
    mixed: float = 0.2
    """Share of faces that feel two things."""


@dataclass(frozen=True)
class Acted:
    """One face over T frames."""

    numbers: np.ndarray  # [T, columns.count]
    gaze: np.ndarray  # [2] radians, down and to the left
    felt: np.ndarray  # [8] in [0, 1], in the order of EMOTIONS; neutral is what the others leave
    spoken: np.ndarray  # [T] index of the line's phone, -1 where the face is silent


def acted(line: Line, times: np.ndarray, columns: Columns, random: np.random.Generator, habits: Habits) -> Acted:
    """A face that feels something at random and says `line`, or nothing, at times [T] seconds."""
    felt = np.zeros(len(EMOTIONS))
    draw = random.random()
    if draw >= habits.neutral:
        count = 1 if draw < 1 - habits.mixed else 2
        chosen = random.choice(np.arange(1, len(EMOTIONS)), count, replace=False)
        felt[chosen] = random.uniform(_FAINTEST, 1.0 if count == 1 else 0.8, count)
    felt[0] = 1 - felt[1:].max()
    left = np.ones(columns.count)
    for emotion, intensity in zip(EMOTIONS[1:], felt[1:], strict=True):
        if intensity > 0:
            left *= 1 - face_of_units(drawn_units(emotion, intensity, random), columns)
    for unit in random.choice(_ANY, random.binomial(2, 0.4), replace=False):
        left *= 1 - face_of_units({unit: random.uniform(0, _STRAY)}, columns)
    emotion = 1 - left
    silent = random.random() < _SILENT
    mouth = np.zeros((len(times), columns.count))
    spoken = np.full(len(times), -1)
    if not silent:
        reach = float(np.exp(random.normal(np.log(habits.reach), habits.reach_spread)))
        inertia = random.uniform(*habits.inertia_s) if np.ptp(habits.inertia_s) > 0 else habits.inertia_s[0]
        mouth = mouth_of_phones(
            line.phones, line.start_s, line.end_s, times, columns, reach=reach, inertia_s=inertia
        ).clip(0, 1)
        spoken = line.at(times)
        own = [name.startswith(_MOUTH) for name in (*columns.names, "jaw", "lids")]
        emotion = np.where(own, emotion * random.uniform(0.5, 1.0), emotion)  # the mouth is busy
    habit = np.where(random.random(columns.count) < 0.15, random.uniform(0, 0.12, columns.count), 0.0)
    numbers = 1 - (1 - mouth) * (1 - emotion) * (1 - habit)
    blink = random.uniform(times[0] - 1.5, times[-1] + 1.5)
    shut = np.clip(1.2 - np.abs(times - blink) / (_BLINK_S / 2), 0, 1)
    numbers[:, -1] = np.maximum(shut, random.uniform(0, 0.12))
    return Acted(numbers, random.normal(0, 0.1, 2).clip(-0.25, 0.25), felt, spoken)


def params_of_acted(faces: list[Acted], head: Head, shapes: Tensor) -> FaceParams:
    """Parameters [B, T] of faces of people [B, S]."""
    numbers = torch.as_tensor(np.stack([face.numbers for face in faces])).to(head.v_template)
    gaze = torch.as_tensor(np.stack([face.gaze for face in faces])).to(numbers)
    jaw = numbers.new_zeros(*numbers.shape[:2], 3)
    jaw[..., 0] = numbers[..., -2] * head.arrays.jaw_open_rad
    eyes = numbers.new_zeros(*numbers.shape[:2], 2, 3)
    eyes[..., :2] = gaze[:, None, None]
    return FaceParams.neutral(head).replace(
        shape=shapes[:, None], expression=numbers[..., :-2], jaw=jaw, eyes=eyes,
        eyelids=numbers[..., -1:].expand(*numbers.shape[:2], 2),
    )  # fmt: skip
