"""What a face does, as one row a frame: expression | jaw 3 | left eye 3 | right eye 3 | lids 2.

The order of `HeadArrays.arkit_map`'s columns. Identity, neck, root and translation are not in it: a motion can be
carried from head to head, added, and solved for.
"""

from __future__ import annotations

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.types import FaceParams, HeadArrays

OTHERS = 11  # columns that are not expression
JAW_SD = (0.25, 0.08, 0.02)  # radians: opening, sideways, roll; what talking jaws do


def columns(arrays: HeadArrays) -> dict[str, slice]:
    """Where expression, jaw, eyes (left then right) and eyelids stand in a motion of this head."""
    e = len(arrays.expression_names)
    return {
        "expression": slice(0, e),
        "jaw": slice(e, e + 3),
        "eyes": slice(e + 3, e + 9),
        "eyelids": slice(e + 9, e + 11),
    }


def motion_of(params: FaceParams) -> np.ndarray:
    """The motion [..., E + 11] of parameters, float64."""
    leading = params.leading_of("expression", "jaw", "eyes", "eyelids")
    parts = (params.expression, params.jaw, params.eyes.flatten(-2), params.eyelids)
    return torch.cat([part.detach().cpu().double().expand(*leading, -1) for part in parts], -1).numpy()


def params_of(motion: np.ndarray | torch.Tensor, head: Head) -> FaceParams:
    """Parameters of a motion [..., E + 11]: neutral identity, head pose and place, in the head's dtype."""
    values = torch.as_tensor(motion).to(head.v_template)
    at = columns(head.arrays)
    return FaceParams.neutral(head).replace(
        expression=values[..., at["expression"]],
        jaw=values[..., at["jaw"]],
        eyes=values[..., at["eyes"]].unflatten(-1, (2, 3)),
        eyelids=values[..., at["eyelids"]],
    )
