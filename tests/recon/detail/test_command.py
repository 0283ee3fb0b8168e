"""`emberface recon --detail` on the bundled portrait, and what leaves afterwards."""

import io
import json

import numpy as np
import pytest
from PIL import Image

import emberface
import emberface_cli
from assets.locate import asset_path
from tests.flame_tools.export.gltf_reader import Glb


@pytest.mark.long
def test_a_portrait_leaves_with_its_folds(capsys, tmp_path):
    out = tmp_path / "out"
    asked = ["recon", str(asset_path("astronaut")), "--detail", "-o", str(out), "--format", "glb", "--json"]
    assert emberface_cli.run(asked) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["inputs"]["detail"] is True
    track = emberface.load(out / "astronaut.face.npz")
    glb = Glb(out / "astronaut.glb")
    worn = {m["name"]: m["normalTexture"]["index"] for m in glb.json["materials"] if "normalTexture" in m}
    assert set(worn) == {"skin", "lips"}
    image = glb.json["images"][glb.json["textures"][worn["skin"]]["source"]]
    view = glb.json["bufferViews"][image["bufferView"]]
    data = glb.bin[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    normals = np.asarray(Image.open(io.BytesIO(data))).astype(float) / 127.5 - 1
    tilt = np.hypot(normals[..., 0], normals[..., 1])
    side = track.appearance.detail.shape[0]
    bent = tilt.reshape(side, len(tilt) // side, side, -1).max((1, 3))
    assert 0.1 < tilt.max() < 0.98 and np.median(tilt) < 0.01  # a smile's folds on a smooth face
    told = np.abs(track.appearance.detail) > 1e-6
    near = told.copy()
    for axis in (0, 1):
        near |= np.roll(near, 1, axis) | np.roll(near, -1, axis)
    assert (bent[~near] < 0.02).all()  # and nowhere else

    assert emberface_cli.run(["convert", str(out / "astronaut.face.npz"), "-o", str(out / "a.height.png")]) == 0
    with Image.open(out / "a.height.png") as picture:
        heights = (np.asarray(picture).astype(float) - 32768) * 1e-7
    np.testing.assert_allclose(heights, track.appearance.detail, atol=6e-8)

    spoken = emberface.wear(track, track).appearance
    np.testing.assert_array_equal(spoken.detail, track.appearance.detail_rest)
