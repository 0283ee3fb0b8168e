"""ARKit's 52 names, and heads whose own components carry them.

One owner for each motion: jawOpen, jawLeft and jawRight are the jaw joint, eyeLook* the eye joints, eyeBlink* the
lids; every other name is an expression component of that name. Rotations grow linearly with the weight; the head's
pose correctives make weight 1 look as the artist's shape.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from flame_tools.head import Head
from flame_tools.kept import kept_with_head
from flame_tools.types import FaceParams, HeadArrays

# The order of Apple's ARFaceAnchor.BlendShapeLocation as ARKit streams commonly list it.
ARKIT_NAMES = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
_SAME = 1e-5  # weights and radians; files hold float32
INDEX = {name: i for i, name in enumerate(ARKIT_NAMES)}
JOINT_OWNED = tuple(n for n in ARKIT_NAMES if n.startswith("eyeLook") or n in ("jawOpen", "jawLeft", "jawRight"))
LID_OWNED = ("eyeBlinkLeft", "eyeBlinkRight")
EXPRESSION_OWNED = tuple(n for n in ARKIT_NAMES if n not in JOINT_OWNED and n not in LID_OWNED)


def says_names(head: HeadArrays) -> bool:
    """Whether the head's components carry the names, and its map, if it has one, says nothing else."""
    named = set(EXPRESSION_OWNED) <= set(head.expression_names)
    return named and (not len(head.arkit_map) or _maps_as_names_do(head))


def has_named_shapes(head: HeadArrays) -> bool:
    """Whether any component carries one of the names, as an artist's character does; FLAME's carry none."""
    return not set(EXPRESSION_OWNED).isdisjoint(head.expression_names)


def known_to(head: HeadArrays) -> bool:
    """Whether the head itself understands the 52 names, by its components or by a map."""
    return len(head.arkit_map) > 0 or says_names(head)


def params_by_name(weights: Tensor, head: Head) -> FaceParams:
    """ARKit weights [..., 52] to the parameters of a head that says the names; the rest is neutral."""
    return FaceParams.neutral(head).replace(**_by_name(weights, head.arrays))


def weights_by_name(params: FaceParams, head: Head) -> Tensor:
    """Parameters of a head that says the names to ARKit weights [..., 52], those that nothing bounds."""
    source, target = _expression_columns(head.arrays.expression_names)
    leading = params.leading_of("expression", "jaw", "eyes", "eyelids")
    weights = params.expression.new_zeros(*leading, len(ARKIT_NAMES))
    weights[..., source] = params.expression[..., target].expand(*leading, -1)
    weights[..., [INDEX[name] for name in LID_OWNED]] = params.eyelids
    for name, value in joint_weights(params, head.arrays).items():
        weights[..., INDEX[name]] = value
    return weights


@kept_with_head
def _maps_as_names_do(head: HeadArrays) -> bool:
    """Whether the map of a head with all names, as a character has, is what `params_by_name` makes of each."""
    weights = torch.eye(len(ARKIT_NAMES), dtype=torch.float64)
    table = torch.cat([part.flatten(1) for part in _by_name(weights, head).values()], 1).numpy()
    return bool(np.abs(table - head.arkit_map).max() < _SAME)


def _by_name(weights: Tensor, head: HeadArrays) -> dict[str, Tensor]:
    """What the names move of FaceParams, in the order of a map's columns."""
    source, target = _expression_columns(head.expression_names)
    expression = weights.new_zeros(*weights.shape[:-1], len(head.expression_names))
    expression[..., target] = weights[..., source]
    jaw, eyes = joint_turns(weights, head)
    eyelids = weights[..., [INDEX[name] for name in LID_OWNED]]
    return {"expression": expression, "jaw": jaw, "eyes": eyes, "eyelids": eyelids}


def joint_turns(weights: Tensor, head: HeadArrays) -> tuple[Tensor, Tensor]:
    """Turns of the jaw [..., 3] and of the eyes [..., 2, 3], axis-angle, that ARKit weights [..., 52] stand for."""

    def w(name: str) -> Tensor:
        return weights[..., INDEX[name]]

    up, down, inward, outward = (float(x) for x in head.look_rad)
    zero = torch.zeros_like(w("jawOpen"))
    jaw = torch.stack([w("jawOpen") * head.jaw_open_rad, (w("jawLeft") - w("jawRight")) * head.jaw_side_rad, zero], -1)
    # +y turns to the subject's left: outward for the left eye, inward for the right one.
    eyes = torch.stack(
        [
            torch.stack(
                [
                    w(f"eyeLookDown{side}") * down - w(f"eyeLookUp{side}") * up,
                    sign * (w(f"eyeLookOut{side}") * outward - w(f"eyeLookIn{side}") * inward),
                    zero,
                ],
                -1,
            )
            for side, sign in (("Left", 1.0), ("Right", -1.0))
        ],
        -2,
    )
    return jaw, eyes


def joint_weights(params: FaceParams, head: HeadArrays) -> dict[str, Tensor]:
    """The weights [...] of JOINT_OWNED that turns of jaw and eyes stand for; 0 where the head knows no such turn."""

    def share(turn: Tensor, full: float) -> Tensor:
        return turn.clamp_min(0) / full if full > 0 else torch.zeros_like(turn)

    up, down, inward, outward = (float(x) for x in head.look_rad)
    found = {
        "jawOpen": share(params.jaw[..., 0], head.jaw_open_rad),
        "jawLeft": share(params.jaw[..., 1], head.jaw_side_rad),
        "jawRight": share(-params.jaw[..., 1], head.jaw_side_rad),
    }
    for i, (side, sign) in enumerate((("Left", 1.0), ("Right", -1.0))):
        pitch, yaw = params.eyes[..., i, 0], sign * params.eyes[..., i, 1]
        found |= {
            f"eyeLookDown{side}": share(pitch, down),
            f"eyeLookUp{side}": share(-pitch, up),
            f"eyeLookOut{side}": share(yaw, outward),
            f"eyeLookIn{side}": share(-yaw, inward),
        }
    return found


@functools.lru_cache(maxsize=16)
def _expression_columns(names: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Columns of the 52 that are expression components, and where each stands in the head's expression."""
    return [INDEX[name] for name in EXPRESSION_OWNED], [names.index(name) for name in EXPRESSION_OWNED]
