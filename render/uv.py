"""Pictures onto a mesh's UV and back, and displacement along its normals. Row 0 of a map is v = 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from flame_tools.errors import ShapeError
from flame_tools.normals import vertex_normals
from render.layers import Layers
from render.raster import Raster, interpolate, rasterize
from render.texturing import texture


@dataclass(frozen=True)
class Atlas:
    """The texels of a UV layout: which face lies on each."""

    raster: Raster  # of one picture, [1, h, w]
    faces: Tensor  # [F, 3] of the surface
    uv: Tensor  # [U, 2]
    uv_faces: Tensor  # [F, 3]

    def spread(self, values: Tensor) -> Tensor:
        """Values at vertices [B, V, C] or [V, C] -> maps [B, h, w, C], zero off the layout."""
        values = values if values.ndim == 3 else values[None]
        ids, bary, depth = (part.expand(len(values), *part.shape[1:]) for part in vars(self.raster).values())
        return interpolate(values, self.faces, Raster(ids, bary, depth))

    @property
    def covered(self) -> Tensor:
        """[h, w] bool: texels that lie on a face."""
        return self.raster.face_id[0] >= 0


def atlas(faces: Tensor, uv: Tensor, uv_faces: Tensor, size: tuple[int, int]) -> Atlas:
    """Lay out faces [F, 3] by uv [U, 2] and uv_faces [F, 3] on size (rows, columns) of texels."""
    uv, faces, uv_faces = (v if isinstance(v, Tensor) else torch.from_numpy(v.copy()) for v in (uv, faces, uv_faces))
    if uv.ndim != 2 or uv.shape[-1] != 2 or len(uv_faces) != len(faces):
        raise ShapeError(
            f"uv is {list(uv.shape)} with {len(uv_faces)} uv_faces for {len(faces)} faces; wanted [U, 2], one for each"
        )
    flat = torch.cat([uv * 2 - 1, torch.zeros_like(uv[:, :1]), torch.ones_like(uv[:, :1])], -1)
    return Atlas(rasterize(flat[None], uv_faces, size), faces, uv, uv_faces)


def bake(
    image: Tensor,  # [B, H, W, C] the picture
    layers: Layers,  # of the mesh in it, as `draw_layers` gives
    vertices: Tensor,  # [B, V, 3] world, metres
    onto: Atlas,
    *,
    slack_m: float = 0.003,  # a texel this far from what its pixel sees is still seen
) -> tuple[Tensor, Tensor]:  # maps [B, h, w, C] and how well each texel was seen [B, h, w] in [0, 1]
    """Project a picture onto a surface's texels. Differentiable in the picture, and in the vertices by place.

    A texel is seen by the cosine between its normal and the way to the camera, and not at all where something else is
    before it or where the picture ends.
    """
    batch, height, width = layers.raster.face_id.shape
    if image.ndim != 4 or image.shape[:3] != (batch, height, width):
        raise ShapeError(f"image is {list(image.shape)}, wanted [{batch}, {height}, {width}, C] as the layers")
    corners = onto.spread(layers.clip)
    w = corners[..., 3:]
    place = corners[..., :2] / torch.where(w.abs() > 1e-12, w, 1.0)
    colours = texture(image.to(vertices.dtype), (place + 1) / 2)
    with torch.no_grad():
        pixels = (place + 1) / 2
        found = texture(layers.points, pixels)
        points = onto.spread(vertices)
        whole = texture((layers.raster.face_id >= 0)[..., None].to(vertices.dtype), pixels)[..., 0] > 0.999
        inside = ((place.abs() <= 1).all(-1)) & (w[..., 0] > 0) & onto.covered
        seen = inside & whole & ((found - points).norm(dim=-1) < slack_m)
        normals = normalize(onto.spread(vertex_normals(vertices, onto.faces.long())), dim=-1)
        facing = (normals * _to_eye(points, layers.camera)).sum(-1)
        seen = seen * facing.clamp(0, 1)
    return colours * onto.covered[..., None], seen


def vertex_uv(
    faces: Tensor,  # [F, 3]
    uv: Tensor,  # [U, 2]
    uv_faces: Tensor,  # [F, 3]
    count: int,  # V
) -> Tensor:  # [V, 2]; on a seam the uv of the lowest number; zero where no face touches
    """One uv for each vertex."""
    faces, uv_faces = faces.long().flatten(), uv_faces.long().flatten()
    lowest = torch.full((count,), len(uv), device=uv.device).scatter_reduce(0, faces, uv_faces, "amin")
    return torch.cat([uv, uv.new_zeros(1, 2)])[lowest]


def displace(
    vertices: Tensor,  # [B, V, 3] metres
    heights: Tensor,  # [B or 1, h, w] metres along the normal
    onto: Atlas,
) -> Tensor:  # [B, V, 3]
    """Move vertices along their normals by what a map says at their uv. Differentiable in both."""
    uv = vertex_uv(onto.faces, onto.uv, onto.uv_faces, vertices.shape[1]).to(vertices)
    height = texture(heights[..., None], uv[None, None].expand(len(vertices), -1, -1, -1))[:, 0]
    return vertices + height * vertex_normals(vertices, onto.faces.long())


def detail_normals(
    heights: Tensor,  # [B or 1, h, w] metres along the normal, h and w as the atlas
    vertices: Tensor,  # [B, V, 3] metres
    onto: Atlas,
) -> Tensor:  # [B, h, w, 3] unit world normals, zero off the layout
    """Normals of a surface with a map's relief on it, finer than its vertices. Differentiable in both."""
    points, normals = onto.spread(vertices), onto.spread(vertex_normals(vertices, onto.faces.long()))
    normals = normalize(normals, dim=-1)
    across, down = _steps(points + heights[..., None] * normals, onto.covered)
    bent = torch.linalg.cross(across, down, dim=-1)
    size = bent.norm(dim=-1, keepdim=True)
    bent = bent / torch.where(size > 1e-20, size, 1.0)
    side = (bent * normals).sum(-1, keepdim=True)  # layouts may be mirrored
    return torch.where((size > 1e-20) & (side != 0), bent * torch.sign(side), normals)


