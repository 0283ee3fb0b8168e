"""Which triangles of a head a view can show, whatever the face does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.head import Head
from flame_tools.rotations import matrix_from_axis_angle
from render import rasterize

_TURN_RAD = 0.25  # of the camera, to each side, up and down
_PIXELS = 128
_POSES = (  # names of ARKit shapes at 1, the jaw half open
    (), ("jawOpen",), ("jawOpen", "mouthSmile"), ("jawOpen", "mouthPucker"), ("jawOpen", "mouthFunnel"),
    ("mouthSmile", "cheekSquint", "eyeSquint"), ("mouthPucker", "browDown"), ("mouthStretch", "eyeWide"),
    ("mouthFunnel", "browInnerUp", "browOuterUp"), ("mouthRollLower", "mouthRollUpper"),
    ("mouthFrown", "mouthShrugLower", "eyeBlink"), ("mouthUpperUp", "mouthLowerDown", "noseSneer"),
)  # fmt: skip


def seen_faces(head: Head, clip: Callable[[Tensor], Tensor]) -> np.ndarray:
    """Sorted triangles [F] of `head` that `clip` (vertices [N, V, 3] -> clip space [N, V, 4]) shows in some pose.

    Poses are the rows of _POSES, seen from the front and from the sides. A ring of neighbours is kept around what they
    show, so that normals at the border are right and other people show no hole.
    """
    weights = torch.zeros(len(_POSES), len(ARKIT_NAMES), dtype=head.v_template.dtype)
    for row, pose in enumerate(_POSES):
        for name in pose:
            for column in [INDEX[name]] if name in INDEX else [INDEX[name + side] for side in ("Left", "Right")]:
                weights[row, column] = 1.0 if name != "jawOpen" else 0.5
    with torch.no_grad():
        vertices = head.vertices(to_params(weights, head))
        middle = vertices[:1].mean(1, keepdim=True)
        turns = torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, -1, 0], [1, 0, 0], [-1, 0, 0]]) * _TURN_RAD
        found = np.zeros(len(head.faces), bool)
        for turn in matrix_from_axis_angle(turns).to(vertices):
            turned = (vertices - middle) @ turn.T + middle
            shown = rasterize(_around(clip(turned)), head.faces, (_PIXELS, _PIXELS)).face_id
            found[np.unique(shown[shown >= 0])] = True
    faces = head.arrays.faces
    near = np.zeros(len(head.v_template), bool)
    near[faces[found]] = True
    return np.flatnonzero(near[faces].any(1))


def _around(clip: Tensor) -> Tensor:
    """A little more than the picture: cameras shift and zoom."""
    return torch.cat([clip[..., :2] / 1.15, clip[..., 2:]], -1)
