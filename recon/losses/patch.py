"""Squares cut out of pictures with gradients to the pixels and to the place: mouths and faces for networks that look.

The published crops round to whole pixels, so no gradient tells a landmark where its mouth is. These are sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from flame_tools.errors import ShapeError
from readers.face_parts import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS
from readers.stage import View
from recon.losses.landmarks import MOUTH

# Five points in ArcFace's picture of 112 pixels (insightface): eyes, nose, corners of the mouth, from the left
ARCFACE_POINTS = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
_ARCFACE_SIZE = 112
_MESH = (RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS, 1, 61, 291)
_FIVE = {68: ((36, 39), (42, 45), 30, 48, 54), 468: _MESH, 478: _MESH}  # corners of eyes, nose, corners of the mouth


@dataclass(frozen=True)
class Patch:
    """N squares in pictures, crop units of the picture."""

    centre: Tensor  # [N, 2]
    across: Tensor  # [N, 2] from the centre to the middle of the right side

    def to_picture(self, places: Tensor) -> Tensor:
        """Places [..., N, n, 2] in units of the squares (sides at -1 and 1) -> crop units of the picture."""
        across = self.across[..., None, :]
        down = torch.stack([-across[..., 1], across[..., 0]], -1)
        return self.centre[..., None, :] + places[..., :1] * across + places[..., 1:] * down

    def cut(self, images: Tensor, size: int, *, finer: int = 1) -> Tensor:
        """Images [N, C, S, S] -> [N, C, size, size], bilinear, black beyond; `finer` samples a pixel's side."""
        if images.ndim != 4 or images.shape[-1] != images.shape[-2] or len(images) != len(self.centre):
            raise ShapeError(f"images are {list(images.shape)}, wanted square ones [{len(self.centre)}, C, S, S]")
        side = size * finer
        ticks = (torch.arange(side, device=images.device, dtype=images.dtype) + 0.5) * (2 / side) - 1
        y, x = torch.meshgrid(ticks, ticks, indexing="ij")
        grid = self.to_picture(torch.stack([x, y], -1).flatten(0, 1)[None]).unflatten(1, (side, side))
        cut = grid_sample(images, grid.to(images), mode="bilinear", padding_mode="zeros", align_corners=False)
        return avg_pool2d(cut, finer) if finer > 1 else cut


def mouth_patch(
    landmarks: Tensor,  # [N, 68, 2]
    half: float,  # of the square's side, crop units
) -> Patch:
    """An upright square of a fixed size about the mean of the mouth's points, as SPECTRE's."""
    centre = landmarks[..., MOUTH, :].mean(-2)
    return Patch(centre, torch.stack([torch.full_like(centre[..., 0], half), torch.zeros_like(centre[..., 0])], -1))


def view_patch(
    landmarks: Tensor,  # [N, 68, 2], best of the person at rest in the same pose: an open jaw then moves in the square
    view: View,  # of readers.stage
) -> Patch:
    """What a view of `readers.stage` shows, turned with the head."""
    above, below = (landmarks[..., list(rows), :].mean(-2) for rows in (view.above, view.below))
    down = below - above
    return Patch(above + view.centre * down, view.reach * torch.stack([down[..., 1], -down[..., 0]], -1))


def box_patch(
    landmarks: Tensor,  # [N, L, 2]
    margin: float,
) -> Patch:
    """An upright square of `margin` times the mean of the landmarks' box's width and height, about its centre."""
    low, high = landmarks.amin(-2), landmarks.amax(-2)
    half = margin * (high - low).mean(-1) / 2
    return Patch((low + high) / 2, torch.stack([half, torch.zeros_like(half)], -1))


def arcface_patch(
    points: Tensor,  # [N, 5, 2] eyes, nose, corners of the mouth, from the left of the picture
) -> Patch:
    """The similarity that brings five points nearest to ArcFace's (least squares in its picture; Umeyama 1991)."""
    template = (points.new_tensor(ARCFACE_POINTS) + 0.5) * (2 / _ARCFACE_SIZE) - 1
    mean, aim = points.mean(-2, keepdim=True), template.mean(-2, keepdim=True)
    (x, y), (u, v) = (points - mean).unbind(-1), (template - aim).unbind(-1)
    spread = (x * x + y * y).sum(-1).clamp(min=1e-12)
    turn = torch.stack([(u * x + v * y).sum(-1), (v * x - u * y).sum(-1)], -1) / spread[..., None]  # picture -> square
    squared = turn.square().sum(-1, keepdim=True).clamp(min=1e-12)
    across = torch.stack([turn[..., 0], -turn[..., 1]], -1) / squared
    return Patch(Patch(mean[..., 0, :], across).to_picture(-aim)[..., 0, :], across)


def five_points(landmarks: Tensor) -> Tensor:
    """Eyes, nose and corners of the mouth [N, 5, 2] of landmarks [N, L, 2]: the 68, or MediaPipe's 468 or 478.

    An eye is the middle of its corners: lids that close do not move it.
    """
    if landmarks.ndim < 2 or landmarks.shape[-2] not in _FIVE:
        raise ShapeError(f"landmarks are {list(landmarks.shape)}, wanted [..., 68, 468 or 478, 2]")
    *eyes, nose, right, left = _FIVE[landmarks.shape[-2]]
    middles = [landmarks[..., list(corners), :].mean(-2) for corners in eyes]
    return torch.stack([*middles, *(landmarks[..., row, :] for row in (nose, right, left))], -2)


def grey(images: Tensor) -> Tensor:
    """RGB [..., 3, H, W] -> [..., 1, H, W] by the luma of BT.601."""
    return (images * images.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(-3, keepdim=True)
