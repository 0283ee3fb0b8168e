import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from flame_tools import Appearance, Head, OutputError, ShapeError
from flame_tools.arkit import ARKIT_NAMES, from_params
from flame_tools.export import write_fbx
from flame_tools.export.fbx_take import euler_degrees, ticks, time_mode
from flame_tools.export.rig import make_rig
from flame_tools.posing import posed_frames
from flame_tools.types import JOINTS, PARENTS
from tests.flame_tools.export.conftest import lively_track, shapeless
from tests.flame_tools.export.fbx_player import TICKS, Fbx

WORST_MM = 1e-3  # 2e-4 seen: angles and places are kept as float32


def written(track, head, tmp_path) -> Fbx:
    write_fbx(track, head, tmp_path / "x.fbx")
    return Fbx(tmp_path / "x.fbx")


def worst_mm(fbx, track, head):
    """Largest distance between the file as it plays and our own frames, millimetres."""
    ours = posed_frames(track, head)
    return max(1000 * np.linalg.norm(fbx.play(i) - points, axis=1).max() for i, points in enumerate(ours))


def test_the_file_moves_as_our_frames_do(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head)
    assert worst_mm(written(track, head, tmp_path), track, head) < WORST_MM


def test_the_default_head_too(default_head, tmp_path):
    track = lively_track(default_head, frames=3)
    assert worst_mm(written(track, default_head, tmp_path), track, default_head) < WORST_MM


def test_a_head_whose_joints_follow_expression(arrays, tmp_path):
    head = Head(dataclasses.replace(arrays, joints_follow_expression=True))
    track = lively_track(head)
    fbx = written(track, head, tmp_path)
    assert worst_mm(fbx, track, head) < WORST_MM
    assert any(name != "root" and prop == "Lcl Translation" for name, prop, _ in fbx.curves())


def test_a_head_without_any_shape(arrays, tmp_path):
    head = shapeless(arrays)
    track = lively_track(head)
    fbx = written(track, head, tmp_path)
    assert worst_mm(fbx, track, head) < WORST_MM
    assert not fbx.of_kind("Deformer", "BlendShape")


def test_a_head_without_uv(arrays, tmp_path):
    bare = {"uv": np.zeros((0, 2), np.float32), "uv_faces": np.zeros((0, 3), np.int32)}
    head = Head(dataclasses.replace(arrays, **bare))
    track = lively_track(head, 2)
    fbx = written(track, head, tmp_path)
    assert worst_mm(fbx, track, head) < WORST_MM
    ((_, geometry),) = fbx.of_kind("Geometry", "Mesh").items()
    assert geometry.first("LayerElementUV") is None


def test_our_reader_has_the_rig_back(default_head, tmp_path):
    track = lively_track(default_head, 3)
    rig = make_rig(track, default_head)
    fbx = written(track, default_head, tmp_path)
    scene, part = fbx.scene, fbx.part
    np.testing.assert_allclose(part.vertices, rig.base, atol=1e-7)  # every joint turns: the file rests unposed
    assert tuple(part.shapes) == rig.target_names and tuple(part.shapes)[:52] == ARKIT_NAMES
    for name, target in zip(rig.target_names, rig.targets, strict=True):
        np.testing.assert_allclose(part.shapes[name], target, atol=1e-8, err_msg=name)  # what moves less is left out
    assert (scene.bones, scene.parents) == (JOINTS, PARENTS)
    np.testing.assert_allclose(part.weights, rig.skin_weights, atol=1e-6)
    np.testing.assert_array_equal(part.faces, default_head.arrays.faces)


def test_one_cluster_and_one_place_in_the_bind_pose_for_each_joint(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head)
    fbx = written(track, head, tmp_path)
    clusters = fbx.of_kind("Deformer", "Cluster")
    assert [fbx.name(fbx.below(number, "Model")[0][0]) for number in clusters] == list(JOINTS)
    ((_, pose),) = fbx.of_kind("Pose", "BindPose").items()
    places = {n.value("Node", int): n.array("Matrix").reshape(4, 4)[3, :3] for n in pose.all("PoseNode")}
    rest = make_rig(track, head).rest_joints
    bound = {fbx.name(number): place for number, place in places.items()}
    assert set(bound) == {"head", *JOINTS}
    np.testing.assert_allclose([bound[name] for name in JOINTS], rest, atol=1e-7)


