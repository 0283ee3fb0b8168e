"""The default head leaves in the dialects of other programs and comes back as a head that moves as it did."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from flame_tools import FaceParams, Head
from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.characters.character import LICENCE, read_character
from flame_tools.errors import FormatError
from flame_tools.export import write_fbx, write_glb
from flame_tools.posing import still
from tests.flame_tools.characters.made import mesh_fbx, mesh_glb


def posed(head, weights: dict[str, float]):
    row = sum(w * torch.as_tensor(head.arrays.arkit_map[INDEX[name]]) for name, w in weights.items())
    expression, jaw, eyes, lids = row.split([head.expression_size, 3, 6, 2])
    params = FaceParams.neutral(head).replace(
        expression=expression, jaw=jaw, eyes=eyes.unflatten(-1, (2, 3)), eyelids=lids
    )
    return head.vertices(params).numpy()


def assert_moves_alike(head, source, *, atol_m, half_m, names=ARKIT_NAMES):
    """The poses of all names at weight 1, and at a half, are the source's."""

    def at(weight):
        return source.vertices(to_params(weight * torch.eye(len(ARKIT_NAMES)), source)).numpy()

    full, half = at(1.0), at(0.5)
    told_apart = [INDEX[n] for n in ("jawOpen", "mouthSmileLeft", "mouthRollLower", "eyeBlinkLeft", "eyeBlinkRight",
                                     "eyeLookInLeft", "eyeLookInRight", "eyeLookUpLeft", "eyeLookUpRight")]  # fmt: skip
    ours = np.concatenate([posed(head, {ARKIT_NAMES[i]: 1.0}) for i in told_apart], 1)
    _, match = cKDTree(ours).query(np.concatenate(full[told_apart], 1))
    for name in names:
        for weight, wanted, limit in ((1.0, full, atol_m), (0.5, half, half_m)):
            found = posed(head, {name: weight})[match]
            error = np.linalg.norm(found - wanted[INDEX[name]], axis=1).max()
            assert error < limit, f"{name} at {weight}: {1000 * error:.3f} mm"


