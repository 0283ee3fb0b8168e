"""Blender imports our GLB and moves it as our own frames do."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_tools import Appearance, FaceParams, Track, load_head
from flame_tools.arkit import ARKIT_NAMES, from_params
from flame_tools.export import write_glb
from flame_tools.export.corners import split_by_material
from flame_tools.posing import posed_frames

BLENDER = shutil.which("blender")
needs_blender = pytest.mark.skipif(
    BLENDER is None and not os.environ.get("CI"), reason="Blender is not installed: apt install blender python3-numpy"
)
FRAMES = (0, 3, 7, 10, 14, 17, 20, 22, 25, 29)


def performance(head, frames=30):
    """Every component, joint and lid moves, within what a face does."""
    rng = torch.Generator().manual_seed(3)

    def smooth(*size):  # [frames, *size] in [-1, 1], a sine of random speed and phase in each channel
        phase, speed = torch.rand(2, *size, generator=rng)
        t = torch.arange(frames).reshape(-1, *(1 for _ in size)) / frames
        return torch.sin(2 * torch.pi * (t * (0.5 + 2 * speed) + phase))

    jaw = smooth(3) * torch.tensor([0.15, 0.06, 0.03]) + torch.tensor([0.15, 0.0, 0.0])
    params = FaceParams(
        shape=torch.randn(head.shape_size, generator=rng) * 0.7,
        expression=0.3 + 0.3 * smooth(head.expression_size),
        global_rotation=0.2 * smooth(3),
        neck=0.2 * smooth(3),
        jaw=jaw,
        eyes=0.3 * smooth(2, 3),
        eyelids=0.5 + 0.5 * smooth(2),
        translation=0.1 * smooth(3),
    )
    albedo = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    return Track(head.arrays.id, params, np.arange(frames) / 30, fps=(30, 1), appearance=Appearance(albedo=albedo))


def blender_sees(path: Path, out: Path, *, fps: int = 30, frames=FRAMES) -> dict[str, np.ndarray]:
    """What Blender makes of a file of ours: see blender_play.py."""
    done = subprocess.run(
        [BLENDER, "-b", "--factory-startup", "--python-exit-code", "1", "--python",
         Path(__file__).with_name("blender_play.py"), "--", path, out, str(fps), *map(str, frames)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return dict(np.load(out))


@needs_blender
def test_blender_moves_the_head_as_we_do(tmp_path):
    head = load_head()
    track = performance(head)
    write_glb(track, head, tmp_path / "head.glb")
    seen = blender_sees(tmp_path / "head.glb", tmp_path / "seen.npz")

    # vertices, to a tenth of a millimetre
    order = np.concatenate([piece.vertices for piece in split_by_material(head.arrays)])
    ours = list(posed_frames(track, head))
    for points, frame in zip(seen["positions"], FRAMES, strict=True):
        x, y, z = points.T  # Blender: z up, -y out of the face
        apart = np.linalg.norm(np.stack([x, z, -y], 1) - ours[frame][order], axis=1)
        assert apart.max() < 1e-4, f"frame {frame}: {1000 * apart.max():.3f} mm"

    # the 52 curves, by name and value
    curves = {str(name): values for name, values in zip(seen["curves"], seen["values"], strict=True)}
    weights = from_params(track.params, head).numpy()
    for i, name in enumerate(ARKIT_NAMES):
        np.testing.assert_allclose(curves[name], weights[list(FRAMES), i], atol=1e-5)
    assert set(ARKIT_NAMES) <= set(seen["keys"].tolist())
    assert {"root", "neck", "jaw", "left_eye", "right_eye"} <= set(seen["bones"].tolist())
    used = {head.arrays.materials[m] for m in np.unique(head.arrays.face_material)}
    assert used == set(seen["materials"].tolist())
    assert len(seen["images"]) == 1
