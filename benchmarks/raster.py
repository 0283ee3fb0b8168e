"""Forward rasterization and the default look, timed: python benchmarks/raster.py [--repeat N]

Prints one JSON object on its last line: milliseconds (median), and peer / ours ratios (above 1: the numba kernels are
faster). pytorch3d is timed where it is importable, else its ratio is null.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from render.camera import portrait_camera, to_clip
from render.raster import rasterize


def ball(rings: int = 50, spokes: int = 102, radius: float = 0.12) -> tuple[np.ndarray, np.ndarray]:
    """A closed head-sized mesh of 9,996 triangles."""
    theta, phi = np.meshgrid(
        np.linspace(0.01, np.pi - 0.01, rings), np.arange(spokes) * 2 * np.pi / spokes, indexing="ij"
    )
    points = np.stack([0.8 * np.sin(theta) * np.cos(phi), 1.1 * np.cos(theta), 0.9 * np.sin(theta) * np.sin(phi)], -1)
    i, j = (k.ravel() for k in np.meshgrid(np.arange(rings - 1), np.arange(spokes), indexing="ij"))
    here, right = i * spokes + j, i * spokes + (j + 1) % spokes
    upper, lower = np.stack([here, right, here + spokes], 1), np.stack([right, right + spokes, here + spokes], 1)
    return radius * points.reshape(-1, 3), np.concatenate([upper, lower]).astype(np.int32)


def milliseconds(function, repeat: int) -> float:
    """Median wall time of one call, after two calls to warm up."""
    times = []
    for k in range(repeat + 2):
        start = time.perf_counter()
        function()
        if k >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def time_pytorch3d(clip, faces, side, repeat) -> float | None:
    try:
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.structures import Meshes
    except ImportError:
        return None
    screen = clip[..., :3] / clip[..., 3:]
    screen = screen * torch.tensor([-1.0, 1.0, 1.0])  # pytorch3d's x points left
    meshes = Meshes(screen, torch.from_numpy(faces).long()[None])
    return milliseconds(lambda: rasterize_meshes(meshes, side, 0.0, 1), repeat)


def time_preview(repeat: int) -> dict[str, float | None]:
    from assets.errors import AssetError
    from flame_tools.load import load_head
    from render.preview import draw, head_bounds

    try:
        head = load_head()
    except AssetError:
        return {"preview_ms_512": None, "preview_first_s": None}
    vertices = head.arrays.v_template
    camera = portrait_camera((512, 512), head_bounds(head))
    start = time.perf_counter()
    draw(head, vertices, camera)
    first = time.perf_counter() - start
    return {"preview_ms_512": milliseconds(lambda: draw(head, vertices, camera), repeat), "preview_first_s": first}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=40)
    repeat = parser.parse_args().repeat
    torch.set_num_threads(1)
    points, faces = ball()
    figures: dict[str, float | int | None] = {"triangles": len(faces)}
    for side in (224, 512):
        camera = portrait_camera((side, side), points)
        clip = torch.from_numpy(to_clip(points.astype(np.float32), camera))[None]
        ours = milliseconds(lambda clip=clip, side=side: rasterize(clip, faces, (side, side), threads=1), repeat)
        plain = milliseconds(
            lambda clip=clip, side=side: rasterize(clip, faces, (side, side), backend="torch"), max(3, repeat // 8)
        )
        figures[f"numba_ms_{side}_b1"] = ours
        figures[f"torch_ms_{side}_b1"] = plain
        figures[f"ratio_torch_{side}_b1"] = plain / ours
        peer = time_pytorch3d(clip, faces, side, 3)
        figures[f"ratio_pytorch3d_{side}_b1"] = None if peer is None else peer / ours
    clip = clip.repeat(8, 1, 1)
    figures["numba_ms_512_b8_threads"] = milliseconds(lambda: rasterize(clip, faces, (512, 512)), max(5, repeat // 4))
    figures |= time_preview(max(5, repeat // 2))
    print(json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in figures.items()}))


if __name__ == "__main__":
    main()
