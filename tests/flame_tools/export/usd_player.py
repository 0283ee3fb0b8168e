"""A USD file as OpenUSD itself plays it: UsdSkel blends and skins the points, UsdValidation judges the rest."""

from __future__ import annotations

import numpy as np
from pxr import Usd, UsdGeom, UsdSkel, UsdValidation, Vt

from flame_tools.export.usd import write_usd
from flame_tools.posing import posed_frames

WORST_MM = 1e-3  # 1e-4 seen: points, angles and places are kept as float32
KINDS = ("usdc", "usda", "usdz")


class UsdFile:
    """The one skinned mesh of a file of ours, found through the default prim."""

    def __init__(self, path):
        self.stage = Usd.Stage.Open(str(path))
        self.root = self.stage.GetDefaultPrim()
        (mesh,) = [prim for prim in self.stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
        (skeleton,) = [prim for prim in self.stage.Traverse() if prim.IsA(UsdSkel.Skeleton)]
        self.mesh, self.skeleton = UsdGeom.Mesh(mesh), UsdSkel.Skeleton(skeleton)
        self.binding = UsdSkel.BindingAPI(mesh)
        self.cache = UsdSkel.Cache()
        assert self.cache.Populate(UsdSkel.Root(self.root), Usd.PrimDefaultPredicate)
        self.skeleton_query = self.cache.GetSkelQuery(self.skeleton)
        self.animation = self.skeleton_query.GetAnimQuery()
        self.skinning = self.cache.GetSkinningQuery(mesh)

    def play(self, time: Usd.TimeCode | float) -> np.ndarray:
        """Points [V, 3] at a time code."""
        points = Vt.Vec3fArray(self.mesh.GetPointsAttr().Get())
        shapes = UsdSkel.BlendShapeQuery(self.binding)
        weights = self.skinning.GetBlendShapeMapper().Remap(self.animation.ComputeBlendShapeWeights(time))
        blended = shapes.ComputeDeformedPoints(
            *shapes.ComputeSubShapeWeights(weights),
            shapes.ComputeBlendShapePointIndices(),
            shapes.ComputeSubShapePointOffsets(),
            points,
        )
        joints = self.skeleton_query.ComputeSkinningTransforms(time)
        assert blended and self.skinning.ComputeSkinnedPoints(joints, points, time)
        return np.array(points)

    def of_type(self, kind) -> list[Usd.Prim]:
        return [prim for prim in self.stage.Traverse() if prim.IsA(kind)]

    @property
    def weight_codes(self) -> list[float]:
        return self.animation.GetBlendShapeWeightTimeSamples()

    def complaints(self) -> list[str]:
        """What all the validators that OpenUSD brings have to say."""
        validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
        assert len(validators) > 20
        return [error.GetMessage() for error in UsdValidation.ValidationContext(validators).Validate(self.stage)]


def written(track, head, folder, name="x.usdc") -> UsdFile:
    write_usd(track, head, folder / name)
    return UsdFile(folder / name)


def worst_mm(usd, track, head):
    """Largest distance between the file as OpenUSD plays it and our own frames, millimetres."""
    codes = usd.weight_codes
    assert len(codes) == len(track)
    ours = posed_frames(track, head)
    apart = [np.linalg.norm(usd.play(c) - points, axis=1).max() for c, points in zip(codes, ours, strict=True)]
    return 1000 * max(apart)


def with_sound(track, seconds=0.5, start_s=0.0):
    samples = 0.3 * np.sin(np.arange(round(8000 * seconds)) / 5).astype(np.float32)
    return track.replace(audio=samples, audio_rate=8000, audio_start_s=start_s)
