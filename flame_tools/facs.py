"""Action units of the Facial Action Coding System to ARKit's 52 weights and back.

Numbers and names: Ekman & Friesen, "Facial Action Coding System", 1978, and Ekman, Friesen & Hager, "FACS: The Manual",
2002. What each ARKit shape shows is Apple's ARFaceAnchor.BlendShapeLocation; most of those shapes are one unit by
another name. Where none is, the unit's definition is approximated and `ActionUnit.approximation` says how.

Intensity is [0, 1]; the letters A to E of the manual (trace to maximum) are its fifths, 0.2 to 1. A unit may be said
of one side, as coders write it: "12" both sides, "L12" or "R12" one of them, "L12C" one with an intensity.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from flame_tools.arkit import ARKIT_NAMES, INDEX
from flame_tools.errors import InputError, ShapeError

INTENSITIES = {letter: (i + 1) / 5 for i, letter in enumerate("ABCDE")}
_CODE = re.compile(r"(?:AU|AD|M)?\s*([LR]?)(\d{1,2})([LR]?)([A-E]?)", re.IGNORECASE)
_PULL = 1e-5  # pull of every unit towards rest, so that units which look alike share nothing at random


@dataclass(frozen=True)
class ActionUnit:
    """One unit of the face, and the ARKit weights that show it at intensity 1.

    A name that ends in "*" stands for its Left and Right shape; other shapes take both sides' mean.
    """

    number: int
    name: str
    weights: Mapping[str, float]
    sided: bool = True  # whether it can be said of one side
    approximation: str = ""  # what ARKit cannot show of it; empty where the shape is the unit
    read_back: bool = True  # False: `from_arkit` tells the same face by other units
    instead_of: int = 0  # the weaker unit that it replaces: the manual scores one of the two


def _unit(number: int, name: str, approximation: str = "", /, **options) -> ActionUnit:
    known = {f: options.pop(f) for f in ("sided", "read_back", "instead_of") if f in options}
    weights = {key.replace("_both", "*"): value for key, value in options.items()}
    return ActionUnit(number, name, weights, approximation=approximation, **known)


ACTION_UNITS: tuple[ActionUnit, ...] = (
    _unit(1, "inner brow raiser", "ARKit raises both inner brows together", browInnerUp=1.0),
    _unit(2, "outer brow raiser", browOuterUp_both=1.0),
    _unit(4, "brow lowerer", browDown_both=1.0),
    _unit(5, "upper lid raiser", eyeWide_both=1.0),
    _unit(6, "cheek raiser and lid compressor", cheekSquint_both=1.0),
    _unit(7, "lid tightener", eyeSquint_both=1.0),
    _unit(8, "lips toward each other", "shows only with the jaw dropped", sided=False, mouthClose=1.0),
    _unit(9, "nose wrinkler", noseSneer_both=1.0),
    _unit(10, "upper lip raiser", mouthUpperUp_both=1.0),
    _unit(11, "nasolabial furrow deepener", "a little of 6, 9 and 10", read_back=False,
          mouthUpperUp_both=0.25, noseSneer_both=0.25, cheekSquint_both=0.25),
    _unit(12, "lip corner puller", mouthSmile_both=1.0),
    _unit(13, "sharp lip puller", "12 with cheeks puffed on both sides", read_back=False,
          mouthSmile_both=0.6, cheekPuff=0.4),
    _unit(14, "dimpler", mouthDimple_both=1.0),
    _unit(15, "lip corner depressor", mouthFrown_both=1.0),
    _unit(16, "lower lip depressor", mouthLowerDown_both=1.0),
    _unit(17, "chin raiser", sided=False, mouthShrugLower=1.0, mouthShrugUpper=0.5),
    _unit(18, "lip pucker", sided=False, mouthPucker=1.0),
    _unit(19, "tongue show", sided=False, tongueOut=1.0),
    _unit(20, "lip stretcher", mouthStretch_both=1.0),
    _unit(22, "lip funneler", sided=False, mouthFunnel=1.0),
    _unit(23, "lip tightener", "half a press with the lips rolled in a little", sided=False, read_back=False,
          mouthPress_both=0.5, mouthRollLower=0.3, mouthRollUpper=0.3),
    _unit(24, "lip presser", mouthPress_both=1.0),
    _unit(25, "lips part", "lips lowered and raised by a fifth", sided=False, read_back=False,
          mouthLowerDown_both=0.25, mouthUpperUp_both=0.15),
    _unit(26, "jaw drop", "six tenths of jawOpen", sided=False, jawOpen=0.6),
    _unit(27, "mouth stretch", "jawOpen to its end", sided=False, instead_of=26, jawOpen=1.0),
    _unit(28, "lip suck", sided=False, mouthRollLower=1.0, mouthRollUpper=1.0),
    _unit(29, "jaw thrust", sided=False, jawForward=1.0),
    _unit(30, "jaw sideways", jaw_both=1.0),
    _unit(32, "lip bite", "lower lip rolled in", sided=False, read_back=False, mouthRollLower=0.7),
    _unit(33, "cheek blow", "half a puff", sided=False, read_back=False, cheekPuff=0.5),
    _unit(34, "cheek puff", "ARKit puffs both cheeks together", sided=False, cheekPuff=1.0),
    _unit(37, "lip wipe", "tongue out a little", sided=False, read_back=False, tongueOut=0.4),
    _unit(38, "nostril dilator", "a quarter of 9", read_back=False, noseSneer_both=0.25),
    _unit(41, "lid droop", "a quarter of 43", read_back=False, eyeBlink_both=0.25),
    _unit(42, "slit", "three quarters of 43", read_back=False, eyeBlink_both=0.75),
    _unit(43, "eye closure", eyeBlink_both=1.0),
    _unit(44, "squint", "7 with the lids half closed", read_back=False, eyeSquint_both=1.0, eyeBlink_both=0.4),
    _unit(45, "blink", "43; how long it lasts is the animation's", read_back=False, eyeBlink_both=1.0),
    _unit(46, "wink", "43 of one side; how long it lasts is the animation's", read_back=False, eyeBlink_both=1.0),
    _unit(61, "eyes turn left", sided=False, eyeLookOutLeft=1.0, eyeLookInRight=1.0),
    _unit(62, "eyes turn right", sided=False, eyeLookInLeft=1.0, eyeLookOutRight=1.0),
    _unit(63, "eyes up", eyeLookUp_both=1.0),
    _unit(64, "eyes down", eyeLookDown_both=1.0),
    _unit(65, "walleye", sided=False, eyeLookOut_both=1.0),
    _unit(66, "cross-eye", sided=False, eyeLookIn_both=1.0),
)  # fmt: skip
_BY_NUMBER = {unit.number: unit for unit in ACTION_UNITS}
_ELSEWHERE = {
    **dict.fromkeys(range(51, 59), "it moves the head: set the neck's rotation"),
    21: "ARKit has no neck", 31: "ARKit has no masseter", 35: "ARKit sucks no cheek in",
    36: "ARKit has no tongue inside the mouth", 39: "ARKit narrows no nostril",
}  # fmt: skip


@dataclass(frozen=True)
class Coding:
    """A face as action units."""

    codes: tuple[str, ...]  # "1", "L12", "R12", ...: both sides apart where ARKit has them apart
    intensity: Tensor  # [..., len(codes)] in [0, 1]
    residual: Tensor  # [...] largest ARKit weight that the units leave unsaid (or say too much)
    table: Tensor = field(repr=False)  # [len(codes), 52] ARKit weights of each code at intensity 1

    def units(self, threshold: float = 0.05) -> dict[str, float]:
        """The codes of one face that show: left and right joined where they are alike."""
        if self.intensity.ndim != 1:
            raise ShapeError(f"units() tells one face, these are {list(self.intensity.shape[:-1])}; index them first")
        found = {code: float(x) for code, x in zip(self.codes, self.intensity, strict=True)}
        for code in [c for c in found if c.startswith("L")]:
            left, right = found[code], found["R" + code[1:]]
            if abs(left - right) < 0.02:
                del found[code], found["R" + code[1:]]
                found[code[1:]] = (left + right) / 2
        return {code: round(x, 3) for code, x in sorted(found.items(), key=lambda item: -item[1]) if x >= threshold}


def parse(coding: str) -> dict[str, float]:
    """A coder's line to units: "1 + 2 + R12C" -> {"1": 1.0, "2": 1.0, "R12": 0.6}; without a letter it is full."""
    found: dict[str, float] = {}
    for word in filter(None, re.split(r"[+,;\s]+", coding.strip())):
        unit, side, letter = _read(word)
        found[f"{side}{unit.number}"] = INTENSITIES[letter] if letter else 1.0
    return found


