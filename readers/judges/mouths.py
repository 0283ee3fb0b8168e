"""Mouths that say phones, by the visemes of MPEG-4 on ICT-FaceKit's own shapes, for the lip judge alone.

MPEG-4 (ISO/IEC 14496-2; Pandzic & Forchheimer, "MPEG-4 Facial Animation", 2002, table 2.4) has fourteen visemes beside
silence. Each is one pose here; a mouth passes from pose to pose by raised cosines between the middles of phones, and
a Gaussian over time stands for its inertia.
"""

from __future__ import annotations

import numpy as np

from readers.judges.units import Columns

# Visemes of MPEG-4 by number, 0 silence. 15 is the rounded glide that English /w/ adds to 14, closer and further out.
POSES: dict[int, dict[str, float]] = {
    0: {},
    1: {"mouthPress*": 0.35, "mouthRollLower": 0.25, "mouthRollUpper": 0.2},  # p b m
    2: {"mouthRollLower": 0.7, "mouthUpperUp*": 0.3, "jaw": 0.12},  # f v
    3: {"jaw": 0.2, "mouthLowerDown*": 0.2},  # th dh
    4: {"jaw": 0.12, "mouthLowerDown*": 0.25},  # t d
    5: {"jaw": 0.25, "mouthLowerDown*": 0.1},  # k g
    6: {"jaw": 0.1, "mouthFunnel": 0.7, "mouthPucker": 0.25},  # ch j sh
    7: {"jaw": 0.06, "mouthStretch*": 0.3, "mouthLowerDown*": 0.35, "mouthUpperUp*": 0.1},  # s z
    8: {"jaw": 0.2, "mouthLowerDown*": 0.2},  # n l
    9: {"jaw": 0.15, "mouthFunnel": 0.35, "mouthPucker": 0.3},  # r
    10: {"jaw": 0.6, "mouthLowerDown*": 0.2},  # A
    11: {"jaw": 0.35, "mouthStretch*": 0.3, "mouthLowerDown*": 0.3},  # e
    12: {"jaw": 0.18, "mouthSmile*": 0.35, "mouthStretch*": 0.35, "mouthLowerDown*": 0.2},  # I
    13: {"jaw": 0.42, "mouthFunnel": 0.4, "mouthPucker": 0.3},  # Q
    14: {"jaw": 0.15, "mouthPucker": 0.85, "mouthFunnel": 0.15},  # U
    15: {"jaw": 0.08, "mouthPucker": 1.0, "mouthFunnel": 0.1},
}
# ARPAbet -> visemes that it passes through
OF_PHONE: dict[str, tuple[int, ...]] = {
    "P": (1,), "B": (1,), "M": (1,), "F": (2,), "V": (2,), "TH": (3,), "DH": (3,), "T": (4,), "D": (4,),
    "K": (5,), "G": (5,), "NG": (5,), "CH": (6,), "JH": (6,), "SH": (6,), "ZH": (6,), "S": (7,), "Z": (7,),
    "N": (8,), "L": (8,), "R": (9,), "ER": (9,), "AA": (10,), "AH": (10,), "AE": (11,), "EH": (11,),
    "EY": (11, 12), "IH": (12,), "IY": (12,), "Y": (12,), "AO": (13,), "OW": (13, 14), "OY": (13, 12), "UH": (14,),
    "UW": (14,), "W": (15,), "AY": (10, 12), "AW": (10, 14), "HH": (), "SIL": (0,), "NOISE": (0,),
}  # fmt: skip
_PASSING_S = 0.12  # from silence to a pose and back at the most
_LIPS_CLOSE_S = 0.05  # how long a closure is held at least


def mouth_of_phones(
    phones: list[str],
    start_s: np.ndarray,  # [n]
    end_s: np.ndarray,  # [n]
    times: np.ndarray,  # [T] seconds, evenly spaced
    columns: Columns,
    *,
    reach: float = 1.0,  # of all poses: how far somebody moves the mouth
    inertia_s: float = 0.030,  # SD of the Gaussian over time
) -> np.ndarray:  # [T, columns.count]
    """The mouth over time."""
    at, poses = [], []
    for phone, start, end in zip(phones, start_s, end_s, strict=True):
        visemes = OF_PHONE[phone]
        if visemes == (0,):  # silence is held, not passed through
            edge = min(_PASSING_S, (end - start) / 2)
            at += [start + edge, end - edge]
            poses += [0, 0]
            continue
        for k, viseme in enumerate(visemes):
            middle = start + (k + 0.5) / len(visemes) * (end - start)
            hold = _LIPS_CLOSE_S / 2 if viseme == 1 else 0.0
            at += [middle - hold, middle + hold] if hold else [middle]
            poses += [viseme] * (2 if hold else 1)
    if not at:
        return np.zeros((len(times), columns.count))
    at, poses = np.maximum.accumulate(np.array(at)), np.array(poses)
    step = max(times[1] - times[0], 1e-3) if len(times) > 1 else 1e-2
    fine = np.arange(times[0] - 0.2, times[-1] + 0.2, min(step, 0.01))
    after = np.searchsorted(at, fine, side="right").clip(1, len(at) - 1)
    span = np.maximum(at[after] - at[after - 1], 1e-6)
    share = np.clip((fine - at[after - 1]) / span, 0, 1)
    share = 0.5 - 0.5 * np.cos(np.pi * share)
    table = _table(columns) * reach
    moved = table[poses[after - 1]] * (1 - share)[:, None] + table[poses[after]] * share[:, None]
    width = max(round(3 * inertia_s / (fine[1] - fine[0])), 1)
    taps = np.exp(-0.5 * (np.arange(-width, width + 1) * (fine[1] - fine[0]) / inertia_s) ** 2)
    taps /= taps.sum()
    smooth = np.stack([np.convolve(np.pad(c, width, mode="edge"), taps, "valid") for c in moved.T], 1)
    return np.stack([np.interp(times, fine, column) for column in smooth.T], 1)


def _table(columns: Columns) -> np.ndarray:
    table = np.zeros((len(POSES), columns.count))
    for number, pose in POSES.items():
        for name, weight in pose.items():
            table[number, columns.of(name)] = weight
    return table
