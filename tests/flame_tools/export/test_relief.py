"""Relief leaves as normal maps and heights that other programs read."""

import io

import numpy as np
import pytest
from PIL import Image

from flame_tools import Appearance, InputError
from flame_tools.export import write_glb, write_heights, write_obj_sequence
from tests.flame_tools.export.conftest import lively_track
from tests.flame_tools.export.gltf_reader import Glb

BUMP_MM = 1.5


@pytest.fixture(scope="module")
def relief():
    """[96, 96] metres: one bump."""
    y, x = np.mgrid[:96, :96] - 48.0
    return (0.001 * BUMP_MM * np.exp(-0.5 * (x**2 + y**2) / 16)).astype(np.float32)


def normals_in(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(float) / 127.5 - 1


@pytest.mark.parametrize("painted", [False, True])
def test_gltf_has_it_on_skin_and_lips(painted, default_head, relief, tmp_path):
    albedo = np.full((8, 8, 3), 200, np.uint8) if painted else None
    track = lively_track(default_head, 2, appearance=Appearance(albedo=albedo, detail=relief))
    write_glb(track, default_head, tmp_path / "x.glb")
    glb = Glb(tmp_path / "x.glb")
    worn = {m["name"]: m["normalTexture"]["index"] for m in glb.json["materials"] if "normalTexture" in m}
    assert set(worn) == {"skin", "lips"}
    for part in glb.json["meshes"][0]["primitives"]:
        named = glb.json["materials"][part["material"]]["name"] in worn
        assert ("TANGENT" in part["attributes"]) == named
        if named:
            ways, outward, uv = (glb.accessor(part["attributes"][n]) for n in ("TANGENT", "NORMAL", "TEXCOORD_0"))
            np.testing.assert_allclose(np.linalg.norm(ways[:, :3], axis=1), 1, atol=1e-4)
            assert np.abs((ways[:, :3] * outward).sum(1)).max() < 1e-4
            front = np.abs(uv - [0.5, 0.3]).max(1) < 0.1  # brow and nose: u grows to the subject's left, v upwards
            assert (ways[front, 0] > 0.5).all() and (ways[front, 3] == 1).all()
    texture = glb.json["textures"][worn["skin"]]
    image = glb.json["images"][texture["source"]]
    assert image["name"] == "normals" and image["mimeType"] == "image/png"
    view = glb.json["bufferViews"][image["bufferView"]]
    data = glb.bin[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    normals = normals_in(Image.open(io.BytesIO(data)))
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=0.02)
    rows, columns = normals.shape[:2]
    left, right = normals[rows // 2, int(0.46 * columns)], normals[rows // 2, int(0.54 * columns)]
    above, below = normals[int(0.46 * rows), columns // 2], normals[int(0.54 * rows), columns // 2]
    assert left[0] < -0.03 < 0.03 < right[0]  # off the bump to both sides, u to the right
    assert below[1] < -0.03 < 0.03 < above[1]  # v up
    assert (normals[0] == normals[0, 0]).all() and normals[0, 0, 2] == 1


def test_obj_has_it_in_its_materials(default_head, relief, tmp_path):
    track = lively_track(default_head, 1, appearance=Appearance(detail=relief))
    write_obj_sequence(track, default_head, tmp_path / "seq")
    blocks = (tmp_path / "seq" / "head.mtl").read_text().split("newmtl ")[1:]
    assert {b.split("\n")[0] for b in blocks if "norm head_normal.png" in b} == {"skin", "lips"}
    assert normals_in(Image.open(tmp_path / "seq" / "head_normal.png")).shape[2] == 3


def test_heights_come_back_in_mm(default_head, relief, tmp_path):
    track = lively_track(default_head, 1, appearance=Appearance(detail=relief))
    write_heights(track, default_head, tmp_path / "a.height.png")
    with Image.open(tmp_path / "a.height.png") as picture:
        assert "mm along the normal = (value - 32768) * 0.0001" in picture.text["Description"]
        values = np.asarray(picture).astype(float)
    np.testing.assert_allclose((values - 32768) * 0.0001, 1000 * relief, atol=5.1e-5)
    with pytest.raises(InputError, match="--detail"):
        write_heights(lively_track(default_head, 1), default_head, tmp_path / "b.height.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.height.png"]