def test_the_first_52_channels_carry_the_true_arkit_weights(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head)
    curves = written(track, head, tmp_path).curves()
    weights = from_params(track.params, head).clamp(0, 1).numpy()
    for i, name in enumerate(ARKIT_NAMES):
        if np.ptp(weights[:, i]) > 0:
            seconds, percent = curves[name, "DeformPercent", "DeformPercent"]
            np.testing.assert_allclose(percent, 100 * weights[:, i], rtol=1e-6, atol=1e-5)
            np.testing.assert_allclose(seconds, track.time_s, atol=1e-10)


def test_what_never_changes_has_no_curve_and_stands_on_the_object(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head)
    p = track.params
    held = p.replace(
        expression=p.expression[:1].expand(len(track), -1),
        neck=torch.tensor([0.1, -0.2, 0.3]).expand(len(track), -1),
        translation=torch.stack([p.translation[:, 0], 0 * p.translation[:, 1] + 0.25, 0 * p.translation[:, 2]], -1),
        global_rotation=torch.zeros(len(track), 3),
    )
    track = track.replace(params=held)
    fbx = written(track, head, tmp_path)
    assert worst_mm(fbx, track, head) < WORST_MM
    curves = fbx.curves()
    assert ("neck", "Lcl Rotation", "X") not in curves and ("jaw", "Lcl Rotation", "X") in curves
    assert {axis for name, prop, axis in curves if (name, prop) == ("root", "Lcl Translation")} == {"X"}
    assert not [name for name, *_ in curves if name == head.arrays.expression_names[0]]
    assert all(np.ptp(values) > 0 for _, values in curves.values())


def test_a_single_frame_leaves_as_a_still(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, frames=1)
    fbx = written(track, head, tmp_path)
    assert not fbx.of_kind("AnimationStack") and not fbx.of_kind("AnimationCurve")
    assert worst_mm(fbx, track, head) < WORST_MM


@pytest.mark.parametrize(
    ("fps", "mode"), [((30, 1), 6), ((60, 1), 3), ((30000, 1001), 9), ((25, 1), 10), ((15, 1), 14), (None, 14)]
)
def test_the_rate_and_length_that_the_file_states(arrays, tmp_path, fps, mode):
    head = Head(arrays)
    rate = fps[0] / fps[1] if fps else 60.0
    track = lively_track(head, 5).replace(fps=fps, time_s=2.0 + np.arange(5) / rate)
    assert time_mode(track) == (mode, pytest.approx(rate))
    fbx = written(track, head, tmp_path)
    settings = fbx.settings()
    assert settings["TimeMode"] == [mode] and settings["CustomFrameRate"] == [pytest.approx(rate)]
    assert settings["UnitScaleFactor"] == [100.0] and settings["UpAxis"] == [1]
    (stack,) = fbx.of_kind("AnimationStack")
    assert fbx.name(stack) == "performance"
    span = fbx.settings(fbx.objects[stack])
    assert [span["LocalStart"][0] / TICKS, span["LocalStop"][0] / TICKS] == pytest.approx([2.0, 2.0 + 4 / rate])
    assert [t.properties for t in fbx.root.first("Takes").all("Take")] == [["performance"]]


def test_time_below_zero_moves_to_zero(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 4)
    fbx = written(track.replace(time_s=track.time_s - 0.5), head, tmp_path)
    seconds, _ = fbx.curves()["jaw", "Lcl Rotation", "X"]
    np.testing.assert_allclose(seconds, np.arange(4) / 30, atol=1e-10)


def test_ticks_are_whole_frames_a_day_in():
    frames = np.arange(2_000_000, 2_000_100)
    assert set(np.diff(ticks(frames / 24))) == {TICKS // 24}


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.5))
def test_angles_say_the_rotation_and_do_not_jump(seed, step):
    """Through random walks and straight through y = 90 degrees."""
    rng = np.random.default_rng(seed)
    walk = [Rotation.from_euler("xyz", [0, rng.choice([0, np.pi / 2]), 0])]
    for turn in step * rng.normal(size=(20, 3)):
        walk.append(walk[-1] * Rotation.from_rotvec(turn))
    quaternions = np.stack([rotation.as_quat() for rotation in walk])[:, None]
    angles = euler_degrees(quaternions)[:, 0]
    again = Rotation.from_euler("xyz", angles, degrees=True)
    assert max((a * b.inv()).magnitude() for a, b in zip(again, walk, strict=True)) < 1e-6
    assert np.abs(np.diff(angles, axis=0)).max() < 180.001  # the nearest of what says the same


