"""assimp, which many engines and tools import with, opens every kind of mesh file of ours and finds it whole.

Its Python bindings tell meshes only; bones, animation and morph targets are what Debian's `assimp` program passes on.
"""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from flame_tools import load_head
from flame_tools.export import write_fbx, write_glb, write_obj_sequence, write_ply, write_stl
from flame_tools.export.rig import make_rig
from flame_tools.posing import at_frames, posed_frames
from flame_tools.types import JOINTS
from tests.interchange.performance import performance
from tests.interchange.programs import ASSIMP, HERE

FLOAT_M = 1e-6  # float32 at half a metre, and the six decimals of an OBJ


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder, head = tmp_path_factory.mktemp("written"), load_head()
    track = performance(head, 8)
    first = at_frames(track, [0])
    write_fbx(track, head, folder / "x.fbx")
    write_glb(track, head, folder / "x.glb")
    write_obj_sequence(first, head, folder / "seq")
    write_ply(first, head, folder / "x.ply")
    write_stl(first, head, folder / "x.stl")
    return folder, track, head


@pytest.fixture(scope="module")
def meshes(written):
    pytest.importorskip("assimp_py")
    folder = written[0]
    files = [folder / "seq" / "frame_0001.obj", *(folder / f"x.{kind}" for kind in ("fbx", "glb", "ply", "stl"))]
    done = subprocess.run(
        [sys.executable, HERE / "assimp_see.py", folder / "seen.npz", *files],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return dict(np.load(folder / "seen.npz"))


@pytest.mark.parametrize("kind", ["fbx", "glb", "obj", "ply", "stl"])
def test_every_triangle_is_there(kind, meshes, written):
    _, track, head = written
    points = make_rig(track, head).base if kind in ("fbx", "glb") else next(posed_frames(track, head))
    found = meshes[f"{kind}.triangles"].astype(np.float64)
    if kind == "stl":
        x, y, z = np.moveaxis(found, -1, 0)
        found = np.stack([x, z, -y], -1) / 1000
    faces = head.arrays.faces
    assert len(found) == len(faces)
    materials = len(np.unique(head.arrays.face_material))
    assert meshes[f"{kind}.meshes"] == (1 if kind in ("ply", "stl") else materials)
    assert meshes[f"{kind}.vertices"] >= len(head.arrays.v_template)  # seams, or corners, apart
    used = points[np.unique(faces)]
    np.testing.assert_allclose(found.min((0, 1)), used.min(0), atol=FLOAT_M)
    np.testing.assert_allclose(found.max((0, 1)), used.max(0), atol=FLOAT_M)
    assert np.abs(found - points[faces[_order(kind, head.arrays.face_material)]]).max() < FLOAT_M
    assert len(meshes[f"{kind}.uv"]) == (0 if kind == "stl" else meshes[f"{kind}.vertices"])


def _order(kind, material):
    """Which of our triangles is which of assimp's: it makes a mesh of each material, in an FBX as they come first."""
    if kind in ("ply", "stl"):
        return np.arange(len(material))
    _, first, index = np.unique(material, return_index=True, return_inverse=True)
    return np.argsort(first[index] if kind == "fbx" else index, kind="stable")


@pytest.mark.parametrize("kind", ["fbx", "glb"])
def test_skin_animation_and_morph_targets_are_there(kind, written):
    folder, track, head = written
    rig = make_rig(track, head)
    ASSIMP.run("dump", folder / f"x.{kind}", folder / f"{kind}.assxml")
    text = (folder / f"{kind}.assxml").read_text(errors="replace")
    assert set(re.findall(r'<Bone name="(\w+)"', text)) == set(JOINTS)
    ((name, duration, ticks),) = re.findall(r'<Animation name="(\w+)" duration="(\S+)" tick_cnt="(\S+)"', text)
    assert name == "performance"
    assert float(duration) / float(ticks) == pytest.approx(track.time_s[-1], abs=1e-4)
    assert set(re.findall(r'<NodeAnim node="(\w+)"', text)) == set(JOINTS)
    ASSIMP.run("export", folder / f"x.{kind}", folder / f"{kind}.gltf", "-fgltf2")
    again = json.loads((folder / f"{kind}.gltf").read_text())
    parts = [part for mesh in again["meshes"] for part in mesh["primitives"]]
    assert {len(part["targets"]) for part in parts} == {len(rig.target_names)}
    assert {len(skin["joints"]) for skin in again["skins"]} == {len(JOINTS)}
