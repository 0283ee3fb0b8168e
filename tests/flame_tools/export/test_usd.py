import dataclasses
import io
import os
import wave
import zipfile

import numpy as np
import pytest
import torch

pytest.importorskip("pxr", reason="usd-core is not installed: pip install 'emberface[usd]'")
from pxr import Kind, Usd, UsdGeom, UsdMedia, UsdShade, UsdSkel, UsdUtils

from flame_tools import Head
from flame_tools.arkit import ARKIT_NAMES, from_params
from flame_tools.export.rig import make_rig
from flame_tools.export.surface import SMALLEST_TURN, base_and_turns
from flame_tools.export.usd_names import prim_names
from flame_tools.posing import posed_frames
from flame_tools.types import JOINTS
from tests.flame_tools.export.conftest import lively_track, shapeless
from tests.flame_tools.export.usd_player import KINDS, WORST_MM, with_sound, worst_mm, written


def strange(arrays, expressions=None, materials=("skin", "my lips", "my.lips", "unused", "漆")):
    """A head whose names are no identifiers, two of them alike once they are."""
    several = {"materials": materials, "face_material": np.arange(len(arrays.faces), dtype=np.int32) % 3}
    return Head(dataclasses.replace(arrays, **several, **({"expression_names": expressions} if expressions else {})))


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_moves_as_our_frames_do(arrays, tmp_path, kind):
    head = Head(arrays)
    track = lively_track(head)
    assert worst_mm(written(track, head, tmp_path, f"x.{kind}"), track, head) < WORST_MM


def test_the_default_head_too(default_head, tmp_path):
    track = lively_track(default_head, frames=10)
    assert worst_mm(written(track, default_head, tmp_path), track, default_head) < WORST_MM


def test_a_head_whose_joints_follow_expression(arrays, tmp_path):
    head = Head(dataclasses.replace(arrays, joints_follow_expression=True))
    track = lively_track(head)
    assert worst_mm(written(track, head, tmp_path), track, head) < WORST_MM


def test_a_head_without_any_shape(arrays, tmp_path):
    head = shapeless(arrays)
    track = lively_track(head)
    usd = written(track, head, tmp_path)
    assert usd.complaints() == [] and not usd.of_type(UsdSkel.BlendShape)
    assert len(usd.animation.GetJointTransformTimeSamples()) == len(track)


def test_a_head_without_uv(arrays, tmp_path, albedo):
    bare = {"uv": np.zeros((0, 2), np.float32), "uv_faces": np.zeros((0, 3), np.int32)}
    head = Head(dataclasses.replace(arrays, **bare))
    usd = written(lively_track(head, 2, appearance=albedo), head, tmp_path)
    assert not UsdGeom.PrimvarsAPI(usd.mesh).HasPrimvar("st")
    assert not [s for s in usd.of_type(UsdShade.Shader) if UsdShade.Shader(s).GetIdAttr().Get() == "UsdUVTexture"]
    assert usd.complaints() == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frames", [1, 3])
def test_no_validator_complains(arrays, albedo, tmp_path, kind, frames):
    head = strange(arrays)
    track = with_sound(lively_track(head, frames, appearance=albedo))
    assert written(track, head, tmp_path, f"x.{kind}").complaints() == []
    everything, assets, unresolved = UsdUtils.ComputeAllDependencies(str(tmp_path / f"x.{kind}"))
    assert len(everything) == 1 and len(assets) == 2 and not unresolved


def test_weights_by_arkit_name_in_apples_order(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head)
    usd = written(track, head, tmp_path)
    names = make_rig(track, head).target_names
    assert tuple(usd.binding.GetBlendShapesAttr().Get()) == names and names[:52] == ARKIT_NAMES
    assert tuple(usd.animation.GetBlendShapeOrder()) == names
    weights = np.stack([usd.animation.ComputeBlendShapeWeights(c) for c in usd.weight_codes])
    np.testing.assert_array_equal(weights[:, :52], from_params(track.params, head).clamp(0, 1).numpy())
    assert weights.min() >= 0 and weights.max() <= 1


