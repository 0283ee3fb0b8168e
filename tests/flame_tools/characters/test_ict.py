"""ICT-FaceKit as a head, against its own sculpted shapes."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from flame_tools import FaceParams, Head, load_head
from flame_tools.arkit import ARKIT_NAMES, INDEX
from flame_tools.characters.ict import CM, arkit_name, ict_head, read_ict
from flame_tools.characters.ict_files import GROUPS, LANDMARKS, OVERLAYS, VERTICES, is_ict, read_model
from flame_tools.errors import FormatError
from flame_tools.head_file import read_head, save_head
from flame_tools.surface.eyeball import sphere_centre
from tests.shared_data import shared_file

MIDDLE = {"browInnerUp", "cheekPuff"}  # ARKit has one of what ICT has two of


@pytest.fixture(scope="module")
def file():
    return shared_file("heads/ict_facekit.npz")


@pytest.fixture(scope="module")
def model(file):
    return read_model(file)


@pytest.fixture(scope="module")
def head(file):
    return load_head(file)


def posed(head, weights: dict[str, float], shape=None):
    """Vertices with ARKit weights through the head's own map."""
    row = sum(w * torch.as_tensor(head.arrays.arkit_map[INDEX[name]]) for name, w in weights.items())
    expression, jaw, eyes, lids = row.split([head.expression_size, 3, 6, 2])
    params = FaceParams.neutral(head).replace(
        expression=expression, jaw=jaw, eyes=eyes.unflatten(-1, (2, 3)), eyelids=lids
    )
    return head.vertices(params if shape is None else params.replace(shape=shape)).numpy()


def sculpted(model, name):
    """ICT's own offsets [V, 3] for an ARKit name, metres."""
    own = [given for given in model.expression if arkit_name(given) in (name, f"{name}Left", f"{name}Right")]
    return CM * sum(model.expression[given][:OVERLAYS] for given in own)


@pytest.mark.parametrize("name", [name for name in ARKIT_NAMES if name != "tongueOut"])
def test_weight_one_is_the_sculpted_shape(head, model, name):
    weights = {name: 1.0}
    wanted = sculpted(model, name)
    if name == "mouthClose":  # sculpted over an open jaw
        weights, wanted = {"mouthClose": 1.0, "jawOpen": 1.0}, wanted + sculpted(model, "jawOpen")
    found = posed(head, weights) - head.arrays.v_template
    skin = slice(0, GROUPS["eyeball_left"][0]) if name.startswith("eyeLook") else slice(None)
    # metres; lids that move less than 10 um are left out, float32 costs 0.5 um
    atol = 2e-5 if name.startswith("eyeBlink") else 1e-6
    np.testing.assert_allclose(found[skin], wanted[skin], atol=atol)


def test_names_and_owners(head):
    names = set(head.arrays.expression_names)
    assert not names & {n for n in ARKIT_NAMES if n.startswith(("eyeLook", "eyeBlink", "jawOpen", "jawLeft"))}
    assert {"browInnerUpLeft", "cheekPuffRight", "cheekRaiserLeft", "pupilDilateRight", "mouthSmileLeft"} <= names
    assert not head.arrays.arkit_map[INDEX["tongueOut"]].any()
    for name in MIDDLE:
        halves = [head.arrays.expression_names.index(name + side) for side in ("Left", "Right")]
        assert head.arrays.arkit_map[INDEX[name], halves].tolist() == [1.0, 1.0]


def test_the_frame_is_ours(head):
    """Metres, y up, +z out of the face, +x to the subject's left."""
    rest = head.arrays.v_template
    points = rest[np.array(LANDMARKS)]
    assert 0.055 < points[42:48, 0].mean() - points[36:42, 0].mean() < 0.07  # the left eye is at +x, a human's distance
    assert points[30, 2] > points[8, 2] > 0 and points[27, 1] > points[33, 1] > points[8, 1]
    assert (posed(head, {"mouthSmileLeft": 1.0}) - rest)[rest[:, 0] < -0.02].max() < 1e-3
    dropped = posed(head, {"jawOpen": 1.0}) - rest
    assert dropped[np.array(LANDMARKS)[8], 1] < -0.02


