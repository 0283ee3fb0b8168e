"""The photo painted again from a grey render of the face and what a mask leaves of it (SMIRK: Retsinas et al. 2024).

A generator cannot paint an expression that the render does not show, so its error teaches the encoder. Its input is
the grey render, by which gradients reach the face, and the masked photo, which has none.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from flame_tools.errors import ShapeError
from flame_tools.types import HeadArrays
from recon.losses.drawn import Drawing, Drawn
from recon.losses.hull import hull_mask
from recon.networks.masking import DROP, SHARE, Points, masked, moved_pixels, region_weights, sample_points
from render.lighting import grey_face

Picture = Callable[[Tensor, Tensor], Tensor]


class GreyFace:
    """The grey picture of a head's face, and the photo without it."""

    def __init__(self, arrays: HeadArrays, *, size: int = 224, region: str = "face"):
        self.drawing = Drawing(arrays, size=size, region=region)
        self.weights = region_weights(arrays)  # [F]
        self.size = size

    def __call__(
        self,
        vertices: Tensor,  # [B, V, 3] world, metres
        projected: Tensor,  # [B, V, 3] as `recon.networks.codes.projected` gives
    ) -> tuple[Tensor, Tensor]:  # [B, 3, H, W] in [0, 1], and the silhouette [B, 1, H, W]
        """Differentiable in both."""
        return self.of(self.drawing(vertices, projected))

    def of(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """The same of what `drawing` gave."""
        grey = drawn.finished(grey_face(drawn.normals)).clamp(0, 1)
        return grey.expand(-1, 3, -1, -1), drawn.silhouette

    def points(self, projected: Tensor, *, generator: torch.Generator, share: float = SHARE) -> Points:
        """Points on the seen face, `share` of the picture's pixels of them."""
        count = max(1, round(share * self.size**2))
        faces = self.drawing.all_faces
        return sample_points(projected.detach(), faces, self.weights, count, generator=generator)

    def masked(
        self,
        photo: Tensor,  # [B, 3, H, W]
        landmarks: Tensor,  # [B, L, 2] crop units: their hull is the face in the photo
        silhouette: Tensor,  # [B, 1, H, W] of the render beside it
        points: Points,
        before: Tensor,  # [B, V, 3] where the face is in the photo, projected
        after: Tensor | None = None,  # [B, V, 3] where it is to go; None: it stays
        *,
        generator: torch.Generator,
        drop: float = DROP,  # SMIRK's second path: 0.005
    ) -> Tensor:  # [B, 3, H, W] without gradients
        """The photo without the face but for pixels at the points, moved with it."""
        if photo.shape[-2:] != (self.size, self.size):
            raise ShapeError(f"the photo is {list(photo.shape)}, wanted {self.size} pixels a side as the render")
        faces = self.drawing.all_faces
        start = points.pixels(before.detach(), faces, self.size)
        end = start if after is None else points.pixels(after.detach(), faces, self.size)
        kept = moved_pixels(photo, start, end)
        hull = hull_mask(landmarks, self.size).to(photo)
        return masked(photo, kept, hull, silhouette, generator=generator, drop=drop)


def neural_loss(
    painted: Tensor,  # [B, 3, H, W] in [0, 1]
    photo: Tensor,  # [B, 3, H, W]
    perceptual: Picture | None = None,  # such as `perceptual.PerceptualLoss`
    *,
    weight: float = 1.0,  # of it, beside the pixels' 1: SMIRK's are 10 and 10
) -> Tensor:
    """Mean absolute difference of pixels, and what a perceptual network finds."""
    if painted.shape != photo.shape:
        raise ShapeError(f"pictures are {list(painted.shape)} and {list(photo.shape)}; wanted [B, 3, H, W] twice")
    pixels = (painted - photo).abs().mean()
    return pixels if perceptual is None else pixels + weight * perceptual(painted, photo)