def test_blend_shapes_are_the_targets_and_list_only_what_moves(default_head, tmp_path):
    track = lively_track(default_head, 2)
    usd = written(track, default_head, tmp_path)
    rig = make_rig(track, default_head)
    _, turn_of = base_and_turns(default_head.arrays.faces, rig.base)
    paths = usd.binding.GetBlendShapeTargetsRel().GetTargets()
    for path, target in zip(paths, rig.targets, strict=True):
        shape = UsdSkel.BlendShape(usd.stage.GetPrimAtPath(path))
        points = np.array(shape.GetPointIndicesAttr().Get())
        assert 0 < len(points) < len(target)
        again = np.zeros_like(target)
        again[points] = shape.GetOffsetsAttr().Get()
        np.testing.assert_allclose(again, target, atol=1e-8, err_msg=str(path))  # what moves less is left out
        turned = np.zeros_like(target)
        turned[points] = shape.GetNormalOffsetsAttr().Get()
        wanted = turn_of(target)
        assert np.linalg.norm(turned - wanted, axis=1).max() <= SMALLEST_TURN


def test_a_shape_that_moves_nothing_is_there_all_the_same(arrays, tmp_path):
    still = arrays.expressiondirs.copy()
    still[..., 0] = 0
    head = Head(dataclasses.replace(arrays, expressiondirs=still))
    usd = written(lively_track(head, 2), head, tmp_path)
    name = arrays.expression_names[0]
    shape = UsdSkel.BlendShape(usd.stage.GetPrimAtPath(f"/head/shapes/{name}"))
    assert list(shape.GetPointIndicesAttr().Get()) == [0]
    assert list(shape.GetOffsetsAttr().Get()) == [(0, 0, 0)]


def test_names_that_are_no_identifiers(arrays, tmp_path):
    count = len(arrays.expression_names)
    names = ("smile left", "smile.left", "1st", "ünï", "漆", *(f"c{i}" for i in range(count - 5)))
    head = strange(arrays, names)
    track = lively_track(head)
    usd = written(track, head, tmp_path)
    assert worst_mm(usd, track, head) < WORST_MM
    assert set(names) <= set(usd.binding.GetBlendShapesAttr().Get())
    assert usd.stage.GetPrimAtPath("/head/shapes/smile_left_2") and usd.stage.GetPrimAtPath("/head/shapes/_1st")
    materials = {m.GetName(): m.GetDisplayName() for m in usd.of_type(UsdShade.Material)}
    assert materials == {"skin": "", "my_lips": "my lips", "my_lips_2": "my.lips"}  # not those without faces
    assert usd.complaints() == []


def test_prim_names_differ_and_are_identifiers():
    names = ["a", "a", "a_2", "a b", "a.b", "", "9", "Ω"]
    found = prim_names(names)
    assert len(set(found)) == len(names) and all(name.isascii() and name.isidentifier() for name in found)
    assert found[0] == "a"


def test_skeleton_and_skin(default_head, tmp_path):
    track = lively_track(default_head, 2)
    usd = written(track, default_head, tmp_path)
    rig = make_rig(track, default_head)
    joints = list(usd.skeleton.GetJointsAttr().Get())
    assert joints == ["root", "root/neck", "root/neck/jaw", "root/neck/left_eye", "root/neck/right_eye"]
    assert [name.rsplit("/")[-1] for name in joints] == list(JOINTS)
    bound = np.array(usd.skeleton.GetBindTransformsAttr().Get())
    np.testing.assert_allclose(bound[:, 3, :3], rig.rest_joints, atol=1e-7)
    rest = np.array(usd.skeleton_query.ComputeJointSkelTransforms(Usd.TimeCode.Default(), True))
    np.testing.assert_allclose(rest, bound, atol=1e-7)  # nothing moves them: the mesh stands as it is bound
    shape = -1, usd.skinning.GetNumInfluencesPerComponent()
    indices, shares = (np.array(values).reshape(shape) for values in usd.skinning.ComputeJointInfluences())
    again = np.zeros_like(rig.skin_weights)
    for column in range(shape[1]):
        again[np.arange(len(again)), indices[:, column]] += shares[:, column]
    np.testing.assert_allclose(again, rig.skin_weights, atol=1e-6)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)


