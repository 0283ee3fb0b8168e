"""render: cameras, the differentiable rasterizer, a readable default look, images and video. No networks.

Four verbs draw with gradients: `rasterize`, `interpolate`, `texture`, `antialias`.
"""

from render.antialiasing import antialias
from render.raster import Raster, interpolate, rasterize
from render.texturing import mip_level, texture

__all__ = ["Raster", "antialias", "interpolate", "mip_level", "rasterize", "texture"]
