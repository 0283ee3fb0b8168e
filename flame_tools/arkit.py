"""ARKit's 52 face weights to a head's own parameters and back.

A head whose components carry the names (`arkit_names`) is moved by these. Where components have other names or none
(FLAME), the head's `arkit_map` says what each weight stands for; where it has none either, one is solved
(`flame_tools.transfer.names.solve_map`) and kept.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flame_tools.arkit_names import (
    ARKIT_NAMES,
    EXPRESSION_OWNED,
    INDEX,
    JOINT_OWNED,
    LID_OWNED,
    has_named_shapes,
    known_to,
    params_by_name,
    says_names,
    weights_by_name,
)
from flame_tools.errors import ShapeError
from flame_tools.head import Head
from flame_tools.types import FaceParams

__all__ = [
    "ARKIT_NAMES", "EXPRESSION_OWNED", "INDEX", "JOINT_OWNED", "LID_OWNED", "from_params", "has_named_shapes",
    "known_to", "says_names", "to_params",
]  # fmt: skip


def to_params(weights: Tensor | np.ndarray, head: Head) -> FaceParams:
    """ARKit weights [..., 52] in [0, 1] to FaceParams in the head's type, with neutral identity, head pose and place.

    Raises ShapeError where `weights` has another length or holds what is no number, or the head has no names, no map
    and no landmarks to solve by.
    """
    weights = torch.as_tensor(weights)
    if weights.shape[-1:] != (len(ARKIT_NAMES),):
        raise ShapeError(f"ARKit weights are {list(weights.shape)}, wanted [..., {len(ARKIT_NAMES)}]")
    if not weights.isfinite().all():
        raise ShapeError("ARKit weights hold NaN or infinity; wanted numbers from 0 to 1")
    weights = weights.to(head.v_template)  # numpy's are float64 unless told otherwise
    if says_names(head.arrays):
        return params_by_name(weights, head)
    from flame_tools.transfer.names import params_by_map  # scipy and correspondence: half a second

    return params_by_map(weights, head)


def from_params(params: FaceParams, head: Head) -> Tensor:
    """FaceParams to ARKit weights [..., 52].

    What the names cannot say is left out: a jaw that closes past rest or twists, eyes that roll. A head with other
    components is explained by what its face shows, unless its map tells exactly; see `flame_tools.transfer.names`.
    """
    if says_names(head.arrays):
        return weights_by_name(params, head)
    from flame_tools.transfer.names import weights_by_map

    return weights_by_map(params, head)