def test_a_whole_turn_is_a_straight_line(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, frames=40)
    angle = torch.linspace(0, 6.0, 40)
    track = track.replace(params=track.params.replace(neck=torch.stack([0 * angle, angle, 0 * angle], -1)))
    fbx = written(track, head, tmp_path)
    np.testing.assert_allclose(fbx.curves()["neck", "Lcl Rotation", "Y"][1], np.degrees(angle.numpy()), atol=1e-3)
    assert worst_mm(fbx, track, head) < WORST_MM


def test_relief_is_the_normal_map_of_skin_and_lips(default_head, tmp_path):
    relief = np.zeros((32, 32), np.float32)
    relief[16, 16] = 0.001
    fbx = written(lively_track(default_head, 2, appearance=Appearance(detail=relief)), default_head, tmp_path)
    (mesh,) = fbx.of_kind("Model", "Mesh")
    worn = {fbx.name(m): [p for _, p in fbx.below(m, "Texture")] for m, _ in fbx.below(mesh, "Material")}
    assert {name for name, places in worn.items() if places == ["NormalMap"]} == {"skin", "lips"}
    ((_, video),) = fbx.of_kind("Video").items()
    assert video.value("Content", bytes).startswith(b"\x89PNG") and video.value("Filename", str) == "normals.png"


def test_texture_materials_uv_and_normals(default_head, albedo, tmp_path):
    track = lively_track(default_head, 2, appearance=albedo)
    fbx = written(track, default_head, tmp_path)
    arrays = default_head.arrays
    (mesh,) = fbx.of_kind("Model", "Mesh")
    materials = [n for n, _ in fbx.below(mesh, "Material")]
    textured = {fbx.name(m) for m in materials if ("DiffuseColor" in [p for _, p in fbx.below(m, "Texture")])}
    assert "skin" in textured and "teeth" not in textured
    ((_, video),) = fbx.of_kind("Video").items()
    assert video.value("Content", bytes).startswith(b"\x89PNG")
    ((_, geometry),) = fbx.of_kind("Geometry", "Mesh").items()
    chosen = geometry.first("LayerElementMaterial").array("Materials")
    names = [fbx.name(m) for m in materials]
    assert [names[m] for m in chosen] == [arrays.materials[m] for m in arrays.face_material]
    layer = geometry.first("LayerElementUV")
    uv = layer.array("UV").reshape(-1, 2)[layer.array("UVIndex")].reshape(-1, 3, 2)
    np.testing.assert_array_equal(uv, arrays.uv[arrays.uv_faces])
    normals = geometry.first("LayerElementNormal").array("Normals").reshape(-1, 3, 3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)
    a, b, c = np.moveaxis(fbx.base()[arrays.faces], 1, 0)
    assert (np.einsum("fi,fki->fk", np.cross(b - a, c - a), normals) > 0).mean() > 0.99  # outwards


def test_the_licences_stand_in_the_file(arrays, tmp_path):
    head = Head(dataclasses.replace(arrays, licence="studio only"))
    fbx = written(lively_track(head, 2), head, tmp_path)
    about = fbx.root.first("FBXHeaderExtension").first("SceneInfo").first("MetaData")
    assert about.value("Comment", str) == "licences: CC0-1.0; studio only"
    ((_, mesh),) = fbx.of_kind("Model", "Mesh").items()
    assert fbx.settings(mesh)["licences"] == ["CC0-1.0; studio only"]


def test_same_track_same_bytes(arrays, tmp_path):
    head = Head(arrays)
    for name in ("a.fbx", "b.fbx"):
        write_fbx(lively_track(head), head, tmp_path / name)
    assert (tmp_path / "a.fbx").read_bytes() == (tmp_path / "b.fbx").read_bytes()


def test_six_seconds_stay_under_4_mb(default_head, tmp_path):
    write_fbx(lively_track(default_head, 180), default_head, tmp_path / "x.fbx")
    assert (tmp_path / "x.fbx").stat().st_size < 4e6


def test_tracks_that_do_not_fit_are_refused(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 3)
    broken = track.params.jaw.clone()
    broken[1, 0] = torch.nan
    refused = {
        "made on head 'other'": track.replace(head_id="other"),
        "jaw holds NaN": track.replace(params=track.params.replace(jaw=broken)),
        "albedo is float64": track.replace(appearance=Appearance(albedo=np.zeros((4, 4, 3)))),
    }
    for message, wrong in refused.items():
        with pytest.raises(ShapeError, match=message):
            write_fbx(wrong, head, tmp_path / "x.fbx")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(arrays, tmp_path):
    head = Head(arrays)
    with pytest.raises(OutputError, match="cannot write"):
        write_fbx(lively_track(head), head, tmp_path / "missing" / "x.fbx")
    assert not list(tmp_path.iterdir())
