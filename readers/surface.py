"""What a head's surface looks like in grey: a tone for each material, and what is painted on the skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from flame_tools.types import HeadArrays
from render import Raster, interpolate, rasterize, texture
from render.kept_looks import look_of
from render.materials import srgb_to_linear

# Linear-light grey of each material under no variation; what a head calls otherwise counts as skin.
MATERIALS = {
    "skin": 0.40, "lips": 0.23, "sclera": 0.62, "iris": 0.10, "pupil": 0.02, "teeth": 0.62, "gums": 0.18,
    "tongue": 0.20, "mouth": 0.08,
}  # fmt: skip
_NAMES = tuple(MATERIALS)
_INSIDE = ("teeth", "gums", "tongue", "mouth")
_GREY = np.array([0.2126, 0.7152, 0.0722])  # luminance of linear sRGB (BT.709)
_TEXELS = 256


@dataclass(frozen=True)
class Surface:
    """Grey of n vertices and F triangles, before light."""

    material: Tensor  # [n] into MATERIALS; lips count as skin where they are painted
    occlusion: Tensor  # [n] share of the sky that is seen at rest
    inside: Tensor  # [m] vertices of teeth, gums, tongue and mouth
    uv: Tensor  # [U, 2]
    uv_faces: Tensor  # [F, 3]; [0, 3] where nothing is painted
    layers: Tensor  # [1, h, w, 2] log grey of the paint over plain skin (brows, lash lines), and 1 where lips are

    def painted(self, raster: Raster, paint: Tensor, tones: Tensor) -> Tensor:
        """What paint multiplies linear grey by, [N, H, W]; of its strength [N] and tones [N, len(MATERIALS)]."""
        if not len(self.uv_faces):
            return torch.ones_like(raster.depth)
        place = interpolate(self.uv.to(raster.bary), self.uv_faces, raster)
        seen = texture(self.layers.to(raster.bary), place) * (raster.face_id >= 0)[..., None]
        lips = torch.log(tones[:, 1] / tones[:, 0])[:, None, None]
        return torch.exp(paint[:, None, None] * seen[..., 0] + lips * seen[..., 1])


def surface_of(arrays: HeadArrays, vertices: np.ndarray, faces: np.ndarray) -> Surface:
    """Of the vertices [n] and triangles [F] of a head, by number."""
    look = look_of(arrays)
    painted = look.has_uv and look.skin_texture is not None
    own = np.array([_NAMES.index(name) if name in MATERIALS else 0 for name in arrays.materials])
    of_face = own[arrays.face_material]
    material = np.zeros(len(arrays.v_template), np.int64)
    for number in range(2 if painted else 1, len(_NAMES)):  # skin first: others lie on it
        material[arrays.faces[of_face == number]] = number
    inside = np.isin(material, [_NAMES.index(name) for name in _INSIDE])
    used, uv_faces = np.unique(arrays.uv_faces[faces], return_inverse=True) if painted else (np.zeros(0, int), [])
    return Surface(
        torch.as_tensor(material[vertices]),
        torch.as_tensor(np.asarray(look.occlusion)[vertices], dtype=torch.float32),
        torch.as_tensor(np.flatnonzero(inside[vertices])),
        torch.as_tensor(arrays.uv[used] if painted else np.zeros((0, 2)), dtype=torch.float32),
        torch.as_tensor(np.reshape(uv_faces, (-1, 3)).astype(np.int64)),
        _layers(arrays, look.skin_texture, of_face) if painted else torch.zeros(1, 1, 1, 2),
    )


def _layers(arrays: HeadArrays, skin: np.ndarray, of_face: np.ndarray) -> Tensor:
    """The paint of `Surface.layers`, from the skin's colours [h, w, 3] and the material of each triangle [F]."""
    block = max(len(skin) // _TEXELS, 1)
    side = len(skin) // block
    grey = srgb_to_linear(skin[: side * block, : side * block] / 255.0) @ _GREY
    grey = np.log(np.maximum(grey.reshape(side, block, side, block).mean((1, 3)), 1e-3))
    flat = torch.as_tensor(np.concatenate([2 * arrays.uv - 1, 0 * arrays.uv + [0, 1]], 1), dtype=torch.float64)
    shown = rasterize(flat[None], torch.as_tensor(arrays.uv_faces), (4 * side, 4 * side)).face_id[0].numpy()
    kind = np.where(shown >= 0, of_face[np.maximum(shown, 0)], -1)
    share = {k: (kind == k).reshape(side, 4, side, 4).mean((1, 3)) for k in (0, 1)}
    plain = np.median(grey[share[0] == 1]) if (share[0] == 1).any() else 0.0
    layers = np.stack([(grey - plain) * (share[0] == 1), share[1]], -1)
    # No sharper than pixels of the pictures, which sample it at one point each.
    return torch.as_tensor(gaussian_filter(layers, (1.2, 1.2, 0)), dtype=torch.float32)[None]