def tangent_normals(
    normals: Tensor,  # [B, h, w, 3] world, as `detail_normals` gives
    vertices: Tensor,  # [B, V, 3] metres
    onto: Atlas,
) -> Tensor:  # [B, h, w, 3] unit: along u, along v, along the smooth normal; (0, 0, 1) off the layout
    """A normal map for other renderers (glTF's axes): (n + 1) / 2 is its colour."""
    points, smooth = onto.spread(vertices), onto.spread(vertex_normals(vertices, onto.faces.long()))
    smooth = normalize(smooth, dim=-1)
    across, down = _steps(points, onto.covered)
    tangent = normalize(across - (across * smooth).sum(-1, keepdim=True) * smooth, dim=-1)
    bitangent = torch.linalg.cross(smooth, tangent, dim=-1)
    bitangent = bitangent * torch.where((bitangent * down).sum(-1, keepdim=True) > 0, -1.0, 1.0)  # v is up
    local = torch.stack([(normals * axis).sum(-1) for axis in (tangent, bitangent, smooth)], -1)
    return torch.where(onto.covered[..., None], local, local.new_tensor([0.0, 0.0, 1.0]))


def _steps(points, covered):
    """How points [B, h, w, 3] change a column and a row: central where both neighbours are covered, else one-sided."""
    changes = []
    for dim in (2, 1):
        last = points.shape[dim] - 1
        index = torch.arange(last + 1, device=points.device)
        after, before = (index + 1).clamp(max=last), (index - 1).clamp(min=0)
        held = covered.expand(len(points), -1, -1)
        ahead = torch.where((held & held.index_select(dim, after))[..., None], points.index_select(dim, after), points)
        behind = torch.where(
            (held & held.index_select(dim, before))[..., None], points.index_select(dim, before), points
        )
        changes.append(ahead - behind)
    return changes


def _to_eye(points, camera):
    """Unit directions [B, h, w, 3] from world points to the camera."""
    pose = torch.as_tensor(camera.world_to_camera, dtype=points.dtype, device=points.device)
    pose = pose.reshape(-1, 1, 1, 4, 4)
    if camera.orthographic:
        return -pose[..., 2, :3]
    eye = -(pose[..., :3, :3].mT @ pose[..., :3, 3:])[..., 0]
    return normalize(eye - points, dim=-1)