def test_what_the_layer_says_of_itself(arrays, tmp_path):
    head = Head(dataclasses.replace(arrays, licence="studio only"))
    usd = written(lively_track(head, 2), head, tmp_path)
    layer = usd.stage.GetRootLayer()
    assert layer.documentation == "Head random. Licences: CC0-1.0, studio only."
    data = layer.customLayerData
    assert list(data["licences"]) == ["CC0-1.0", "studio only"] and data["head"] == "random"
    assert UsdGeom.GetStageMetersPerUnit(usd.stage) == 1.0 and UsdGeom.GetStageUpAxis(usd.stage) == "Y"
    assert usd.root.IsA(UsdSkel.Root) and Usd.ModelAPI(usd.root).GetKind() == Kind.Tokens.component


@pytest.mark.parametrize(("fps", "first"), [((30, 1), 60.0), ((60, 1), 120.0), ((30000, 1001), 2 * 30 / 1.001)])
def test_frames_are_time_codes(arrays, tmp_path, fps, first):
    head = Head(arrays)
    track = lively_track(head, 5).replace(fps=fps, time_s=2.0 + np.arange(5) * fps[1] / fps[0])
    usd = written(track, head, tmp_path)
    stage = usd.stage
    assert stage.GetTimeCodesPerSecond() == stage.GetFramesPerSecond() == fps[0] / fps[1]
    assert usd.weight_codes == pytest.approx([first + i for i in range(5)], abs=1e-9)
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == pytest.approx((first, first + 4))


def test_frames_on_whole_seconds_have_whole_time_codes(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 7).replace(fps=(25, 1), time_s=1.12 + np.arange(7) / 25)
    assert written(track, head, tmp_path).weight_codes == [28.0 + i for i in range(7)]


def test_uneven_times_are_kept(arrays, tmp_path):
    head = Head(arrays)
    times = np.array([0.1, 0.15, 0.5, 0.51, 2.0])
    track = lively_track(head, 5).replace(fps=None, time_s=times)
    usd = written(track, head, tmp_path)
    np.testing.assert_allclose(np.array(usd.weight_codes) / usd.stage.GetTimeCodesPerSecond(), times, atol=1e-12)
    assert worst_mm(usd, track, head) < WORST_MM


def test_time_below_zero_moves_to_zero_and_the_sound_with_it(arrays, tmp_path):
    head = Head(arrays)
    track = with_sound(lively_track(head, 30), 0.5)
    usd = written(track.replace(time_s=track.time_s - 0.5), head, tmp_path)
    assert usd.weight_codes == list(range(30))
    (voice,) = map(UsdMedia.SpatialAudio, usd.of_type(UsdMedia.SpatialAudio))
    assert (voice.GetStartTimeAttr().Get(), voice.GetMediaOffsetAttr().Get()) == (0.0, 0.0)
    with wave.open(str(tmp_path / "x.usdc.wav")) as sound:
        heard = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32767
    np.testing.assert_allclose(heard, np.append(np.zeros(4000), track.audio), atol=1e-4)


def test_a_single_frame_leaves_as_a_still(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, frames=1)
    usd = written(track, head, tmp_path)
    assert worst_mm(usd, track, head) < WORST_MM
    (ours,) = posed_frames(track, head)
    np.testing.assert_allclose(usd.play(Usd.TimeCode.Default()), ours, atol=1e-6)
    assert usd.stage.GetStartTimeCode() == usd.stage.GetEndTimeCode() == 0
    rest = usd.skeleton_query.ComputeJointLocalTransforms(Usd.TimeCode.Default(), True)
    np.testing.assert_allclose(rest, usd.skeleton_query.ComputeJointLocalTransforms(0.0), atol=1e-6)


def test_what_never_changes_has_one_sample(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 8)
    held = {
        "global_rotation": torch.zeros(8, 3),
        "neck": torch.tensor([0.1, -0.2, 0.3]).expand(8, -1),
        "translation": torch.tensor([0.1, 0.2, 0.3]).expand(8, -1),
    }
    held |= {
        name: getattr(track.params, name)[:1].expand(8, *[-1] * (2 if name == "eyes" else 1))
        for name in ("jaw", "eyes")
    }
    track = track.replace(params=track.params.replace(**held))
    usd = written(track, head, tmp_path)
    assert usd.animation.GetJointTransformTimeSamples() == [0.0] and len(usd.weight_codes) == 8
    assert worst_mm(usd, track, head) < WORST_MM