def to_arkit(units: str | Mapping[str | int, float | str | Tensor]) -> Tensor:
    """Action units to ARKit weights [..., 52] in [0, 1].

    `units` is a coder's line ("6C + L12D + 25"), or codes with intensities: numbers or tensors [...] in [0, 1], or
    letters A to E. What two units ask of one shape adds up to 1 at most.
    """
    units = parse(units) if isinstance(units, str) else units
    total = torch.zeros(len(ARKIT_NAMES))
    for code, intensity in units.items():
        unit, side, letter = _read(str(code))
        if letter:
            raise InputError(f"{code!r} holds an intensity and a value is given too; wanted one of them")
        share = _intensity(code, intensity)
        total = total + share.unsqueeze(-1) * _weights_of(unit, side).to(share)
    return total.clamp(0, 1)


def from_arkit(weights: Tensor) -> Coding:
    """ARKit weights [..., 52] to the action units that come nearest, by least squares with intensities in [0, 1].

    Of units that ARKit shows alike the plainest is told (43 for 45 and 46); 27 takes the place of 26 as in the manual.
    """
    from flame_tools.transfer.bounded import solve_bounded

    if weights.shape[-1] != len(ARKIT_NAMES):
        raise ShapeError(f"ARKit weights are {list(weights.shape)}, wanted [..., {len(ARKIT_NAMES)}]")
    codes, table = _read_back()
    wanted = weights.detach().double().reshape(-1, len(ARKIT_NAMES)).numpy()
    best = np.full(len(wanted), np.inf)
    intensity = np.zeros((len(wanted), len(codes)))
    stronger = np.array([bool(_BY_NUMBER[int(code.lstrip("LR"))].instead_of) for code in codes])
    weaker = np.isin([int(code.lstrip("LR")) for code in codes], [u.instead_of for u in ACTION_UNITS if u.instead_of])
    for left_out in (stronger, weaker):
        hessian = np.broadcast_to(table @ table.T + _PULL * np.eye(len(codes)), (len(wanted), len(codes), len(codes)))
        found = solve_bounded(hessian, wanted @ table.T, np.zeros(len(codes)), np.where(left_out, 0.0, 1.0))
        error = ((found @ table - wanted) ** 2).sum(1)
        better = error < best - 1e-6
        best, intensity = np.where(better, error, best), np.where(better[:, None], found, intensity)
    residual = np.abs(intensity @ table - wanted).max(1, initial=0.0)
    leading = weights.shape[:-1]
    return Coding(
        codes,
        torch.as_tensor(intensity).to(weights).reshape(*leading, len(codes)),
        torch.as_tensor(residual).to(weights).reshape(leading),
        torch.as_tensor(table).to(weights),
    )


