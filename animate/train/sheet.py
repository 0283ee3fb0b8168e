"""A picture of what a network has learnt: true faces above those it answers with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from animate.motion import face_of
from flame_tools.head import Head

_SIDE = 160  # pixels of a face


def frame_sheet(head: Head, wanted: Tensor, found: Tensor, *, columns: int = 6) -> np.ndarray:
    """`columns` frames, evenly chosen, of motion [T, D]: `wanted` over `found`. uint8 [H, W, 3]."""
    from render.camera import portrait_camera
    from render.preview import contact_sheet, draw, head_bounds

    frames = np.linspace(0, len(wanted) - 1, columns).round().astype(int)
    rows = torch.cat([motion[frames].detach().float().cpu() for motion in (wanted, found)])
    with torch.no_grad():
        vertices = head.vertices(face_of(rows, head))
    camera = portrait_camera((_SIDE, _SIDE), head_bounds(head))
    labels = [f"{kind} {frame}" for kind in ("true", "found") for frame in frames]
    return contact_sheet([draw(head, face, camera) for face in vertices], columns, labels)
