"""Expressions that come back: another expression is drawn on a photo's face, and read again.

After SMIRK (Retsinas et al. 2024). A batch is dealt into four groups: the read expression with noise; somebody else's;
an expression of a class; none, with lids anywhere. Jaws and lids are shaken in the first three. Faces are FaceParams
of any head, or FlameCodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.types import FaceParams
from recon.fitting.priors import JAW_OPEN_SD, JAW_SIDE_SD
from recon.networks.codes import FlameCodes

Face = TypeVar("Face", FaceParams, FlameCodes)

_FARTHEST, _EXTRA = 3.0, 0.2  # noise of the first group: 1 to 3 SD; of all: up to 0.2 SD
_SCALE = (0.25, 1.5)  # of borrowed expressions
_LID = 0.25
_CLASSES = {  # of expressions, by ARKit's names at their weights; both sides where no side is said
    "smile": {"mouthSmile": 0.9, "cheekSquint": 0.6}, "open": {"jawOpen": 0.7},
    "surprise": {"jawOpen": 0.5, "browInnerUp": 0.9, "browOuterUp": 0.8, "eyeWide": 0.8},
    "sad": {"mouthFrown": 0.8, "browInnerUp": 0.7, "mouthShrugLower": 0.4},
    "anger": {"browDown": 0.9, "noseSneer": 0.5, "mouthPress": 0.6, "eyeSquint": 0.5},
    "disgust": {"noseSneer": 0.9, "mouthUpperUp": 0.7, "browDown": 0.4},
    "fear": {"mouthStretch": 0.8, "browInnerUp": 0.9, "eyeWide": 0.7, "jawOpen": 0.2},
    "pucker": {"mouthPucker": 0.9}, "funnel": {"mouthFunnel": 0.9, "jawOpen": 0.2},
    "press": {"mouthRollUpper": 0.7, "mouthRollLower": 0.7, "mouthPress": 0.5},
    "left": {"mouthLeft": 0.7, "mouthSmileLeft": 0.6}, "right": {"mouthRight": 0.7, "mouthSmileRight": 0.6},
}  # fmt: skip


@dataclass(frozen=True)
class Expressions:
    """What expressions of a head are like, and how far jaws go."""

    sd: Tensor  # [E]
    low: Tensor  # [E]
    high: Tensor  # [E]
    templates: Tensor  # [K, E] expressions of classes
    jaw_sd: Tensor  # [3] radians, of what jaws are shaken by
    jaw_open: float  # radians, at most

    @staticmethod
    def of_flame(templates: Tensor) -> Expressions:
        """As SMIRK: components in SD, within 4 of them. Its authors' templates come with their code."""
        one = templates.new_ones(templates.shape[-1])
        return Expressions(one, -4 * one, 4 * one, templates, templates.new_tensor([0.2, 0.02, 0.02]), 0.5)

    @staticmethod
    def of(head: Head) -> Expressions:
        """By the head's own priors and bounds, with twelve classes of expressions named by ARKit's shapes."""
        a = head.arrays
        sd, bounds = (torch.as_tensor(v).to(head.v_template) for v in (a.expression_sd, a.expression_bounds))
        jaw = [JAW_OPEN_SD * a.jaw_open_rad, JAW_SIDE_SD * a.jaw_side_rad, 0.0]
        return Expressions(
            sd, bounds[:, 0], bounds[:, 1], arkit_templates(head).expression, sd.new_tensor(jaw), a.jaw_open_rad
        )


def arkit_templates(head: Head) -> FaceParams:
    """Twelve expressions [12, ...] of a head."""
    weights = torch.zeros(len(_CLASSES), len(ARKIT_NAMES), dtype=head.v_template.dtype)
    for row, pose in enumerate(_CLASSES.values()):
        for name, value in pose.items():
            for each in [name] if name in INDEX else [f"{name}Left", f"{name}Right"]:
                weights[row, INDEX[each]] = value
    return to_params(weights.to(head.v_template.device), head)


def changed(
    face: Face,  # [B, ...]
    expressions: Expressions,
    *,
    generator: torch.Generator,
) -> Face:
    """The same people, pose and camera with other expressions, jaws and lids. No gradient passes, all in bounds."""
    read = face.expression.detach()
    count, size = read.shape
    if face.expression.ndim != 2 or size != len(expressions.sd):
        raise ShapeError(f"expressions are {list(read.shape)}, wanted [B, {len(expressions.sd)}] of one head")
    if count < 1 or not len(expressions.templates):
        raise InputError("there is no face, or no template of an expression, to go by; wanted at least one of each")

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=generator.device).to(read)

    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator, device=generator.device).to(read)

    def shuffled(n: int) -> Tensor:
        return torch.randperm(n, generator=generator, device=generator.device).to(read.device)

    sd = expressions.sd.to(read)
    noisy, borrowed, classed, still = shuffled(count).tensor_split([count // 4, count // 2, 3 * count // 4])
    new = read.clone()
    some = (uniform(len(noisy), size) < 0.5).to(read)
    new[noisy] = read[noisy] + sd * some * normal(len(noisy), size) * uniform(len(noisy), 1, low=1, high=_FARTHEST)
    whose = shuffled(count)[: len(borrowed)]  # of the whole batch: a group of one would borrow from itself
    new[borrowed] = read[whose] * uniform(len(borrowed), 1, low=_SCALE[0], high=_SCALE[1])
    kind = (uniform(len(classed)) * len(expressions.templates)).long().clamp(max=len(expressions.templates) - 1)
    new[classed] = expressions.templates.to(read)[kind] * uniform(len(classed), 1, low=_SCALE[0], high=_SCALE[1])
    new[still] = 0
    new = new + _EXTRA * sd * uniform(count, 1) * normal(count, size)
    new = new.clamp(expressions.low.to(read), expressions.high.to(read))

    half = (uniform(count, 1) < 0.5).to(read)
    jaw = face.jaw.detach() + half * normal(count, 3) * expressions.jaw_sd.to(read)
    jaw = torch.cat([jaw[:, :1].clamp(0, expressions.jaw_open), jaw[:, 1:]], -1)
    jaw[still] = 0
    others = {name: value.detach() for name, value in vars(face).items() if isinstance(value, Tensor)}
    if face.eyelids is not None:
        lids = (face.eyelids.detach() + uniform(count, 2, low=-_LID, high=_LID)).clamp(0, 1)
        lids[still] = uniform(len(still), 2)
        others["eyelids"] = lids
    return face.replace(**{**others, "expression": new, "jaw": jaw})


@dataclass(frozen=True)
class CycleWeights:
    """SMIRK's. Shape counts while the generator learns and the encoder is frozen."""

    expression: float = 1.0
    jaw: float = 10.0
    eyelids: float = 10.0
    shape: float = 1.0


def cycle_loss(
    found: Face,  # read from the painted pictures
    wanted: Face,  # what they were painted from
    weights: CycleWeights = CycleWeights(),
    *,
    sd: Tensor | None = None,  # [E] of expressions; None: 1, as FLAME's
) -> Tensor:
    """Weighted sum of mean squared differences."""
    one = found.expression / sd if sd is not None else found.expression
    other = wanted.expression / sd if sd is not None else wanted.expression
    total = weights.expression * mse_loss(one, other) + weights.jaw * mse_loss(found.jaw, wanted.jaw)
    if found.eyelids is not None and wanted.eyelids is not None:
        total = total + weights.eyelids * mse_loss(found.eyelids, wanted.eyelids)
    if weights.shape:
        total = total + weights.shape * mse_loss(found.shape, wanted.shape)
    return total
