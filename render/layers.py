"""What a renderer knows at each pixel: face, depth, position, normal, UV, mask. With gradients to the vertices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flame_tools.errors import ShapeError
from flame_tools.normals import vertex_normals
from flame_tools.types import Camera
from render.antialiasing import antialias
from render.camera import to_clip
from render.raster import Raster, checked_faces, interpolate, rasterize
from render.texturing import mip_level, texture


@dataclass(frozen=True)
class Layers:
    """Passes of B pictures; all are zero where nothing is seen, but depth. Lit pictures are made of them."""

    camera: Camera
    raster: Raster
    clip: Tensor  # [B, V, 4]
    faces: Tensor  # [F, 3]
    points: Tensor  # [B, H, W, 3] world, metres
    normals: Tensor  # [B, H, W, 3] world, interpolated vertex normals: a little shorter than 1
    depth_m: Tensor  # [B, H, W] metres before the camera, +inf where nothing is seen
    mask: Tensor  # [B, H, W] 1 where something is seen, blended along outlines
    uv: Tensor | None  # [B, H, W, 2]; None for a mesh that has none
    level: Tensor | None  # [B, H, W] log2 of a pixel's span in a texture one texel wide; add log2 of its side

    def attribute(self, values: Tensor) -> Tensor:
        """Values at vertices, [V, C] or [B, V, C], at the pixels: [B, H, W, C], zero where nothing is seen."""
        return interpolate(values, self.faces, self.raster)

    def smooth(self, image: Tensor) -> Tensor:
        """Blend a picture [B, H, W, C] made of these layers along its outlines, by which vertices feel silhouettes."""
        return antialias(image, self.raster, self.clip, self.faces)

    def albedo(self, image: Tensor) -> Tensor:
        """A texture [B or 1, h, w, C], row 0 at v = 1, at the pixels: [B, H, W, C], zero where nothing is seen."""
        if self.uv is None:
            raise ShapeError("these layers have no uv; draw them with uv= and uv_faces=")
        rows, columns = image.shape[1:3]
        level = None
        if min(rows, columns) > 1:
            level = (self.level + torch.log2(torch.tensor(float(max(rows, columns))))).clamp(min=0)
        return texture(image, self.uv, level=level) * (self.raster.face_id >= 0)[..., None]


def draw_layers(
    vertices: Tensor,  # [B, V, 3] world, metres, float32 or float64
    faces: Tensor,  # [F, 3]
    camera: Camera,  # one for all, or with a batch axis
    *,
    uv: Tensor | None = None,  # [U, 2]
    uv_faces: Tensor | None = None,  # [F, 3]
    backend: str = "auto",  # of rasterize
) -> Layers:
    """Draw the passes of a batch of meshes of one topology."""
    if vertices.ndim != 3 or vertices.shape[-1] != 3:
        raise ShapeError(f"vertices are {list(vertices.shape)}, wanted [B, V, 3]")
    faces = checked_faces(faces, vertices.shape[1], "vertices have", vertices.device)
    width, height = camera.size
    clip = to_clip(vertices, camera)
    raster = rasterize(clip, faces, (height, width), backend=backend)
    seen = raster.face_id >= 0
    along = torch.as_tensor(camera.world_to_camera, dtype=vertices.dtype, device=vertices.device)[..., 2:3, :]
    depth = vertices @ along[..., :3].mT + along[..., 3:].mT
    known = torch.cat([vertices, vertex_normals(vertices, faces.long()), depth], -1)
    passes = interpolate(known, faces, raster)
    points, normals, depth = passes[..., :3], passes[..., 3:6], passes[..., 6]
    places = level = None
    if uv is not None:
        if uv_faces is None:
            raise ShapeError("uv came without uv_faces; wanted the corners [F, 3] of each face in uv")
        uv = torch.as_tensor(uv, dtype=vertices.dtype, device=vertices.device)
        places = interpolate(uv, uv_faces, raster)
        # of a texture of 2^15 texels, so that no level is cut at 0
        level = mip_level(clip.detach(), faces, uv, uv_faces, raster, (1 << 15, 1 << 15)) - 15
    mask = antialias(seen[..., None].to(vertices.dtype), raster, clip, faces)[..., 0]
    depth = torch.where(seen, depth, torch.inf)
    return Layers(camera, raster, clip, faces, points, normals, depth, mask, places, level)
