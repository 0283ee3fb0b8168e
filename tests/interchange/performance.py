"""The performance that goes through other programs, and the frames at which we look there."""

import numpy as np
import torch

from flame_tools import Appearance, FaceParams, Head, Track

FRAMES = (0, 3, 7, 10, 14, 17, 20, 22, 25, 29)


def performance(head: Head, frames: int = 30) -> Track:
    """Every component, joint and lid moves, within what a face does."""
    rng = torch.Generator().manual_seed(3)

    def smooth(*size):  # [frames, *size] in [-1, 1], a sine of random speed and phase in each channel
        phase, speed = torch.rand(2, *size, generator=rng)
        t = torch.arange(frames).reshape(-1, *(1 for _ in size)) / frames
        return torch.sin(2 * torch.pi * (t * (0.5 + 2 * speed) + phase))

    jaw = smooth(3) * torch.tensor([0.15, 0.06, 0.03]) + torch.tensor([0.15, 0.0, 0.0])
    params = FaceParams(
        shape=torch.randn(head.shape_size, generator=rng) * 0.7,
        expression=0.3 + 0.3 * smooth(head.expression_size),
        global_rotation=0.2 * smooth(3),
        neck=0.2 * smooth(3),
        jaw=jaw,
        eyes=0.3 * smooth(2, 3),
        eyelids=0.5 + 0.5 * smooth(2),
        translation=0.1 * smooth(3),
    )
    albedo = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    return Track(head.arrays.id, params, np.arange(frames) / 30, fps=(30, 1), appearance=Appearance(albedo=albedo))
