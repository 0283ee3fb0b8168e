"""Blender 5 (the module bpy) imports our USD and moves it as our own frames do."""

import numpy as np
import pytest

pytest.importorskip("pxr", reason="usd-core is not installed: pip install 'emberface[usd]'")

from flame_tools import load_head
from flame_tools.arkit import ARKIT_NAMES, from_params
from flame_tools.export.usd import write_usd
from flame_tools.posing import at_frames, posed_frames
from flame_tools.types import JOINTS
from tests.interchange.performance import FRAMES, performance
from tests.interchange.programs import BPY, opened, our_axes

UNEVEN_S = np.cumsum(np.linspace(0.02, 0.07, 12))
SIXTIETHS = 60  # what a file counts in where its track has no rate


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def tracks(head):
    """What is played, by the file's name, and the time codes at which it is looked at."""
    sound = {"audio": np.zeros(16_000, np.float32), "audio_rate": 16_000}
    track = performance(head).replace(**sound)
    still = at_frames(track, [7])
    uneven = performance(head, len(UNEVEN_S)).replace(fps=None, time_s=UNEVEN_S)
    return {
        "my head.usdc": (track, FRAMES),
        "my head.usdz": (track, FRAMES),
        "still.usdc": (still, SIXTIETHS * still.time_s),
        "uneven.usda": (uneven, SIXTIETHS * UNEVEN_S),
    }


@pytest.fixture(scope="module")
def seen(head, tracks, tmp_path_factory):
    """What Blender makes of each file: see blender_play.py."""
    folder = tmp_path_factory.mktemp("usd")
    for name, (track, _) in tracks.items():
        write_usd(track, head, folder / name)
    jobs = {name: {"path": folder / name, "frames": codes, "fps": 24} for name, (_, codes) in tracks.items()}
    return opened(BPY, folder, jobs)


def worst_m(seen, track, head, frames):
    """How far Blender's vertices lie from ours, in the head's own order."""
    ours = np.stack(list(posed_frames(track, head)))[list(frames)]
    return np.linalg.norm(our_axes(seen["positions"]) - ours, axis=-1).max()


@pytest.mark.parametrize("name", ["my head.usdc", "my head.usdz"])
def test_blender_moves_the_head_as_we_do(head, tracks, seen, name):
    track, _ = tracks[name]
    seen = seen[name]
    assert worst_m(seen, track, head, FRAMES) < 1e-4

    # the 52 first, by name and value
    assert tuple(seen["keys"][1:53]) == ARKIT_NAMES  # after the basis
    curves = {str(name): values for name, values in zip(seen["curves"], seen["values"], strict=True)}
    weights = from_params(track.params, head).numpy()
    for i, shape in enumerate(ARKIT_NAMES):
        np.testing.assert_allclose(curves[shape], weights[list(FRAMES), i], atol=1e-5)
    assert sorted(seen["bones"]) == sorted(JOINTS)
    used = {head.arrays.materials[m] for m in np.unique(head.arrays.face_material)}
    assert used == set(seen["materials"].tolist())
    assert seen["sizes"].tolist() == [[64, 64]]
    np.testing.assert_allclose(seen["uv"].reshape(-1, 3, 2), head.arrays.uv[head.arrays.uv_faces], atol=1e-6)

    # rate, length and name; Blender takes a time code for a frame and leaves the scene's own rate as it is
    assert seen["stated_fps"] == 30
    assert seen["scene_span"].tolist() == [0, 29]
    np.testing.assert_allclose(seen["span"], [[0, 29]] * len(seen["span"]), atol=1e-4)
    assert "performance" in seen["actions"]


def test_blender_shows_a_still(head, tracks, seen):
    assert worst_m(seen["still.usdc"], tracks["still.usdc"][0], head, [0]) < 1e-4


def test_blender_keeps_uneven_times(head, tracks, seen):
    assert worst_m(seen["uneven.usda"], tracks["uneven.usda"][0], head, range(len(UNEVEN_S))) < 1e-4