def test_texture_materials_uv_and_normals(default_head, albedo, tmp_path):
    usd = written(lively_track(default_head, 2, appearance=albedo), default_head, tmp_path)
    arrays = default_head.arrays
    covered = np.full(len(arrays.faces), -1)
    textured = set()
    for subset in map(UsdGeom.Subset, usd.of_type(UsdGeom.Subset)):
        material, _ = UsdShade.MaterialBindingAPI(subset).ComputeBoundMaterial()
        name = material.GetPrim().GetName()
        covered[subset.GetIndicesAttr().Get()] = arrays.materials.index(name)
        surface, _, _ = material.ComputeSurfaceSource()
        colour = surface.GetInput("diffuseColor")
        if colour.HasConnectedSource():
            textured.add(name)
            picture = UsdShade.Shader(colour.GetConnectedSource()[0].GetPrim()).GetInput("file").Get()
            assert picture.path == "./x.usdc.png" and os.path.samefile(picture.resolvedPath, tmp_path / "x.usdc.png")
        else:
            assert 0 < min(colour.Get()) < 1
    np.testing.assert_array_equal(covered, arrays.face_material)
    assert "skin" in textured and "teeth" not in textured
    assert (tmp_path / "x.usdc.png").read_bytes().startswith(b"\x89PNG")
    st = UsdGeom.PrimvarsAPI(usd.mesh).GetPrimvar("st")
    np.testing.assert_allclose(np.array(st.ComputeFlattened()).reshape(-1, 3, 2), arrays.uv[arrays.uv_faces], atol=1e-7)
    points, normals = (np.array(a.Get()) for a in (usd.mesh.GetPointsAttr(), usd.mesh.GetNormalsAttr()))
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    a, b, c = np.moveaxis(points[arrays.faces], 1, 0)
    outwards = np.einsum("fi,fki->fk", np.cross(b - a, c - a), normals[arrays.faces]) > 0
    assert outwards.mean() > 0.99


@pytest.mark.parametrize("kind", ["usdc", "usdz"])
def test_the_sound_is_heard_when_it_was(arrays, tmp_path, kind):
    head = Head(arrays)
    track = with_sound(lively_track(head, 30).replace(time_s=1.0 + np.arange(30) / 30), 2.5, start_s=-0.25)
    usd = written(track, head, tmp_path, f"x.{kind}")
    (voice,) = map(UsdMedia.SpatialAudio, usd.of_type(UsdMedia.SpatialAudio))
    assert voice.GetAuralModeAttr().Get() == "nonSpatial" and voice.GetPlaybackModeAttr().Get() == "onceFromStart"
    # the stage starts at second 1: the sound does too, one second in
    assert (voice.GetStartTimeAttr().Get(), voice.GetMediaOffsetAttr().Get()) == (30.0, 1.0)
    if kind == "usdz":
        assert voice.GetFilePathAttr().Get().path == "./voice.wav"
        with zipfile.ZipFile(tmp_path / "x.usdz") as package:
            file = package.read("voice.wav")
    else:
        assert voice.GetFilePathAttr().Get().path == "./x.usdc.wav"
        file = (tmp_path / "x.usdc.wav").read_bytes()
    with wave.open(io.BytesIO(file)) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (8000, 2.25 * 8000)
        heard = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32767
    np.testing.assert_allclose(heard, track.audio[2000:], atol=1e-4)


def test_every_frame_stays_within_the_extent(default_head, tmp_path):
    track = lively_track(default_head)
    usd = written(track, default_head, tmp_path)
    low, high = np.array(UsdGeom.Boundable(usd.root).GetExtentAttr().Get())
    frames = np.stack(list(posed_frames(track, default_head)))
    lowest, highest = frames.min((0, 1)), frames.max((0, 1))
    assert (lowest >= low).all() and (highest <= high).all()
    assert (high - low < 1.5 * (highest - lowest)).all()  # and it is no idle bound


def test_the_extent_has_room_for_what_shapes_do(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 3)
    params = track.params.in_head_frame().replace(
        jaw=torch.zeros(3, 3), eyes=torch.zeros(3, 2, 3), expression=torch.ones_like(track.params.expression)
    )
    track = track.replace(params=params)
    usd = written(track, head, tmp_path)
    low, high = np.array(UsdGeom.Boundable(usd.root).GetExtentAttr().Get())
    frames = np.stack(list(posed_frames(track, head)))
    rest = np.array(usd.mesh.GetPointsAttr().Get())
    assert frames.max() > rest.max() + 1e-3  # they leave the box of the mesh at rest
    assert (frames >= low).all() and (frames <= high).all()
