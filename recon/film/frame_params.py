"""A person's frames as FaceParams."""

from __future__ import annotations

import numpy as np
import torch

from flame_tools.types import FaceParams
from recon.film.person import Person


def params_of_rows(
    person: Person, values: np.ndarray, shape: np.ndarray, *, unknown: float, dtype: torch.dtype
) -> FaceParams:
    """Rows [T, K] of unknowns or of standard deviations as FaceParams; what a film does not tell is `unknown`."""
    lay = person.layout

    def part(entries: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(entries), dtype=dtype)

    rest = np.full((len(values), 1), unknown)
    eyes = values[:, lay.eyes].reshape(-1, 2, 2)
    return FaceParams(
        shape=part(shape),
        expression=part(values[:, lay.expression]),
        global_rotation=part(values[:, lay.rotation]),
        neck=torch.full((len(values), 3), unknown, dtype=dtype),
        jaw=part(np.concatenate([values[:, lay.jaw], rest], 1)),
        eyes=part(np.concatenate([eyes, np.repeat(rest[:, None], 2, 1)], 2)),
        eyelids=part(values[:, lay.eyelids]),
        translation=part(values[:, lay.translation]),
    )
