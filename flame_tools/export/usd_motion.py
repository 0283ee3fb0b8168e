"""A performance in USD: time codes, the skeleton, and one SkelAnimation for its joints and blend shapes.

https://openusd.org/release/api/_usd_skel__schemas.html. Joints are named by their paths, and matrices act on row
vectors, with the shift in the last row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pxr import Sdf, Usd, UsdSkel, Vt

from flame_tools.export.keys import joint_channels, kept_frames, together, weight_channels
from flame_tools.export.rig import Rig
from flame_tools.export.usd_mesh import vectors
from flame_tools.types import Track

_UNEVEN_FPS = 60.0  # the rate that a file states where the track has none; its samples keep their own times
_WHOLE = 1e-6  # a time code that lies nearer to a whole number is that number


@dataclass(frozen=True)
class Clock:
    """When a file's samples are."""

    fps: float
    """Time codes in a second, and frames."""
    codes: np.ndarray
    """[T] float64, the time code of each frame."""


def clock_of(track: Track, rig: Rig) -> Clock:
    """Whole frames where the track has a rate and starts on one, else the true times."""
    fps = _UNEVEN_FPS if track.fps is None else track.fps[0] / track.fps[1]
    codes = rig.times_s * fps if track.fps is None else rig.times_s[0] * fps + np.arange(len(track))
    whole = np.rint(codes)
    return Clock(fps, np.where(np.abs(codes - whole) < _WHOLE, whole, codes))


def add_skeleton(stage: Usd.Stage, path: Sdf.Path, rig: Rig, rest: np.ndarray) -> UsdSkel.Skeleton:
    """The joints, bound unturned where the rig binds them, and at rest in `rest` [J, 4, 4], each in its parent."""
    skeleton = UsdSkel.Skeleton.Define(stage, path)
    bound = np.tile(np.eye(4), (len(rig.joint_names), 1, 1))
    bound[:, 3, :3] = rig.rest_joints
    skeleton.CreateJointsAttr(joint_paths(rig))
    skeleton.CreateBindTransformsAttr(Vt.Matrix4dArray.FromNumpy(bound))
    skeleton.CreateRestTransformsAttr(Vt.Matrix4dArray.FromNumpy(rest))
    return skeleton


def joint_paths(rig: Rig) -> Vt.TokenArray:
    """Each joint as the names from its root down to it: "root/neck/jaw"."""
    paths: list[str] = []
    for name, parent in zip(rig.joint_names, rig.parents, strict=True):
        paths.append(name if parent < 0 else f"{paths[parent]}/{name}")
    return Vt.TokenArray(paths)


def add_animation(
    skeleton: UsdSkel.Skeleton, path: Sdf.Path, rig: Rig, clock: Clock, tolerance_mm: float | None
) -> None:
    """The rig's joints and weights over time, bound to the skeleton; with a tolerance at the frames that need it.

    What never changes has one sample: it holds at every time, and Blender passes over values that have none.
    """
    animation = UsdSkel.Animation.Define(skeleton.GetPrim().GetStage(), path)
    animation.CreateJointsAttr(joint_paths(rig))
    if rig.target_names:
        animation.CreateBlendShapesAttr(Vt.TokenArray(list(rig.target_names)))
    animation.CreateScalesAttr(Vt.Vec3hArray.FromNumpy(np.ones((len(rig.joint_names), 3), np.float16)))
    kept = np.arange(len(clock.codes))
    if tolerance_mm is not None:
        turning, moving = joint_channels(rig)
        shapes = [together(weight_channels(rig))] if rig.target_names else []
        every = [*shapes, *turning, *moving]
        kept = np.unique(np.concatenate(kept_frames(rig.times_s, every, tolerance_mm / 1000)))
    codes = clock.codes[kept]
    _sample(animation.CreateTranslationsAttr(), rig.translations[kept], codes, vectors)
    _sample(animation.CreateRotationsAttr(), rig.rotations[kept], codes, _quaternions)
    if rig.target_names:
        _sample(animation.CreateBlendShapeWeightsAttr(), rig.weights[kept], codes, Vt.FloatArray.FromNumpy)
    binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([path])


def _sample(attribute: Usd.Attribute, values: np.ndarray, codes: np.ndarray, kept_as: Callable) -> None:
    """Give an attribute `values` [T, ...] at time codes [T]; a still has them at the default time too."""
    values = np.ascontiguousarray(values, "<f4")
    if (values == values[:1]).all():
        values = values[:1]
    if len(codes) == 1:
        attribute.Set(kept_as(values[0]))
    layer, path = attribute.GetStage().GetRootLayer(), attribute.GetPath()
    with Sdf.ChangeBlock():  # one notice for all
        for code, value in zip(codes.tolist(), values, strict=False):
            layer.SetTimeSample(path, code, kept_as(value))


def _quaternions(rows: np.ndarray) -> Vt.QuatfArray:
    """Rows [J, 4] of x, y, z, w, the order in which Gf keeps them in memory."""
    return Vt.QuatfArray.FromNumpy(rows)


def local_transforms(rig: Rig) -> np.ndarray:
    """Each joint in its parent, [T, J, 4, 4], for row vectors."""
    from scipy.spatial.transform import Rotation

    turns = Rotation.from_quat(rig.rotations.reshape(-1, 4).astype(np.float64)).as_matrix()
    local = np.zeros((*rig.rotations.shape[:2], 4, 4))
    local[..., :3, :3] = turns.reshape(*local.shape[:2], 3, 3).swapaxes(-1, -2)
    local[..., 3, :3] = rig.translations
    local[..., 3, 3] = 1
    return local


def extent_over(rig: Rig, local: np.ndarray) -> np.ndarray:
    """The lowest and the highest corner [2, 3] of a box that holds every frame; `local` as `local_transforms` gives it.

    A skinned point lies between where each of its joints alone would take it: it is enough to move a box for each
    joint, which has room for the targets at the greatest weights that they get.
    """
    reach = np.einsum("n,nvk->vk", rig.weights.max(0), np.abs(rig.targets))
    world = local.copy()
    lows, highs = [], []
    for j, parent in enumerate(rig.parents):
        if parent >= 0:
            world[:, j] = local[:, j] @ world[:, parent]
        held = rig.skin_weights[:, j] > 0
        if not held.any():
            continue
        box = np.stack([(rig.base - reach)[held].min(0), (rig.base + reach)[held].max(0)]) - rig.rest_joints[j]
        corners = np.stack(np.meshgrid(*box.T, indexing="ij"), -1).reshape(-1, 3)
        moved = corners @ world[:, j, :3, :3] + world[:, j, 3:, :3]
        lows.append(moved.min((0, 1)))
        highs.append(moved.max((0, 1)))
    return np.stack([np.min(lows, 0), np.max(highs, 0)])