def _read(code: str) -> tuple[ActionUnit, str, str]:
    """A code's unit, side ("", "L", "R") and intensity letter."""
    match = _CODE.fullmatch(code.strip())
    if not match or (match[1] and match[3]):
        raise InputError(f"{code!r} is no action unit; wanted a number with L or R before it and A to E after it")
    number, side = int(match[2]), (match[1] or match[3]).upper()
    if number not in _BY_NUMBER:
        why = _ELSEWHERE.get(number, f"there are {', '.join(map(str, _BY_NUMBER))}")
        raise InputError(f"action unit {number} has no ARKit shape: {why}")
    if side and not _BY_NUMBER[number].sided:
        raise InputError(f"action unit {number} ({_BY_NUMBER[number].name}) has no sides; leave out the {side}")
    return _BY_NUMBER[number], side, match[4].upper()


def _intensity(code: str | int, value: float | str | Tensor) -> Tensor:
    if isinstance(value, str):
        if value.upper() not in INTENSITIES:
            raise InputError(f"action unit {code} has intensity {value!r}; wanted A to E, or a number from 0 to 1")
        value = INTENSITIES[value.upper()]
    share = value if isinstance(value, Tensor) else torch.tensor(float(value))
    if not ((share >= 0) & (share <= 1)).all():
        raise InputError(f"action unit {code} has intensity outside 0 to 1; wanted a share of the strongest")
    return share


def _weights_of(unit: ActionUnit, side: str) -> Tensor:
    """ARKit weights [52] of a unit at intensity 1."""
    row = torch.zeros(len(ARKIT_NAMES))
    if unit.number == 30 and not side:  # the jaw goes to one side; without one there is nothing to show
        raise InputError("action unit 30 (jaw sideways) needs a side: L30 or R30")
    for name, weight in unit.weights.items():
        if not name.endswith("*"):
            row[INDEX[name]] = weight / 2 if side else weight
            continue
        for letter, word in (("L", "Left"), ("R", "Right")):
            if side in ("", letter):
                row[INDEX[name.replace("*", word)]] = weight
    return row


@functools.cache
def _read_back() -> tuple[tuple[str, ...], np.ndarray]:
    """The codes that `from_arkit` tells and the weights [n, 52] of each at intensity 1."""
    codes, rows = [], []
    for unit in ACTION_UNITS:
        apart = unit.sided and all(name.endswith("*") for name in unit.weights)
        for side in ("L", "R") if apart else ("",):
            if unit.read_back:
                codes.append(f"{side}{unit.number}")
                rows.append(_weights_of(unit, side).double().numpy())
    return tuple(codes), np.stack(rows)
