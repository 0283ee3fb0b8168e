"""Published tables of which facial action units show an emotion, and the units on ICT-FaceKit's own shapes.

Nothing here comes from the poses that emberface animates with: the judges are to find their faces readable or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Du, Tao & Martinez, "Compound facial expressions of emotion", PNAS 2014, table 1: units that most people show (here
# always), and those that fewer show, with the share of the people who did.
DU_2014: dict[str, dict[str, float]] = {
    "happy": {"12": 1, "25": 1, "6": 0.51},
    "sad": {"4": 1, "15": 1, "1": 0.60, "6": 0.50, "11": 0.26, "17": 0.67},
    "fear": {"1": 1, "4": 1, "20": 1, "25": 1, "2": 0.57, "5": 0.63, "26": 0.33},
    "anger": {"4": 1, "7": 1, "24": 1, "10": 0.26, "17": 0.52, "23": 0.29},
    "surprise": {"1": 1, "2": 1, "25": 1, "26": 1, "5": 0.66},
    "disgust": {"9": 1, "10": 1, "17": 1, "4": 0.31, "24": 0.26},
}
# Ekman, Friesen & Hager, FACS Investigator's Guide, 2002, table of prototypes and major variants: one is drawn.
# Contempt: Matsumoto & Ekman 2004, the unilateral 14, alone or with 12 of its side ("R" is the right side's).
GUIDE_2002: dict[str, tuple[str, ...]] = {
    "happy": ("6 12", "12"),
    "sad": ("1 4 11 15", "1 4 15", "6 15", "1 4 11", "1 4 15 17", "11 15", "11 17"),
    "fear": ("1 2 4 5 20 25", "1 2 4 5 20 26", "1 2 4 5 25", "1 2 4 5", "1 2 5", "5 20 25", "5 20"),
    "anger": ("4 5 7 10 22 23 25", "4 5 7 10 23 25", "4 5 7 23 25", "4 5 7 17 23", "4 5 7 17 24", "4 5 7 23", "4 7 24"),
    "surprise": ("1 2 5 26", "1 2 5 27", "1 2 5", "1 2 26", "5 26"),
    "disgust": ("9", "9 16 15 26", "9 17", "10", "10 16 25", "10 17"),
    "contempt": ("R14", "R12 R14"),
}
EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")

# Action unit -> ICT-FaceKit's components at full strength; "X*" stands for XLeft and XRight. "jaw" is the jaw's
# opening and "lids" the lids' closing, as shares of what they can.
UNITS: dict[str, dict[str, float]] = {
    "1": {"browInnerUp*": 1.0},
    "2": {"browOuterUp*": 1.0},
    "4": {"browDown*": 0.9},
    "5": {"eyeWide*": 0.9},
    "6": {"cheekRaiser*": 0.8, "cheekSquint*": 0.5, "eyeSquint*": 0.3},
    "7": {"eyeSquint*": 1.0},
    "9": {"noseSneer*": 0.9},
    "10": {"mouthUpperUp*": 0.6, "noseSneer*": 0.15},
    "11": {"noseSneer*": 0.15, "cheekRaiser*": 0.3, "mouthUpperUp*": 0.15},
    "12": {"mouthSmile*": 0.9},
    "15": {"mouthFrown*": 1.0},
    "16": {"mouthLowerDown*": 0.6},
    "17": {"mouthShrugLower": 0.9},
    "20": {"mouthStretch*": 0.9},
    "22": {"mouthFunnel": 0.5},
    "23": {"mouthPress*": 0.5, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    "24": {"mouthPress*": 1.0},
    "25": {"mouthLowerDown*": 0.2, "jaw": 0.08},
    "26": {"jaw": 0.3},
    "27": {"jaw": 0.6},
    "R12": {"mouthSmileRight": 0.8},
    "R14": {"mouthDimpleRight": 1.0},
}


@dataclass(frozen=True)
class Columns:
    """Where ICT-FaceKit's components stand among the numbers of a face: its expression, then "jaw" and "lids"."""

    names: tuple[str, ...]  # of the expression

    @property
    def count(self) -> int:
        return len(self.names) + 2

    def of(self, name: str) -> list[int]:
        known = (*self.names, "jaw", "lids")
        wanted = [name] if not name.endswith("*") else [name[:-1] + side for side in ("Left", "Right")]
        return [known.index(one) for one in wanted]


def face_of_units(strengths: dict[str, float], columns: Columns) -> np.ndarray:
    """Numbers [columns.count] of a face with these units; those that share a component level off towards 1."""
    left = np.ones(columns.count)
    for unit, strength in strengths.items():
        for name, weight in UNITS[unit].items():
            left[columns.of(name)] *= 1 - np.clip(strength * weight, 0, 1)
    return 1 - left


def drawn_units(emotion: str, intensity: float, random: np.random.Generator) -> dict[str, float]:
    """Units of somebody who feels `emotion`: those of a table, each with a strength around `intensity`."""
    if emotion == "neutral":
        return {}
    if emotion in DU_2014 and random.random() < 0.5:
        units = [unit for unit, share in DU_2014[emotion].items() if random.random() < share]
    else:
        variants = GUIDE_2002[emotion]
        units = variants[random.integers(len(variants))].split()
    return {unit: intensity * random.uniform(0.7, 1.1) for unit in units}
