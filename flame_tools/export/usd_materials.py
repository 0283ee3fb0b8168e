"""A head's materials in USD: UsdPreviewSurface, with the track's texture where it covers them.

https://openusd.org/release/spec_usdpreviewsurface.html
"""

from __future__ import annotations

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade

from flame_tools.export.looks import Look, linear, look_of
from flame_tools.export.usd_names import prim_names
from flame_tools.types import HeadArrays, Track

_TYPES = Sdf.ValueTypeNames


def add_materials(
    stage: Usd.Stage, scope: Sdf.Path, track: Track, arrays: HeadArrays, texture: str | None
) -> dict[int, UsdShade.Material]:
    """One material for each that has faces, by its index in the head. `texture` is the picture's path in the file."""
    UsdGeom.Scope.Define(stage, scope)
    used = np.unique(arrays.face_material).tolist()
    names = [arrays.materials[m] for m in used]
    found = {}
    for m, name, prim_name in zip(used, names, prim_names(names), strict=True):
        look = look_of(name, track)
        material = UsdShade.Material.Define(stage, scope.AppendChild(prim_name))
        if prim_name != name:
            material.GetPrim().SetDisplayName(name)
        covered = texture is not None and look.textured
        _add_surface(stage, material, look, texture if covered else None)
        found[m] = material
    return found


def _add_surface(stage: Usd.Stage, material: UsdShade.Material, look: Look, texture: str | None) -> None:
    surface = _shader(stage, material, "surface", "UsdPreviewSurface")
    colour = surface.CreateInput("diffuseColor", _TYPES.Color3f)
    if texture is None:
        colour.Set(Gf.Vec3f(*linear(look.colour)))
    else:
        colour.ConnectToSource(_add_texture(stage, material, texture))
    surface.CreateInput("roughness", _TYPES.Float).Set(look.roughness)
    surface.CreateInput("metallic", _TYPES.Float).Set(0.0)
    output = surface.CreateOutput("surface", _TYPES.Token)
    material.CreateSurfaceOutput().ConnectToSource(output)


def _add_texture(stage: Usd.Stage, material: UsdShade.Material, texture: str) -> UsdShade.Output:
    uv = _shader(stage, material, "st", "UsdPrimvarReader_float2")
    uv.CreateInput("varname", _TYPES.String).Set("st")
    picture = _shader(stage, material, "albedo", "UsdUVTexture")
    picture.CreateInput("file", _TYPES.Asset).Set(Sdf.AssetPath(texture))
    picture.CreateInput("sourceColorSpace", _TYPES.Token).Set("sRGB")
    picture.CreateInput("wrapS", _TYPES.Token).Set("clamp")
    picture.CreateInput("wrapT", _TYPES.Token).Set("clamp")
    picture.CreateInput("st", _TYPES.Float2).ConnectToSource(uv.CreateOutput("result", _TYPES.Float2))
    return picture.CreateOutput("rgb", _TYPES.Float3)


def _shader(stage: Usd.Stage, material: UsdShade.Material, name: str, kind: str) -> UsdShade.Shader:
    shader = UsdShade.Shader.Define(stage, material.GetPath().AppendChild(name))
    shader.CreateIdAttr(kind)
    return shader
