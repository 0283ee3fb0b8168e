"""Blender plays our MDD and PC2 on the OBJ it imported from us, and finds our vertices."""

import subprocess
from pathlib import Path

import numpy as np

from flame_tools import load_head
from flame_tools.export import write_obj_sequence
from flame_tools.export.pointcache import write_mdd, write_pc2
from flame_tools.posing import at_frames, posed_frames
from tests.interchange.test_blender_glb import BLENDER, FRAMES, needs_blender, performance


@needs_blender
def test_blender_plays_our_caches(tmp_path):
    head = load_head()
    track = performance(head)
    write_obj_sequence(at_frames(track, [0]), head, tmp_path / "seq")
    caches = tmp_path / "x.mdd", tmp_path / "x.pc2"
    write_mdd(track, head, caches[0])
    write_pc2(track, head, caches[1])
    done = subprocess.run(
        [BLENDER, "-b", "--factory-startup", "--python-exit-code", "1", "--python",
         Path(__file__).with_name("blender_caches.py"), "--", tmp_path / "seq" / "frame_0001.obj",
         tmp_path / "seen.npz", "30", " ".join(map(str, FRAMES)), *caches],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    seen = np.load(tmp_path / "seen.npz")
    ours = np.stack(list(posed_frames(track, head)))[list(FRAMES)]
    x, y, z = np.moveaxis(ours, -1, 0)
    wanted = np.stack([x, -z, y], -1)  # Blender: z up, -y out of the face
    assert seen["rest"].shape == wanted[0].shape  # the OBJ came in with every vertex, in our order
    assert np.abs(seen["rest"] - wanted[0]).max() < 1e-4
    assert np.abs(wanted - wanted[0]).max() > 0.05  # the performance moves far more than the tolerance
    for kind in ("MDD", "PC2"):
        apart = np.linalg.norm(seen[kind] - wanted, axis=-1).max()
        assert apart < 1e-4, f"{kind}: {1000 * apart:.4f} mm"
    assert np.linalg.norm(seen["MDD_at_time"] - wanted[-1], axis=-1).max() < 1e-4