def test_glances_turn_the_eyeballs_about_their_centres(head):
    rest = head.arrays.v_template
    for name, axis, sign in (
        ("eyeLookUpLeft", 1, 1),
        ("eyeLookDownLeft", 1, -1),
        ("eyeLookOutLeft", 0, 1),
        ("eyeLookInLeft", 0, -1),
    ):
        ball = head.arrays.regions["left_eyeball"]
        moved = posed(head, {name: 1.0})
        np.testing.assert_allclose(sphere_centre(moved[ball]), sphere_centre(rest[ball]), atol=1e-5)
        front = ball[rest[ball, 2].argmax()]
        assert sign * (moved[front] - rest[front])[axis] > 0.004
        other = head.arrays.regions["right_eyeball"]
        np.testing.assert_allclose(moved[other], rest[other], atol=1e-6)


def test_lids_shut_and_clear_the_eyeball_in_every_identity(head):
    """The cornea stays behind the shut lids, and they meet as on the mean head."""
    rng = torch.Generator().manual_seed(2)
    for _ in range(8):
        shape = torch.randn(head.shape_size, generator=rng)
        shut = posed(head, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}, shape)
        for side in ("left", "right"):
            ball = head.arrays.regions[f"{side}_eyeball"]
            front = shut[ball[shut[ball, 2].argmax()]]
            lids = shut[head.arrays.regions[f"{side}_lids"]]
            over = lids[np.linalg.norm((lids - front)[:, :2], axis=1) < 0.004]
            assert len(over) and over[:, 2].max() > front[2]
            mean = lid_gap(head, posed(head, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}), side)
            gap = lid_gap(head, shut, side) - mean  # the sculpted margins lap by up to 1.8 mm in the nasal corner
            assert np.abs(gap).max() < 0.0015, "the lids do not meet"


def lid_gap(head, vertices, side):
    """Height [n] of the upper margin's vertices over the lower margin, without the corners."""
    upper, lower = (vertices[head.arrays.regions[f"{side}_{lid}_lid_margin"]] for lid in ("upper", "lower"))
    order = np.argsort(lower[:, 0])
    return upper[5:-5, 1] - np.interp(upper[5:-5, 0], lower[order, 0], lower[order, 1])


def test_joints_follow_identity(head):
    shape = torch.zeros(head.shape_size)
    shape[0] = 2.0
    arrays = head.arrays
    someone = arrays.v_template + arrays.shapedirs @ shape.numpy()
    joints = arrays.J_regressor @ someone
    for joint, side in ((3, "left"), (4, "right")):
        ball = arrays.regions[f"{side}_eyeball"]
        np.testing.assert_allclose(joints[joint], sphere_centre(someone[ball]), atol=5e-4)
    np.testing.assert_allclose(arrays.weights.sum(1), 1.0, atol=1e-6)
    np.testing.assert_allclose(arrays.J_regressor.sum(1), 1.0, atol=1e-5)


def test_parts_and_places(head):
    arrays = head.arrays
    np.testing.assert_array_equal(arrays.faces[arrays.landmarks["68"].faces].shape, (68, 3))
    placed = head.landmarks(torch.as_tensor(arrays.v_template)).numpy()
    np.testing.assert_allclose(placed, arrays.v_template[np.array(LANDMARKS)], atol=1e-7)
    upper, lower = arrays.inner_lip_pairs.T
    gap = arrays.v_template[upper] - arrays.v_template[lower]
    central = np.abs(arrays.v_template[upper, 0]) < 0.6 * np.abs(arrays.v_template[upper, 0]).max()
    assert central.sum() > 10 and (gap[central, 1] > 0).all() and np.abs(gap).max() < 0.002
    assert (np.diff(arrays.v_template[upper, 0]) > 0).all()  # right corner to left corner
    reflected = arrays.v_template[arrays.mirror] * [-1, 1, 1]
    assert np.median(np.linalg.norm(reflected - arrays.v_template, axis=1)) < 1e-6
    for name in ("lips", "nose", "face", "brow", "ears", "neck", "scalp"):
        region = arrays.regions[name]
        assert len(region) and set(arrays.mirror[region]) <= set(region), name
    assert {"skin", "lips", "sclera", "iris", "teeth", "gums", "tongue", "mouth"} == {
        arrays.materials[m] for m in np.unique(arrays.face_material)
    }
    assert arrays.uv.min() >= 0 and arrays.uv.max() <= 1


