"""Lips that are seen shut are shut: a P that does not close is the first thing an animator sees.

A fit leaves a millimetre or two between lips that touch: who it is and how the jaw stands are never quite right, and
every landmark pulls a little. Where the points of the reds are as near to each other as on shut lips, what is left of
the gap goes by the least motion of expression and jaw, in standard deviations of each.
"""

from __future__ import annotations

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.lips import Lips, gaps_mm
from flame_tools.smooth import smooth_step
from flame_tools.types import FaceParams, HeadArrays
from readers.face_parts import LIP_PAIRS
from recon.fitting.priors import JAW_OPEN_SD

WIDER = (0.014, 0.026)  # of the distance between the eyes: how much farther apart than on the head at rest points are
READ = (0.02, 0.05)  # the same, of a reader that does not know this head and leaves some gap always
LEFT_MM = 0.3  # a gap that may be left: less than a pixel
NOISE_MM = 0.15  # how exactly lips are brought together
FADE_S = 0.02  # one standard deviation of how soon lips shut and part
LEAST = 0.05  # how surely they are shut at least
_ROUNDS = 3
_UPPER, _LOWER = np.array(LIP_PAIRS[:3]).T
_EYES = ((33, 133), (362, 263))


def seen_shut(landmarks: np.ndarray, knows_head: np.ndarray, head: HeadArrays) -> np.ndarray:
    """[n] in [0, 1]: how surely lips are shut, by landmarks [n, 468, 2 or 3]; `knows_head` [n]: who read them does."""
    marks = head.landmarks["468"]
    own = _gaps((head.v_template[head.faces[marks.faces]] * marks.barycentrics[..., None]).sum(1)[None, :, :2])
    read = _gaps(landmarks[..., :2].astype(np.float64))
    parted = np.where(knows_head[:, None], smooth_step(read - own, *WIDER), smooth_step(read, *READ))
    return 1 - parted.max(1)


def faded(shut: np.ndarray, times: np.ndarray, *, causal: bool = False) -> np.ndarray:
    """[T] the surest of each frame and its neighbours, which count less the farther they are, at times [T] seconds.

    `causal`: of its neighbours before it alone.
    """
    soft = shut.copy()
    for step in range(1, len(times)):
        near = np.exp(-0.5 * ((times[step:] - times[:-step]) / FADE_S) ** 2)
        if near.max() < LEAST:
            break
        soft[step:] = np.maximum(soft[step:], near * shut[:-step])
        if not causal:
            soft[:-step] = np.maximum(soft[:-step], near * shut[step:])
    return soft


def lips_met(params: FaceParams, shut: np.ndarray, head: Head) -> FaceParams:
    """`ShutLips.met` for the one person of these params; heads without `inner_lip_pairs` stay as they are."""
    if not len(head.arrays.inner_lip_pairs) or not (shut > LEAST).any():
        return params
    return ShutLips(head, params.shape).met(params, shut)


class ShutLips:
    """Brings one person's lips together; needs a head with `inner_lip_pairs`."""

    def __init__(self, head: Head, shape: torch.Tensor):  # shape [S]
        arrays = head.arrays
        self.lips = Lips(head, shape)
        self.rest_mm = gaps_mm(self.lips.head.v_template.numpy(), self.lips.pairs[self.lips.central])
        self.sd = np.append(arrays.expression_sd, JAW_OPEN_SD * arrays.jaw_open_rad)
        self.low = np.append(arrays.expression_bounds[:, 0], 0.0)
        self.high = np.append(arrays.expression_bounds[:, 1], arrays.jaw_open_rad)
        self.parting = _parting(self.lips, shape, 0.1 * self.sd)

    def met(self, params: FaceParams, shut: np.ndarray) -> FaceParams:
        """Params of T frames with the lips together as surely as they are shut [T]; other frames stay as they are."""
        active = torch.as_tensor(np.flatnonzero(shut > LEAST))
        if not len(active):
            return params
        found, share = params.frame(active), shut[active.numpy(), None]
        for _ in range(_ROUNDS):
            open_ = share * np.maximum(self.lips.gaps_mm(found) - self.rest_mm - LEFT_MM, 0.0)
            now = torch.cat([found.expression, found.jaw[:, :1]], 1).double().numpy()
            room = np.minimum(self.low - now, 0.0), np.maximum(self.high - now, 0.0)
            change = torch.as_tensor(_least_motion(open_, self.parting, self.sd, *room), dtype=found.expression.dtype)
            jaw = found.jaw.clone()
            jaw[:, 0] += change[:, -1]
            found = found.replace(expression=found.expression + change[:, :-1], jaw=jaw)
        expression, jaw = params.expression.clone(), params.jaw.clone()
        expression[active], jaw[active] = found.expression, found.jaw
        return params.replace(expression=expression, jaw=jaw)


def _least_motion(
    open_: np.ndarray, parting: np.ndarray, sd: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """[T, M] the least change, in sd [M] and between low and high [T, M], that takes away open_ [T, P] millimetres.

    `parting` [M, P]: millimetres by which each pair parts for one unit of each. What meets a bound stays there, and the
    others are asked again.
    """
    change, free = np.zeros((len(open_), len(sd))), np.ones((len(open_), len(sd)))
    for _ in range(_ROUNDS):
        weights = free * sd**2
        stiff = np.einsum("mp,tm,mq->tpq", parting, weights, parting) + NOISE_MM**2 * np.eye(parting.shape[1])
        left = open_ + (change * (1 - free)) @ parting
        wanted = -weights * (np.linalg.solve(stiff, left[..., None])[..., 0] @ parting.T)
        held = np.clip(wanted, low, high)
        change = np.where(free > 0, held, change)
        free = free * (held == wanted)
    return change


def _gaps(points: np.ndarray) -> np.ndarray:
    """[n, 3] between facing points in the middle of the lips, over the distance between the eyes, of [n, 468, 2]."""
    right, left = (points[:, list(corners)].mean(1) for corners in _EYES)
    apart = np.linalg.norm(points[:, _UPPER] - points[:, _LOWER], axis=-1)
    return apart / np.maximum(np.linalg.norm(right - left, axis=-1), 1e-9)[:, None]


def _parting(lips: Lips, shape: torch.Tensor, steps: np.ndarray) -> np.ndarray:
    """[E + 1, P] millimetres by which each central pair parts for a unit of expression, and for a radian of the jaw."""
    count = len(steps)
    still = FaceParams.neutral(lips.head, count + 1).replace(shape=shape)
    expression, jaw = still.expression.clone(), still.jaw.clone()
    step = torch.as_tensor(steps, dtype=shape.dtype)
    expression[torch.arange(1, count), torch.arange(count - 1)] = step[:-1]
    jaw[count, 0] = step[-1]
    gaps = lips.gaps_mm(still.replace(expression=expression, jaw=jaw))
    return (gaps[1:] - gaps[0]) / steps[:, None]
