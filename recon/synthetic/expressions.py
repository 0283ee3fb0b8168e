"""Ten expressions by ARKit names, with weights in [0, 1]: neutral, five ordinary, two extreme, two one-sided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import FaceParams

KINDS = ("neutral", "ordinary", "extreme", "asymmetric")


@dataclass(frozen=True)
class Expression:
    """A face's movement, in ARKit's names."""

    name: str
    kind: str  # one of KINDS
    weights: dict[str, float]  # in [0, 1]


def _both(**weights: float) -> dict[str, float]:
    """The same weight on both sides, for names without their Left and Right."""
    return {name + side: weight for name, weight in weights.items() for side in ("Left", "Right")}


EXPRESSIONS = (
    Expression("neutral", "neutral", {}),
    Expression(
        "smile",
        "ordinary",
        _both(mouthSmile=0.7, cheekSquint=0.4, eyeSquint=0.3, mouthUpperUp=0.2) | {"jawOpen": 0.08},
    ),
    Expression(
        "speaking",
        "ordinary",
        {"jawOpen": 0.3, "mouthFunnel": 0.35, "eyeLookInLeft": 0.3, "eyeLookOutRight": 0.3} | _both(eyeLookDown=0.3),
    ),
    Expression(
        "sad",
        "ordinary",
        {"browInnerUp": 0.7, "mouthShrugLower": 0.4} | _both(mouthFrown=0.7, eyeLookDown=0.4, eyeBlink=0.25),
    ),
    Expression("angry", "ordinary", _both(browDown=0.8, noseSneer=0.5, mouthPress=0.6, eyeSquint=0.4)),
    Expression("kiss", "ordinary", {"mouthPucker": 0.8} | _both(eyeBlink=0.9, browOuterUp=0.3)),
    Expression(
        "shout",
        "extreme",
        {"jawOpen": 0.95, "browInnerUp": 0.8}
        | _both(browOuterUp=0.8, eyeWide=0.9, mouthStretch=0.5, mouthLowerDown=0.5, mouthUpperUp=0.4),
    ),
    Expression(
        "grimace",
        "extreme",
        _both(mouthStretch=0.9, mouthLowerDown=0.9, mouthUpperUp=0.8, noseSneer=0.9, browDown=0.9, eyeSquint=0.9),
    ),
    Expression(
        "smirk and wink",
        "asymmetric",
        {
            "mouthSmileLeft": 0.9,
            "mouthDimpleLeft": 0.4,
            "mouthLeft": 0.35,
            "cheekSquintLeft": 0.7,
            "eyeBlinkLeft": 1.0,
            "browOuterUpRight": 0.8,
        },
    ),
    Expression(
        "jaw to the right",
        "asymmetric",
        {
            "jawRight": 0.8,
            "jawOpen": 0.25,
            "mouthUpperUpRight": 0.7,
            "mouthLowerDownRight": 0.6,
            "noseSneerRight": 0.6,
            "browDownRight": 0.7,
            "browOuterUpLeft": 0.6,
            "eyeLookOutLeft": 0.6,
            "eyeLookInRight": 0.6,
        },
    ),
)


def posed(expression: Expression, head: Head, shape: np.ndarray) -> FaceParams:
    """A person [S] with an expression, in the head's own frame. Raises InputError for a name that is not ARKit's."""
    unknown = sorted(set(expression.weights) - set(ARKIT_NAMES))
    if unknown:
        raise InputError(
            f"expression {expression.name!r} has {', '.join(unknown)}, which ARKit does not; see flame_tools.arkit"
        )
    weights = torch.zeros(len(ARKIT_NAMES)).to(head.v_template)
    for name, value in expression.weights.items():
        weights[INDEX[name]] = value
    return to_params(weights, head).replace(shape=torch.as_tensor(np.asarray(shape)).to(head.v_template))