@pytest.fixture(scope="module")
def ours(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("ours") / "default.glb"
    write_glb(still(source, torch.zeros(source.shape_size)), source, path)
    return Head(read_character(path))


def test_our_own_export_comes_back(ours, source):
    """Its jaw and eyes are moved by their bones; its shapes correct them."""
    arrays = ours.arrays
    assert arrays.provenance["missing"] == [] and arrays.licence == "CC0-1.0"
    assert arrays.id == "default_character"  # its tracks are not taken for our head's
    assert arrays.v_template.shape == source.arrays.v_template.shape  # welded where materials split it
    found, wanted = (a.J_regressor @ a.v_template for a in (arrays, source.arrays))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    # The file's half blinks have a bulge of their own, which ours guesses: 0.07 mm apart.
    assert_moves_alike(ours, source, atol_m=2e-5, half_m=1e-4)
    for name in ("left_eyeball", "right_eyeball", "teeth", "tongue"):
        assert len(arrays.regions[name]) == len(source.arrays.regions[name])


@pytest.mark.parametrize("write", [write_glb, write_fbx])
def test_a_file_says_its_licences(write, source, tmp_path):
    track = still(source, torch.zeros(source.shape_size)).replace(licences=("CC0-1.0", "studio, internal"))
    path = tmp_path / f"hero.{write.__name__[-3:]}"
    write(track, source, path)
    assert read_character(path).licence == "CC0-1.0; studio, internal"


def test_lips_of_an_import(ours):
    upper, lower = ours.arrays.inner_lip_pairs.T
    rest, opened = ours.arrays.v_template, posed(ours, {"jawOpen": 1.0})
    assert len(upper) > 8 and np.linalg.norm(rest[upper] - rest[lower], axis=1).max() < 0.004
    assert (opened[upper, 1] - opened[lower, 1]).max() > 0.02
    assert (np.diff(rest[lower, 0]) > 0).all()


def test_a_mesh_without_a_skeleton(source, shapes, tmp_path):
    """Joints are estimated: the shapes are exact at weight 1 and nearly so at a half."""
    path = tmp_path / "mask.glb"
    path.write_bytes(mesh_glb(source.arrays.v_template, source.arrays.faces, shapes))
    head = Head(read_character(path))
    assert head.arrays.licence == LICENCE and head.shape_size == 0
    found, wanted = (a.J_regressor @ a.v_template for a in (head.arrays, source.arrays))
    np.testing.assert_allclose(found[3:], wanted[3:], atol=3e-4)  # eyes
    np.testing.assert_allclose(found[2], wanted[2], atol=0.012)  # the jaw's hinge
    assert head.arrays.jaw_open_rad == pytest.approx(source.arrays.jaw_open_rad, rel=0.15)
    np.testing.assert_allclose(head.arrays.look_rad, source.arrays.look_rad, atol=0.01)
    no_jaw = [name for name in ARKIT_NAMES if name != "mouthClose"]
    assert_moves_alike(head, source, atol_m=2e-5, half_m=1.5e-3, names=no_jaw)
    both = to_params(torch.eye(52)[[INDEX["mouthClose"], INDEX["jawOpen"]]].sum(0), source)
    gap = head.arrays.inner_lip_pairs
    assert len(gap) > 8
    np.testing.assert_allclose(
        np.sort(posed(head, {"mouthClose": 1.0, "jawOpen": 1.0})[:, 1]),
        np.sort(source.vertices(both).numpy()[:, 1]),
        atol=1e-4,
    )


def test_other_units_axes_names_and_sides(source, shapes, tmp_path):
    """Centimetres, z up, looking along -y, shapes named as Maya does; both smiles in one shape."""
    to_file = 100 * np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # ours to x, -z, y
    renamed = {
        f"blendShape1.{n.replace('Left', '_L').replace('Right', '_R')}": offsets
        for n, offsets in shapes.items()
        if not n.startswith("mouthSmile") and n not in ("jawLeft", "jawRight")
    }
    renamed |= {"jawLeft": shapes["jawLeft"], "jawRight": shapes["jawRight"]}
    renamed["mouthSmile"] = shapes["mouthSmileLeft"] + shapes["mouthSmileRight"]
    renamed["Basis_fat"] = shapes["jawOpen"]
    settings = {
        "UpAxis": [2], "UpAxisSign": [1], "FrontAxis": [1], "FrontAxisSign": [-1], "CoordAxis": [0],
        "CoordAxisSign": [1], "UnitScaleFactor": [1.0],
    }  # fmt: skip
    data = mesh_fbx(
        source.arrays.v_template @ to_file.T,
        source.arrays.faces,
        {name: offsets @ to_file.T for name, offsets in renamed.items()},
        settings=settings,
        version=7500,
    )
    (tmp_path / "hero.fbx").write_bytes(data)
    head = Head(read_character(tmp_path / "hero.fbx"))
    assert head.arrays.provenance["ignored"] == ["Basis_fat"] and head.arrays.provenance["missing"] == []
    rest = head.arrays.v_template
    np.testing.assert_allclose(rest.min(0), source.arrays.v_template.min(0), atol=1e-6)
    smiles = posed(head, {"mouthSmileLeft": 1.0}) - rest
    assert np.abs(smiles[rest[:, 0] < -0.01]).max() < 1e-6 < 0.005 < np.abs(smiles[rest[:, 0] > 0.01]).max()
    both = posed(head, {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}) - rest
    order = cKDTree(source.arrays.v_template).query(rest)[1]
    assert np.abs(both - renamed["mouthSmile"][order]).max() < 5e-3  # lips at one place may swap


@pytest.mark.parametrize("scale", [100.0, 1.0 / 0.0254, 0.01])
def test_a_unit_that_the_file_does_not_tell(source, shapes, tmp_path, scale):
    few = {name: shapes[name] * scale for name in ("eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "jawOpen")}
    (tmp_path / "a.glb").write_bytes(mesh_glb(source.arrays.v_template * scale, source.arrays.faces, few))
    arrays = read_character(tmp_path / "a.glb")
    apart = np.ptp((arrays.J_regressor @ arrays.v_template)[3:, 0])
    assert 0.02 < apart < 0.2 and len(arrays.provenance["missing"]) == 48


def test_looking_backwards(source, shapes, tmp_path):
    """glTF says +z is the front; who exports the other way round is turned."""
    node = {"rotation": [0.0, 1.0, 0.0, 0.0]}
    few = {name: shapes[name] for name in ("eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "jawOpen")}
    (tmp_path / "a.glb").write_bytes(mesh_glb(source.arrays.v_template, source.arrays.faces, few, node=node))
    np.testing.assert_allclose(
        read_character(tmp_path / "a.glb").v_template.max(0), source.arrays.v_template.max(0), atol=1e-6
    )


def test_a_body_rig_with_a_jaw_bone(source, shapes, tmp_path):
    """Bones named as animators do, the jaw moved by its bone, eyes held by theirs; no shape opens the mouth."""
    a = source.arrays
    joints = a.J_regressor @ a.v_template
    bones = [
        ("mixamorig:Spine2", -1, joints[0] - [0, 0.2, 0]), ("mixamorig:Neck", 0, joints[0]),
        ("mixamorig:Head", 1, joints[1]), ("jaw_master", 2, joints[2]), ("Eye_L", 2, joints[3]),
        ("Eye_R", 2, joints[4]), ("HeadTop_End", 2, joints[1] + [0, 0.2, 0]),
    ]  # fmt: skip
    weights = np.zeros((len(a.v_template), len(bones)))
    weights[:, 1:6] = a.weights
    kept = {n: s for n, s in shapes.items() if not n.startswith(("jaw", "eyeLook", "mouthClose"))}
    (tmp_path / "body.fbx").write_bytes(mesh_fbx(100 * a.v_template, a.faces, {n: 100 * s for n, s in kept.items()},
        bones=[(n, p, 100 * x) for n, p, x in bones], weights=weights))  # fmt: skip
    head = Head(read_character(tmp_path / "body.fbx"))
    found = head.arrays.J_regressor @ head.arrays.v_template
    np.testing.assert_allclose(found, joints, atol=1e-5)
    order = cKDTree(a.v_template).query(head.arrays.v_template)[1]
    assert np.abs(head.arrays.weights - a.weights[order]).max(1).mean() < 1e-3
    dropped = posed(head, {"jawOpen": 1.0}) - head.arrays.v_template
    assert dropped[:, 1].min() < -0.02
    missing = set(head.arrays.provenance["missing"])
    assert "eyeLookUpLeft" in missing and "jawOpen" not in missing  # its bone stands for the shape
    up = posed(head, {"eyeLookUpLeft": 1.0}) - head.arrays.v_template
    moved = np.linalg.norm(up, axis=1) > 1e-5
    assert moved.any() and (head.arrays.weights[moved, 3] > 0.5).all()


def test_what_is_no_character_is_refused(source, tmp_path):
    a = source.arrays
    (tmp_path / "a.glb").write_bytes(mesh_glb(a.v_template, a.faces, {"fat": a.v_template * 0.1}))
    with pytest.raises(FormatError, match=r"ARKit's names.*it has fat"):
        read_character(tmp_path / "a.glb")
    (tmp_path / "b.glb").write_bytes(mesh_glb(a.v_template, a.faces, {}))
    with pytest.raises(FormatError, match="no shapes at all"):
        read_character(tmp_path / "b.glb")
    (tmp_path / "c.glb").write_bytes(mesh_glb(a.v_template, a.faces, {"mouthFunnel": a.v_template * 0.1}))
    with pytest.raises(FormatError, match="where the eyes are"):
        read_character(tmp_path / "c.glb")
    (tmp_path / "d.obj").write_text("v 0 0 0\n")
    with pytest.raises(FormatError, match="is no character file"):
        read_character(tmp_path / "d.obj")
