"""A face whose colours are those of the picture where its shape is: light and complexion are solved for, not read.

For a network that tells no light. A mean skin is given; nine spherical harmonics a channel, which take the
complexion with them, follow by least squares from the picture (Ramamoorthi and Hanrahan 2001; as VarPro, Golub and
Pereyra 1973, eliminates what a model is linear in). Shape and pose are left to explain the rest.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import InputError
from flame_tools.types import HeadArrays
from recon.losses.drawn import Drawn
from recon.losses.hull import hull_mask
from recon.losses.photometric import ShadedFace, photometric_loss
from render.lighting import sh_basis, sh_light
from render.looks import make_look
from render.materials import srgb_to_linear

_TEXELS = 256  # a side of the mean skin: pictures of faces are smaller
_RIDGE = 1e-3  # pull to no light, of the mean weight of a band: a face seen from one side leaves some bands open


def solved_light(
    normals: Tensor,  # [B, H, W, 3] unit
    colour: Tensor,  # [B, H, W, 3] linear albedo
    picture: Tensor,  # [B, H, W, 3] linear
    mask: Tensor,  # [B, H, W] in [0, 1]
) -> Tensor:  # [B, 9, 3] for render.lighting.sh_light
    """Light in which the surface is nearest to the picture. Differentiable."""
    basis = (sh_basis(normals)[..., None] * colour[..., None, :]).flatten(1, 2)  # [B, n, 9, 3]
    weighted = basis * mask.flatten(1)[..., None, None]
    square = torch.einsum("bnic,bnjc->bcij", weighted, basis)
    aim = torch.einsum("bnic,bnc->bci", weighted, picture.flatten(1, 2))
    pull = _RIDGE * square.diagonal(dim1=-2, dim2=-1).mean(-1) + 1e-6
    found = torch.linalg.solve(square + pull[..., None, None] * torch.eye(9).to(square), aim)
    return found.mT


class SolvedLight:
    """The photometric loss of a head's face in its mean skin, where it stands and the photo shows a face."""

    def __init__(self, arrays: HeadArrays, *, size: int):  # pixels a side of its pictures
        skin = make_look(arrays).skin_texture if len(arrays.uv) else None
        if skin is None:
            raise InputError(f"head {arrays.id!r} has no UV or no skin to be painted; leave the photometric loss out")
        self.face = ShadedFace(arrays, size=size)
        linear = torch.as_tensor(srgb_to_linear(np.asarray(skin) / 255)).float().permute(2, 0, 1)[None]
        self.albedo = torch.nn.functional.interpolate(linear, (_TEXELS, _TEXELS), mode="area")

    def __call__(
        self,
        vertices: Tensor,  # [B, V, 3] world, metres
        projected: Tensor,  # [B, V, 3] as `recon.networks.codes.projected` gives
        photo: Tensor,  # [B, 3, size, size] sRGB in [0, 1]
        landmarks: Tensor,  # [B, L, 2] crop units: their hull is the face in the photo
    ) -> Tensor:
        return self.of(self.face.drawing(vertices, projected), photo, landmarks)

    def of(self, drawn: Drawn, photo: Tensor, landmarks: Tensor) -> Tensor:
        """The same of what `face.drawing` gave."""
        linear = torch.where(photo <= 0.04045, photo / 12.92, ((photo + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1
        colour = self.face.coloured(drawn, self.albedo.to(photo))
        mask = drawn.silhouette * hull_mask(landmarks, photo.shape[-1]).to(photo)
        with torch.no_grad():
            light = solved_light(drawn.normals, colour, linear.movedim(1, -1), mask[:, 0])
        return photometric_loss(drawn.finished(colour * sh_light(drawn.normals, light)), linear, mask)
