"""Blender imports our FBX and moves it as our own frames do; ufbx sees its mesh, channels, skin and curves."""

import numpy as np

from flame_tools import load_head
from flame_tools.arkit import ARKIT_NAMES, from_params
from flame_tools.characters.fbx import read_fbx
from flame_tools.export import write_fbx
from flame_tools.posing import posed_frames
from flame_tools.types import JOINTS
from tests.interchange.test_blender_glb import FRAMES, blender_sees, needs_blender, performance
from tests.interchange.test_fbx_readers import assert_sees_the_same, ufbx_sees


@needs_blender
def test_blender_moves_the_head_as_we_do(tmp_path):
    head = load_head()
    track = performance(head)
    write_fbx(track, head, tmp_path / "head.fbx")
    seen = blender_sees(tmp_path / "head.fbx", tmp_path / "seen.npz", fps=24)  # another rate: the file states its own

    # vertices, to a tenth of a millimetre, in the head's own order
    ours = list(posed_frames(track, head))
    for points, frame in zip(seen["positions"], FRAMES, strict=True):
        x, y, z = points.T  # Blender: z up, -y out of the face
        apart = np.linalg.norm(np.stack([x, z, -y], 1) - ours[frame], axis=1)
        assert apart.max() < 1e-4, f"frame {frame}: {1000 * apart.max():.3f} mm"

    # the 52 first, by name and value
    assert tuple(seen["keys"][1:53]) == ARKIT_NAMES  # after the basis
    curves = {str(name): values for name, values in zip(seen["curves"], seen["values"], strict=True)}
    weights = from_params(track.params, head).numpy()
    for i, name in enumerate(ARKIT_NAMES):
        np.testing.assert_allclose(curves[name], weights[list(FRAMES), i], atol=1e-5)
    assert sorted(seen["bones"]) == sorted(JOINTS)
    used = {head.arrays.materials[m] for m in np.unique(head.arrays.face_material)}
    assert used == set(seen["materials"].tolist())
    assert len(seen["images"]) == 1

    # rate, length and name
    assert seen["fps"] == 30
    np.testing.assert_allclose(seen["span"], [[0, 29]] * len(seen["span"]), atol=1e-4)
    assert all("performance" in str(name) for name in seen["actions"]) and len(seen["actions"]) == 2


def test_ufbx_sees_mesh_channels_skin_and_take(tmp_path):
    head = load_head()
    track = performance(head, 8)
    write_fbx(track, head, tmp_path / "head.fbx")
    assert_sees_the_same(tmp_path / "head.fbx", tmp_path)
    seen = ufbx_sees(tmp_path / "head.fbx", tmp_path / "again.npz", 0.0, *track.time_s[[3, 7]])
    assert seen["metres"] == 1 and seen["fps"] == 30 and seen["warnings"] == 0
    assert seen["takes"].tolist() == ["performance"]
    np.testing.assert_allclose(seen["span_s"], [track.time_s[[0, 7]]], atol=1e-9)
    weights = from_params(track.params, head).numpy()
    np.testing.assert_allclose(seen["played"][:, :52], weights[[0, 3, 7]], atol=1e-6)
    assert tuple(seen["bones"]) == JOINTS
    shapes = [name.removeprefix("shape.") for name in seen if name.startswith("shape.")]
    assert tuple(shapes[:52]) == ARKIT_NAMES
    np.testing.assert_allclose(seen["weights"].sum(1), 1, atol=1e-6)
    assert tuple(read_fbx(tmp_path / "head.fbx").parts[0].shapes) == tuple(shapes)
