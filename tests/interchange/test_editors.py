"""Debian's Blender and pip's bpy open our FBX, GLB, OBJ sequence and vertex caches, and see what we wrote.

The GLB is opened at twice the track's rate and the FBX in a scene of another, so that a clip's length is the file's.
"""

import numpy as np
import pytest

from flame_tools import load_head
from flame_tools.arkit import ARKIT_NAMES, from_params
from flame_tools.export import write_fbx, write_glb, write_obj_sequence
from flame_tools.export.corners import split_by_material
from flame_tools.export.pointcache import write_mdd, write_pc2
from flame_tools.posing import posed_frames
from flame_tools.types import JOINTS
from tests.interchange.performance import FRAMES, performance
from tests.interchange.programs import EDITORS, opened, our_axes

SAME_M = 1e-4
RIGGED = ("fbx", "glb", "fbx_import")  # fbx_import: the second FBX importer, of Blender 4.5 and later
CACHES = ("MDD", "PC2")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder of files of one performance, and the performance."""
    folder, head = tmp_path_factory.mktemp("written"), load_head()
    track = performance(head)
    for write, name in ((write_fbx, "x.fbx"), (write_glb, "x.glb"), (write_mdd, "x.mdd"), (write_pc2, "x.pc2")):
        write(track, head, folder / name)
    write_obj_sequence(track, head, folder / "seq")
    return folder, track, head


@pytest.fixture(scope="module", params=EDITORS)
def seen(request, written, tmp_path_factory):
    """What one editor sees, by the kind of file, after one run of it."""
    folder, _, _ = written
    jobs = {
        "fbx": {"path": folder / "x.fbx", "fps": 24},
        "glb": {"path": folder / "x.glb", "fps": 60, "frames": [2 * frame for frame in FRAMES]},
        **{f"obj{f}": {"path": folder / "seq" / f"frame_{f + 1:04d}.obj", "frames": [0]} for f in FRAMES},
    }
    jobs["obj0"] |= {"frames": FRAMES, "caches": [folder / "x.mdd", folder / "x.pc2"]}
    if request.param == "bpy":
        jobs["fbx_import"] = {"path": folder / "x.fbx", "fps": 24, "importer": "fbx_import"}
    return opened(EDITORS[request.param], tmp_path_factory.mktemp("seen"), jobs)


@pytest.fixture
def rigged(seen):
    return {kind: seen[kind] for kind in RIGGED if kind in seen}


def ours(track, head):
    """Our vertices [10, V, 3] at FRAMES."""
    return np.stack(list(posed_frames(track, head)))[list(FRAMES)]


def test_ten_frames_have_our_vertices(seen, rigged, written):
    _, track, head = written
    wanted = ours(track, head)
    assert np.abs(wanted - wanted[0]).max() > 0.05  # the performance moves far more than the tolerance
    corners = np.concatenate([piece.vertices for piece in split_by_material(head.arrays)])
    found = {kind: what["positions"] for kind, what in rigged.items()}
    found["obj"] = np.stack([seen[f"obj{f}"]["positions"][0] for f in FRAMES])
    found |= {kind: seen["obj0"][kind] for kind in CACHES}
    for kind, positions in found.items():
        points = wanted[:, corners] if kind == "glb" else wanted  # the others keep the head's own order
        assert positions.shape == points.shape, kind
        apart = np.linalg.norm(our_axes(positions) - points, axis=-1).max()
        assert apart < SAME_M, f"{kind}: {1000 * apart:.4f} mm"
    assert np.linalg.norm(our_axes(seen["obj0"]["MDD_at_time"]) - wanted[-1], axis=-1).max() < SAME_M


def test_the_52_have_their_names_and_weights(rigged, written):
    _, track, head = written
    weights = from_params(track.params, head).numpy()[list(FRAMES)]
    for kind, what in rigged.items():
        assert tuple(what["keys"][1:53]) == ARKIT_NAMES, kind  # after the basis
        curves = {str(name): values for name, values in zip(what["curves"], what["values"], strict=True)}
        for i, name in enumerate(ARKIT_NAMES):
            np.testing.assert_allclose(curves[name], weights[:, i], atol=1e-5, err_msg=f"{kind} {name}")


def test_rate_and_length(rigged, written):
    _, track, _ = written
    for kind, what in rigged.items():
        fps = float(what["fps"])
        assert fps == (60 if kind == "glb" else 30), kind  # a GLB knows seconds alone: the scene's rate stays
        seconds = what["key_times"] / fps
        assert len(seconds) == len(track) == 30, kind  # a key for each frame, and no other
        np.testing.assert_allclose(seconds, track.time_s, atol=1e-5, err_msg=kind)
        np.testing.assert_allclose(what["span"] / fps, [[0, 29 / 30]] * len(what["span"]), atol=1e-5, err_msg=kind)
        assert all("performance" in str(name) for name in what["actions"]) and len(what["actions"]) in (1, 2), kind


def test_joints_materials_and_texture(seen, rigged, written):
    _, _, head = written
    used = {head.arrays.materials[m] for m in np.unique(head.arrays.face_material)}
    for kind, what in {**rigged, "obj": seen["obj0"]}.items():
        assert sorted(what["bones"]) == ([] if kind == "obj" else sorted(JOINTS)), kind
        assert set(what["materials"].tolist()) == used, kind
        assert len(what["images"]) == 1, kind


def test_an_obj_keeps_faces_and_uv(seen, written):
    arrays = written[2].arrays
    order = np.argsort(arrays.face_material, kind="stable")
    np.testing.assert_array_equal(seen["obj0"]["faces"], arrays.faces[order])
    np.testing.assert_allclose(seen["obj0"]["uv"].reshape(-1, 3, 2), arrays.uv[arrays.uv_faces[order]], atol=1e-6)
