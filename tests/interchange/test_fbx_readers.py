"""Our FBX beside ufbx, and our FBX reader beside Blender, which writes the file, and ufbx, which reads it too."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_tools import Head, load_head
from flame_tools.arkit import ARKIT_NAMES, from_params
from flame_tools.characters.character import read_character
from flame_tools.characters.fbx import read_fbx
from flame_tools.export import write_fbx, write_glb
from flame_tools.posing import still
from flame_tools.types import JOINTS
from tests.flame_tools.characters.made import mesh_fbx
from tests.flame_tools.characters.test_character import assert_moves_alike
from tests.interchange.performance import performance
from tests.interchange.programs import BLENDER, opened

HERE = Path(__file__).parent


def ufbx_sees(path: Path, out: Path, *times_s: float) -> dict[str, np.ndarray]:
    pytest.importorskip("ufbx")
    done = subprocess.run(
        [sys.executable, HERE / "ufbx_see.py", path, out, *map(str, times_s)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert out.exists(), done.stderr[-2000:]  # not the exit status: the bindings may crash after the work
    return dict(np.load(out))


def assert_sees_the_same(path: Path, tmp_path: Path) -> None:
    seen = ufbx_sees(path, tmp_path / "seen.npz")
    scene = read_fbx(path)
    part = scene.parts[0]
    scale = float(seen["metres"])
    np.testing.assert_allclose(part.vertices, scale * seen["positions"], atol=1e-7)
    assert {f"shape.{name}" for name in part.shapes} == {name for name in seen if name.startswith("shape.")}
    for name, offsets in part.shapes.items():
        np.testing.assert_allclose(offsets, scale * seen[f"shape.{name}"], atol=1e-7, err_msg=name)
    if part.weights.shape[1]:
        order = [scene.bones.index(name) for name in seen["bones"]]
        share = seen["weights"] / seen["weights"].sum(1, keepdims=True)
        np.testing.assert_allclose(part.weights[:, order], share, atol=1e-6)


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


def test_a_head_through_blender(tmp_path):
    """Our GLB, opened and saved as FBX by Blender, moves as before; ufbx sees the same mesh, shapes and skin."""
    head = load_head()
    write_glb(still(head, torch.zeros(head.shape_size)), head, tmp_path / "default.glb")
    opened(BLENDER, tmp_path, {"again": {"path": tmp_path / "default.glb", "out": str(tmp_path / "default.fbx")}})
    again = Head(read_character(tmp_path / "default.fbx"))
    assert_moves_alike(again, head, atol_m=2e-5, half_m=1e-4)
    materials = {again.arrays.materials[m] for m in np.unique(again.arrays.face_material)}
    assert materials == {head.arrays.materials[m] for m in np.unique(head.arrays.face_material)}
    assert_sees_the_same(tmp_path / "default.fbx", tmp_path)


def test_every_part_of_a_models_place(tmp_path):
    """Pivots, offsets, pre- and post-rotation, other rotation orders and the geometric part, as ufbx has them."""
    rng = np.random.default_rng(5)
    points, offsets = rng.normal(size=(2, 6, 3))
    names = ("RotationPivot", "ScalingPivot", "RotationOffset", "ScalingOffset", "GeometricTranslation")
    model = {name: rng.normal(size=3).tolist() for name in (*names, "Lcl__Translation")}
    turns = ("Lcl__Rotation", "PreRotation", "PostRotation", "GeometricRotation")
    model |= {name: (60 * rng.normal(size=3)).tolist() for name in turns}
    model |= {name: rng.uniform(0.5, 2.0, 3).tolist() for name in ("Lcl__Scaling", "GeometricScaling")}
    model |= {"RotationActive": [1], "RotationOrder": [4]}
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    (tmp_path / "a.fbx").write_bytes(mesh_fbx(points, faces, {"smile": offsets}, model=model))
    assert_sees_the_same(tmp_path / "a.fbx", tmp_path)


def test_a_skin_as_ufbx_has_it(tmp_path):
    rng = np.random.default_rng(6)
    points, offsets = rng.normal(size=(2, 6, 3))
    weights = rng.uniform(size=(6, 2))
    bones = [("Neck", -1, np.array([0.0, 1.0, 0.0])), ("Head", 0, np.array([0.5, 2.0, 0.0]))]
    data = mesh_fbx(points, np.array([[0, 1, 2], [3, 4, 5]]), {"smile": offsets}, bones=bones, weights=weights)
    (tmp_path / "a.fbx").write_bytes(data)
    assert_sees_the_same(tmp_path / "a.fbx", tmp_path)
