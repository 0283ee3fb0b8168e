"""The rasterizer, its gradients and the default look, timed: python benchmarks/raster.py [--repeat N]

Prints one JSON object on its last line: milliseconds a call (median) on one thread, and peer / ours ratios (above 1:
the numba kernels are faster). Keys end in the picture's side and the batch. `numba_ms` is `rasterize` alone, without
gradients; `numba_step_ms` is a fitting step: rasterize, interpolate three channels, antialias, and the gradients of
vertices and channels. pytorch3d's kernel is timed where it is importable (its step is the rasterizer's alone), else its
ratios are null. `silhouette_grad_corr` compares vertex gradients through all of it with central differences
of a loss supersampled 16 x 16, along 16 random deformations of the head; the worst of three views.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flame_tools.threads import default_threads
from render import antialias, interpolate, rasterize
from render.backends import found
from render.camera import portrait_camera, to_clip


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


def milliseconds(function, repeat: int, warm_up: int = 2) -> float:
    """Median wall time of one call, after some to warm up."""
    times = []
    for k in range(repeat + warm_up):
        start = time.perf_counter()
        function()
        if k >= warm_up:
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def step(clip, faces, side, colours, weights, backend="auto"):
    """Forward and backward: pixels with outlines, by vertices and their colours."""
    clip, colours = clip.clone().requires_grad_(), colours.clone().requires_grad_()
    raster = rasterize(clip, faces, (side, side), backend=backend)
    picture = interpolate(colours, faces, raster, backend=backend)
    antialias(picture, raster, clip, faces, backend=backend).backward(weights)


def time_pytorch3d(clip, faces, side, repeat) -> tuple[float | None, float | None]:
    """Milliseconds of one forward call of its kernel, and of a forward and backward."""
    if not found("pytorch3d"):
        return None, None
    from pytorch3d import _C

    ndc = clip[..., :3] / clip[..., 3:] * torch.tensor([-1.0, 1.0, 1.0])  # pytorch3d's x points left
    corners = ndc[:, torch.from_numpy(faces).long()].flatten(0, 1).contiguous()
    count = torch.tensor([len(faces)] * len(clip))
    none = torch.full((len(corners),), -1)

    def forward():
        return _C.rasterize_meshes(
            corners, count.cumsum(0) - count, count, none, (side, side), 0.0, 1, 0, 10_000, True, False, False
        )

    def both():
        seen, depth, bary, away = forward()
        ones = [torch.ones_like(x) for x in (depth, bary, away)]
        _C.rasterize_meshes_backward(corners, seen, *ones, True, False)

    return milliseconds(forward, repeat, 1), milliseconds(both, repeat, 0)


def time_preview(repeat: int) -> dict[str, float | None]:
    from assets.errors import AssetError
    from flame_tools.load import load_head
    from render.preview import draw, head_bounds

    try:
        head = load_head()
    except AssetError:
        return {"preview_ms_512": None, "preview_first_s": None, "film_10s_512_s": None}
    vertices = head.arrays.v_template
    camera = portrait_camera((512, 512), head_bounds(head))
    start = time.perf_counter()
    draw(head, vertices, camera)
    first = time.perf_counter() - start
    milli = milliseconds(lambda: draw(head, vertices, camera), repeat)
    return {"preview_ms_512": milli, "preview_first_s": first, "film_10s_512_s": time_film(head)}


def time_film(head, seconds: int = 10, fps: int = 30) -> float:
    """Seconds to draw and encode ten seconds of a moving head at 512 x 512, on every core."""
    import tempfile

    from flame_tools.types import FaceParams, Track
    from render.film import film
    from render.video import write_video

    frames = seconds * fps
    still = FaceParams.neutral(head)
    names = ("expression", "global_rotation", "neck", "jaw", "eyes", "eyelids", "translation")
    moving = {name: getattr(still, name).expand(frames, *getattr(still, name).shape) for name in names}
    sway = torch.sin(torch.arange(frames) / 5)[:, None]
    moving["jaw"] = 0.1 * (1 + sway) * torch.eye(3)[0]
    moving["neck"] = 0.2 * sway * torch.eye(3)[1]
    track = Track(head.arrays.id, still.replace(**moving), np.arange(frames) / fps, fps=(fps, 1))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_video(Path(folder) / "film.mp4", film(track, head, size=(512, 512)), fps)
        return time.perf_counter() - start


def outline_agreement(side: int = 224, step: float = 0.05) -> float | None:
    """Correlation of gradients with differences of a supersampled loss; the worst view."""
    from assets.errors import AssetError
    from flame_tools.load import load_head
    from render.preview import head_bounds

    try:
        head = load_head().arrays
    except AssetError:
        return None
    vertices = torch.from_numpy(head.v_template).double()
    fields = [deformation(head.v_template, seed) for seed in range(17)]
    colours = 0.5 + 150 * deformation(head.v_template, 99)

    def fine(points, yaw, samples=16):
        camera = portrait_camera((side * samples,) * 2, head_bounds(head), yaw_deg=yaw)
        raster = rasterize(to_clip(points, camera)[None], head.faces, camera.size)
        picture = interpolate(colours, head.faces, raster).permute(0, 3, 1, 2)
        return torch.nn.functional.avg_pool2d(picture, samples).permute(0, 2, 3, 1)

    worst = 1.0
    for yaw in (0, 30, 60):
        camera = portrait_camera((side, side), head_bounds(head), yaw_deg=yaw)
        target = fine(vertices + 2 * fields[16], yaw)

        def loss(points, yaw=yaw, target=target):
            return float(((fine(points, yaw) - target) ** 2).sum())

        wanted = [(loss(vertices + step * f) - loss(vertices - step * f)) / (2 * step) for f in fields[:16]]
        moved = vertices.clone().requires_grad_()
        clip = to_clip(moved, camera)[None]
        raster = rasterize(clip, head.faces, camera.size)
        picture = antialias(interpolate(colours, head.faces, raster), raster, clip, head.faces)
        ((picture - target) ** 2).sum().backward()
        found = [float((moved.grad * f).sum()) for f in fields[:16]]
        worst = min(worst, float(np.corrcoef(found, wanted)[0, 1]))
    return worst


def deformation(points: np.ndarray, seed: int, count: int = 6) -> torch.Tensor:
    """A smooth random field [V, 3] of about a millimetre and a half."""
    rng = np.random.default_rng(seed)
    waves, phase, size = rng.normal(0, 25, (count, 3)), rng.uniform(0, 2 * np.pi, count), rng.normal(0, 1, (count, 3))
    return torch.from_numpy(1e-3 * np.sin(points @ waves.T + phase) @ size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=40)
    repeat = parser.parse_args().repeat
    torch.set_num_threads(1)
    points, faces = ball()
    figures: dict[str, float | int | None] = {"triangles": len(faces)}
    generator = torch.Generator().manual_seed(0)
    colours = torch.rand(len(points), 3, generator=generator)
    for side in (224, 512):
        camera = portrait_camera((side, side), points)
        one = torch.from_numpy(to_clip(points.astype(np.float32), camera))[None]
        for batch in (1, 8, 32):
            clip, few, key = one.repeat(batch, 1, 1), max(3, repeat // batch), f"{side}_b{batch}"
            weights = torch.rand(batch, side, side, 3, generator=generator)
            drawing = partial(rasterize, clip, faces, (side, side))
            fitting = partial(step, clip, faces, side, colours, weights)
            figures[f"numba_ms_{key}"] = milliseconds(partial(drawing, threads=1), few)
            figures[f"numba_step_ms_{key}"] = milliseconds(fitting, few)
            if batch < 32:  # the definition's memory and patience
                plain = milliseconds(partial(drawing, backend="torch"), max(3, few // 8))
                figures[f"ratio_torch_{key}"] = plain / figures[f"numba_ms_{key}"]
            if batch == 1:
                plain = milliseconds(partial(fitting, "torch"), 3)
                figures[f"ratio_torch_step_{key}"] = plain / figures[f"numba_step_ms_{key}"]
                peer, peer_step = time_pytorch3d(clip, faces, side, 3)
                figures[f"ratio_pytorch3d_{key}"] = None if peer is None else peer / figures[f"numba_ms_{key}"]
                figures[f"ratio_pytorch3d_step_{key}"] = (
                    None if peer_step is None else peer_step / figures[f"numba_step_ms_{key}"]
                )
    clip = one.repeat(8, 1, 1)
    figures["numba_ms_512_b8_threads"] = milliseconds(
        lambda: rasterize(clip, faces, (512, 512), threads=default_threads()), max(5, repeat // 4)
    )
    figures["silhouette_grad_corr"] = outline_agreement()
    figures |= time_preview(max(5, repeat // 2))
    print(json.dumps({key: round(v, 4) if isinstance(v, float) else v for key, v in figures.items()}))


if __name__ == "__main__":
    main()