@pytest.mark.long
def test_the_original_folder_is_the_same_head(head, model, tmp_path):
    """A folder as the project publishes it, with two of the identities and the shapes that joints and lids own."""
    few = ["jawOpen", "jawLeft", "jawRight", "eyeBlink_L", "eyeBlink_R", "mouthSmile_L", "PupilDilate_L"]
    faces = "".join(
        "f " + " ".join(f"{v + 1}/{t + 1}" for v, t in zip(*row, strict=True)) + "\n"
        for row in zip(model.faces.tolist(), model.uv_faces.tolist(), strict=True)
    )
    uv = "".join(f"vt {u:.6f} {v:.6f}\n" for u, v in model.uv)

    def write(name, vertices, rest=""):
        text = "# ICT FaceKit\nmtllib ICTFaceModelMaterial.mtl\n" + "".join(
            f"v {x:.9f} {y:.9f} {z:.9f}\n" for x, y, z in vertices
        )
        (tmp_path / f"{name}.obj").write_text(text + rest)

    write("generic_neutral_mesh", model.neutral, uv + faces)
    for i in range(2):
        write(f"identity{i:03d}", model.neutral + model.identity[i])
    for name in few:
        write(name, model.neutral + model.expression[name])
    (tmp_path / "vertex_indices.json").write_text("{}")
    assert is_ict(tmp_path)
    found = read_ict(tmp_path)
    same = ict_head(
        dataclasses.replace(
            model, identity=model.identity[:2], expression={name: model.expression[name] for name in sorted(few)}
        )
    )
    assert found.id == same.id == "ict_facekit" and found.expression_names == same.expression_names
    for name in ("faces", "uv_faces", "face_material", "mirror", "inner_lip_pairs", "eyelid_vertices"):
        np.testing.assert_array_equal(getattr(found, name), getattr(same, name))
    for name in ("v_template", "expressiondirs", "weights", "J_regressor", "eyelid_dirs"):
        np.testing.assert_allclose(getattr(found, name), getattr(same, name), atol=1e-6, err_msg=name)
    np.testing.assert_allclose(found.shapedirs, same.shapedirs, atol=1e-7)
    np.testing.assert_allclose(found.posedirs, same.posedirs, atol=1e-5)

    (tmp_path / "jawOpen.obj").write_text("v 0 0 0\n")
    with pytest.raises(FormatError, match=r"jawOpen.obj has 1 vertices"):
        read_ict(tmp_path)
    shutil.copy(tmp_path / "jawLeft.obj", tmp_path / "jawOpen.obj")
    (tmp_path / "jawLeft.obj").write_text("v a b c\n" * VERTICES)
    with pytest.raises(FormatError, match="no numbers"):
        read_ict(tmp_path)


def test_a_damaged_npz_is_refused(model, tmp_path):
    arrays = {
        "neutral": model.neutral, "identity": model.identity[:1], "faces": model.faces, "uv": model.uv,
        "faces_uv": model.uv_faces, "expression_names": np.array(list(model.expression)),
        "expression": np.stack(list(model.expression.values())).astype(np.float16),
    }  # fmt: skip

    def refused(match, **changes):
        np.savez(tmp_path / "ict.npz", **(arrays | changes))
        with pytest.raises(FormatError, match=match):
            read_ict(tmp_path / "ict.npz")

    refused("26719", neutral=model.neutral[:100])
    refused("NaN", neutral=np.where(np.arange(3) == 1, np.nan, model.neutral))
    refused("outside", faces=model.faces + 1_000_000)
    refused("56", expression_names=np.array(list(model.expression)[:-1]))
    refused("jawOpen", expression_names=np.array([n.replace("jawOpen", "jawShut") for n in model.expression]))


def test_saved_as_our_own_it_is_the_same(head, tmp_path):
    few = dataclasses.replace(
        head.arrays,
        shapedirs=head.arrays.shapedirs[..., :2],
        eyelid_shapedirs=head.arrays.eyelid_shapedirs[..., :2],
        shape_names=head.arrays.shape_names[:2],
    )
    save_head(few, tmp_path / "ict.npz")
    again = Head(read_head(tmp_path / "ict.npz"))
    np.testing.assert_array_equal(posed(again, {"jawOpen": 0.5}), posed(head, {"jawOpen": 0.5}))
