"""A track as a USD stage: what it holds, what it says about itself, and the layer that is written from it.

/head                    SkelRoot, the default prim
/head/mesh               Mesh, with a GeomSubset for each material
/head/shapes/...         a BlendShape for each target of the rig
/head/materials/...      UsdPreviewSurface
/head/skeleton           Skeleton of five joints
/head/skeleton/performance  SkelAnimation
/head/voice              SpatialAudio, where the track has sound
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
from pxr import Kind, Sdf, Tf, Usd, UsdGeom, UsdMedia, UsdSkel, UsdUtils, Vt

from flame_tools.export.axes import Axes
from flame_tools.export.options import Options
from flame_tools.export.rig import Rig
from flame_tools.export.tailor import rig_for
from flame_tools.export.usd_materials import add_materials
from flame_tools.export.usd_mesh import add_mesh, add_shapes, bind_materials, bind_skin, vectors
from flame_tools.export.usd_motion import Clock, add_animation, add_skeleton, clock_of, extent_over, local_transforms
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.types import HeadArrays, Track

_ROOT = Sdf.Path("/head")


def write_layer(
    track: Track, head: Head, options: Options, path: Path, *, texture: str | None, voice: str | None
) -> None:
    """Write the layer of `track`, which refers to the files `texture` and `voice` by their paths from it.

    Raises ShapeError where the track does not fit the head, OSError where the layer cannot be written.
    """
    stage = _stage(track, head, rig_for(track, head, options), options.tolerance_mm, texture, voice)
    said = UsdUtils.CoalescingDiagnosticDelegate()  # keeps from the terminal that sound makes a file's version newer
    try:
        done = stage.GetRootLayer().Export(str(path))
        reason = "OpenUSD does not say why"
    except Tf.ErrorException as error:
        done, reason = False, error.args[0].commentary  # the first of thousands: a full disk fails at every write
    except UnicodeEncodeError:
        done, reason = False, "OpenUSD takes no folder whose name is not UTF-8"
    finally:
        del said
    if not done:
        known = [code for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) if os.strerror(code) in reason]
        raise OSError(known[0], os.strerror(known[0])) if known else OSError(errno.EIO, reason)


def _stage(
    track: Track, head: Head, rig: Rig, tolerance_mm: float | None, texture: str | None, voice: str | None
) -> Usd.Stage:
    clock, local = clock_of(track, rig), local_transforms(rig)
    stage = Usd.Stage.CreateInMemory()
    _describe(stage, clock, track, head.arrays, rig.axes)
    root = UsdSkel.Root.Define(stage, _ROOT)
    stage.SetDefaultPrim(root.GetPrim())
    Usd.ModelAPI(root).SetKind(Kind.Tokens.component)
    root.CreateExtentAttr(vectors(extent_over(rig, local)))
    mesh = add_mesh(stage, _ROOT.AppendChild("mesh"), rig, head.arrays)
    materials = add_materials(stage, _ROOT.AppendChild("materials"), track, head.arrays, texture)
    bind_materials(mesh, head.arrays, materials)
    add_shapes(mesh, _ROOT.AppendChild("shapes"), rig, head.arrays.faces)
    skeleton = add_skeleton(stage, _ROOT.AppendChild("skeleton"), rig, _rest(rig, local))
    bind_skin(mesh, skeleton.GetPath(), rig)
    add_animation(skeleton, skeleton.GetPath().AppendChild("performance"), rig, clock, tolerance_mm)
    if voice is not None:
        _add_voice(stage, _ROOT.AppendChild("voice"), voice, clock)
    return stage


def _describe(stage: Usd.Stage, clock: Clock, track: Track, arrays: HeadArrays, axes: Axes) -> None:
    """What the layer says of itself: units, axes, rate, length, licences."""
    UsdGeom.SetStageMetersPerUnit(stage, axes.metres)
    UsdGeom.SetStageUpAxis(stage, {"y": UsdGeom.Tokens.y, "z": UsdGeom.Tokens.z}[axes.up])
    stage.SetTimeCodesPerSecond(clock.fps)
    stage.SetFramesPerSecond(clock.fps)
    stage.SetStartTimeCode(clock.codes[0])
    stage.SetEndTimeCode(clock.codes[-1])
    licences = licences_of(track, arrays)
    layer = stage.GetRootLayer()
    layer.documentation = f"Head {arrays.id}. Licences: {', '.join(licences)}."
    layer.customLayerData = {"creator": "emberface", "head": arrays.id, "licences": Vt.StringArray(licences)}


def _rest(rig: Rig, local: np.ndarray) -> np.ndarray:
    """The joints [J, 4, 4] where nothing moves them: bound, or as a still has them."""
    if len(local) == 1:
        return local[0]
    rest = np.tile(np.eye(4), (len(rig.joint_names), 1, 1))
    rest[:, 3, :3] = rig.rest_translations
    return rest


def _add_voice(stage: Usd.Stage, path: Sdf.Path, voice: str, clock: Clock) -> None:
    """The sound file `voice`, whose first sample falls on second 0.

    It starts with the stage, and then as far into the sound as that is: programs play from the stage's start, and what
    began before would be late or lost.
    """
    start = float(clock.codes[0])
    sound = UsdMedia.SpatialAudio.Define(stage, path)
    sound.CreateFilePathAttr(Sdf.AssetPath(voice))
    sound.CreateAuralModeAttr(UsdMedia.Tokens.nonSpatial)  # as loud from everywhere
    sound.CreatePlaybackModeAttr(UsdMedia.Tokens.onceFromStart)
    sound.CreateStartTimeAttr(Sdf.TimeCode(start), True)
    sound.CreateMediaOffsetAttr(start / clock.fps, True)
