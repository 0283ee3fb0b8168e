"""A head's mesh in USD: points, normals, UV, the faces of each material, and blend shapes.

Points keep the head's own order: UV belongs to the corners of faces, so no point is split at a seam. Blend shapes are
sparse, with offsets of normals beside those of points (https://openusd.org/release/api/_usd_skel__schemas.html).
"""

from __future__ import annotations

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdSkel, Vt

from flame_tools.export.rig import Rig
from flame_tools.export.surface import SMALLEST_M, SMALLEST_TURN, base_and_turns
from flame_tools.export.usd_names import prim_names
from flame_tools.types import HeadArrays


def add_mesh(stage: Usd.Stage, path: Sdf.Path, rig: Rig, arrays: HeadArrays) -> UsdGeom.Mesh:
    """The mesh at rest, without materials, shapes or skin."""
    normals, _ = base_and_turns(arrays.faces, rig.base)
    mesh = UsdGeom.Mesh.Define(stage, path)
    mesh.CreatePointsAttr(vectors(rig.base))
    mesh.CreateExtentAttr(vectors(np.stack([rig.base.min(0), rig.base.max(0)])))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray(len(arrays.faces), 3))
    mesh.CreateFaceVertexIndicesAttr(whole_numbers(arrays.faces))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)  # else programs smooth it, and normals are not read
    mesh.CreateNormalsAttr(vectors(normals))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    if len(arrays.uv):
        primvars = UsdGeom.PrimvarsAPI(mesh)
        st = primvars.CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying)
        st.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(arrays.uv, "<f4")))
        st.SetIndices(whole_numbers(arrays.uv_faces))
    return mesh


def bind_materials(mesh: UsdGeom.Mesh, arrays: HeadArrays, materials: dict[int, UsdShade.Material]) -> None:
    """Give each material of `materials`, by its index in the head, the faces that it covers."""
    binding = UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim())
    for m, material in materials.items():
        faces = whole_numbers(np.flatnonzero(arrays.face_material == m))
        subset = binding.CreateMaterialBindSubset(material.GetPrim().GetName(), faces, UsdGeom.Tokens.face)
        UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(material)
    binding.SetMaterialBindSubsetsFamilyType(UsdGeom.Tokens.partition)


def add_shapes(mesh: UsdGeom.Mesh, scope: Sdf.Path, rig: Rig, faces: np.ndarray) -> None:
    """A blend shape below `scope` for each target of the rig; the binding keeps the targets' true names."""
    if not rig.target_names:
        return
    stage = mesh.GetPrim().GetStage()
    UsdGeom.Scope.Define(stage, scope)
    _, turn_of = base_and_turns(faces, rig.base)
    paths = [scope.AppendChild(name) for name in prim_names(rig.target_names)]
    smallest = SMALLEST_M / rig.axes.metres
    for path, name, target in zip(paths, rig.target_names, rig.targets, strict=True):
        between = rig.between.get(name, ())
        listed = [b.shape for b in between] + [target]  # one list of points for a shape and those on the way to it
        turns = [turn_of(offsets) for offsets in listed]
        moved = [np.linalg.norm(offsets, axis=1) > smallest for offsets in listed]
        turned = [np.linalg.norm(turn, axis=1) > SMALLEST_TURN for turn in turns]
        kept = np.flatnonzero(np.any([*moved, *turned], axis=0))
        kept = kept if len(kept) else np.zeros(1, int)  # Blender passes over a shape that lists no point
        shape = UsdSkel.BlendShape.Define(stage, path)
        shape.CreateOffsetsAttr(vectors(target[kept]))
        shape.CreateNormalOffsetsAttr(vectors((turns[-1] * turned[-1][:, None])[kept]))
        shape.CreatePointIndicesAttr(whole_numbers(kept))
        for step, turn in zip(between, turns, strict=False):
            half = shape.CreateInbetween(f"at_{round(1000 * step.weight):04d}")
            half.SetWeight(step.weight)
            half.SetOffsets(vectors(step.shape[kept]))
            half.SetNormalOffsets(vectors(turn[kept]))
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateBlendShapesAttr(Vt.TokenArray(list(rig.target_names)))
    binding.CreateBlendShapeTargetsRel().SetTargets(paths)


def bind_skin(mesh: UsdGeom.Mesh, skeleton: Sdf.Path, rig: Rig) -> None:
    """Let the joints of the skeleton at path `skeleton` move the mesh, each point by as many as hold any."""
    joints, shares = _influences(rig.skin_weights)
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton])
    binding.CreateJointIndicesPrimvar(False, joints.shape[1]).Set(whole_numbers(joints))
    binding.CreateJointWeightsPrimvar(False, joints.shape[1]).Set(Vt.FloatArray.FromNumpy(shares.ravel()))
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1))


def _influences(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Skin weights [V, J] as joints [V, n] and shares [V, n] float32, the largest first; n is the most that share."""
    width = int((weights > 0).sum(1).max())
    order = np.argsort(-weights, axis=1, kind="stable")[:, :width]
    shares = np.take_along_axis(weights, order, 1).astype(np.float64)
    shares /= shares.sum(1, keepdims=True)
    return np.where(shares > 0, order, 0), shares.astype("<f4")


def vectors(rows: np.ndarray) -> Vt.Vec3fArray:
    """Rows [n, 3] as USD keeps points."""
    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(rows, "<f4"))


def whole_numbers(values: np.ndarray) -> Vt.IntArray:
    """Integers of any shape as one list."""
    return Vt.IntArray.FromNumpy(np.ascontiguousarray(values, "<i4").ravel())
