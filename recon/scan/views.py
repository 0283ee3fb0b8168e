"""Pictures of a scan from any side, and the way back from a pixel to the surface.

A view looks along -z of its own axes (x right, y up, z towards the viewer), without perspective. Points without faces
are drawn as small squares that lie in the surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon.scan.file import Scan
from recon.scan.points import grid_chosen, local_surfaces, reach_of, smooth_normals, spacing, turned_outward
from recon.texture.surface import unit

BACKDROP, PLAIN = (70, 76, 84), (205, 170, 150)  # sRGB; networks know skin better than grey
_MOST_SPLATS = 150_000


@dataclass(frozen=True)
class Canvas:
    """A scan ready to be drawn: triangles with a colour and a normal at every corner."""

    vertices: np.ndarray  # [N, 3]
    faces: np.ndarray  # [F, 3] int32
    normals: np.ndarray  # [N, 3] unit; outward where `signed`, else of either sign
    signed: bool
    colours: np.ndarray | None  # [N, 3] uint8 sRGB
    uv: np.ndarray | None
    texture: np.ndarray | None


@dataclass(frozen=True)
class View:
    """A picture of a canvas and what each pixel of it sees."""

    image: np.ndarray  # [H, W, 3] uint8
    points: np.ndarray  # [H, W, 3] on the surface; NaN where nothing is seen
    facing: np.ndarray  # [H, W] in [0, 1], cosine between surface and line of sight; 0 where nothing is seen

    def at(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Surface points [n, 3] and facing [n] at pixels [n, 2]."""
        height, width = self.facing.shape
        column, row = np.floor(xy).astype(int).T
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
        return np.where(inside[:, None], self.points[row, column], np.nan), self.facing[row, column] * inside


def canvas_of(scan: Scan) -> Canvas:
    if not scan.is_cloud:
        faces = turned_outward(scan.vertices, scan.faces)
        return Canvas(
            scan.vertices, faces, smooth_normals(scan.vertices, faces), True, scan.colours, scan.uv, scan.texture
        )
    chosen = np.arange(len(scan.vertices))
    if len(chosen) > _MOST_SPLATS:
        chosen = grid_chosen(scan.vertices, spacing(scan.vertices) * np.sqrt(len(chosen) / _MOST_SPLATS))
    points = scan.vertices[chosen]
    places, normals = local_surfaces(points, points, neighbours=24)
    across = unit(np.cross(normals, np.eye(3)[np.abs(normals).argmin(1)]))
    along = np.cross(normals, across)
    size = 0.8 * reach_of(points, neighbours=6)[:, None]
    corners = np.stack([places + size * (i * across + j * along) for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))], 1)
    first = 4 * np.arange(len(points))[:, None]
    faces = np.concatenate([first + np.array(half) for half in ((0, 1, 2), (0, 2, 3))]).astype(np.int32)
    colours = None if scan.colours is None else np.repeat(scan.colours[chosen], 4, axis=0)
    return Canvas(corners.reshape(-1, 3), faces, np.repeat(normals, 4, axis=0), False, colours, None, None)


def view(
    canvas: Canvas,
    axes: np.ndarray,  # [3, 3] rows: the view's x, y, z in the scan's axes
    centre: np.ndarray,  # [3] in the middle of the picture
    reach: float,  # half the picture's width, in the scan's unit
    size: int,  # pixels a side
) -> View:
    import torch

    from render.raster import interpolate, rasterize

    local = (canvas.vertices - centre) @ axes.T / reach
    depth = max(float(np.abs(local[:, 2]).max()), 1.0)
    clip = np.concatenate([local[:, :2], -local[:, 2:] / depth, np.ones((len(local), 1))], 1)
    raster = rasterize(torch.from_numpy(clip)[None], torch.from_numpy(canvas.faces), (size, size))
    seen = raster.face_id[0].numpy() >= 0

    def spread(values: np.ndarray) -> np.ndarray:
        found = interpolate(torch.from_numpy(np.asarray(values, np.float64)), torch.from_numpy(canvas.faces), raster)
        return found[0].numpy()

    normals = unit(spread(canvas.normals @ axes.T))
    if canvas.signed:
        seen &= normals[..., 2] > -0.2  # the inside, seen through a hole; a noisy rim is not that
    normals *= np.where(normals[..., 2:] < 0, -1.0, 1.0)
    if canvas.texture is not None and canvas.uv is not None:
        h, w = canvas.texture.shape[:2]
        u, v = np.moveaxis(spread(canvas.uv), -1, 0)
        texel = np.clip(((1 - v) * h).astype(int), 0, h - 1), np.clip((u * w).astype(int), 0, w - 1)
        colour = canvas.texture[texel].astype(np.float64)
    elif canvas.colours is not None:
        colour = spread(canvas.colours)
    else:
        colour = np.broadcast_to(np.array(PLAIN, np.float64), (size, size, 3))
    light = unit(np.array([0.25, 0.55, 1.0]))
    shade = 0.25 + 0.75 * np.clip(normals @ light, 0, 1)
    if canvas.texture is not None or canvas.colours is not None:
        shade = 0.6 + 0.4 * shade  # colours carry light of their own
    image = np.where(seen[..., None], colour * shade[..., None], BACKDROP)
    points = np.where(seen[..., None], spread(canvas.vertices), np.nan)
    facing = np.where(seen, normals[..., 2], 0.0)
    return View(np.clip(np.rint(image), 0, 255).astype(np.uint8), points, facing)
