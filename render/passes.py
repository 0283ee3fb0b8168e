"""Passes of a head as pictures: colours without light, normals, depth, places in the texture, coverage.

For numbers with gradients see `render.layers`; these are bytes, to be looked at or taken into a compositor.
"""

from __future__ import annotations

import numpy as np
import torch

from flame_tools.errors import InputError, ShapeError
from flame_tools.types import Camera
from render.kept_looks import look_of
from render.preview import draw_rgba, plain_vertices

PASSES = {
    "albedo": "the colours of skin, eyes and mouth, without light, sRGB",
    "normals": "the direction of the surface in view axes (x right, y up, z to the viewer), 128 + 127 n",
    "depth": "white at the near end of a range, black at its far end and where nothing is seen",
    "uv": "u in red, v in green",
    "mask": "the share of each pixel that the head covers",
}


def draw_pass(
    head,  # Head, HeadArrays, Mesh, or a Look
    vertices,  # [V, 3] metres, world
    camera: Camera,
    name: str,  # of PASSES
    *,
    albedo: np.ndarray | None = None,  # as `draw` takes it
    skin: tuple[int, int, int] | None = None,
    depth_m: tuple[float, float] | None = None,  # the range of depth; what these vertices span by default
    threads: int | None = 1,
) -> np.ndarray:  # [H, W, 3] uint8, black where nothing is seen
    """Draw one pass of one head. Normals, depth and uv are smoothed along outlines only."""
    if name not in PASSES:
        raise InputError(f"there is no pass {name!r}; there are: {', '.join(PASSES)}")
    if name in ("albedo", "mask"):
        drawn = draw_rgba(head, vertices, camera, albedo=albedo, skin=skin, lit=False, threads=threads)
        cover = drawn[..., 3:]
        if name == "mask":
            return np.repeat(cover, 3, -1)
        return (drawn[..., :3].astype(np.uint16) * cover // 255).astype(np.uint8)
    from render.layers import draw_layers

    look = look_of(head)
    points = torch.from_numpy(plain_vertices(look, vertices))[None]
    if name == "uv" and not look.has_uv:
        raise ShapeError("this head has no uv; wanted one with a texture layout, or another pass")
    mapped = {"uv": torch.from_numpy(look.uv), "uv_faces": torch.from_numpy(look.uv_faces)} if name == "uv" else {}
    with torch.no_grad():
        layers = draw_layers(points, torch.from_numpy(look.faces), camera, **mapped)
        seen = (layers.raster.face_id >= 0)[..., None]
        if name == "normals":
            to_view = np.diag([1.0, -1.0, -1.0]) @ np.asarray(camera.world_to_camera)[:3, :3]
            turned = layers.normals @ torch.as_tensor(to_view, dtype=points.dtype).T
            turned = turned / turned.norm(dim=-1, keepdim=True).clamp(min=1e-12)
            image = (128 + 127 * turned) / 255
        elif name == "depth":
            depth = layers.depth_m[..., None].where(seen, 0)
            near, far = depth_m or depth_range(points[0].numpy(), camera)
            image = ((far - depth) / max(far - near, 1e-9)).clamp(0, 1).expand(-1, -1, -1, 3)
        else:
            image = torch.cat([layers.uv, torch.zeros_like(layers.uv[..., :1])], -1)
        image = layers.smooth(torch.where(seen, image, 0.0).contiguous())[0]
    return (image.clamp(0, 1) * 255).round().byte().numpy()


def depth_range(points: np.ndarray, camera: Camera) -> tuple[float, float]:
    """Nearest and farthest distance along the view, metres, of vertices [V, 3]."""
    along = np.asarray(camera.world_to_camera)[2]
    depth = points @ along[:3] + along[3]
    return float(depth.min()), float(depth.max())
