"""Which code draws: numba on the CPU; on CUDA pytorch3d where it can be imported, else warp, else plain torch.

Only finding the seen face differs; gradients are the same everywhere. pytorch3d is never chosen on the CPU, where it
is a thousand times slower than numba.
"""

from __future__ import annotations

import importlib

import torch

from flame_tools.errors import ShapeError

DRAWING = ("numba", "torch", "warp", "pytorch3d")
READING = ("numba", "torch")


def chosen(backend: str, device: torch.device, among: tuple[str, ...] = READING) -> str:
    """The backend that a name ("auto" among them) stands for on a device."""
    if backend == "auto":
        if device.type == "cpu":
            return "numba"
        extra = [name for name in ("pytorch3d", "warp") if device.type == "cuda" and name in among and found(name)]
        return (extra or ["torch"])[0]
    if backend not in among:
        names = ", ".join(repr(name) for name in ("auto", *among))
        raise ShapeError(f"backend {backend!r} is unknown; wanted one of {names}")
    if backend == "numba" and device.type != "cpu":
        raise ShapeError(f"backend 'numba' works on the CPU, but the tensors are on {device}; use backend='torch'")
    if backend == "warp" and not found("warp"):
        raise ShapeError("backend 'warp' needs warp-lang: pip install 'emberface[warp]'")
    if backend == "pytorch3d" and not found("pytorch3d"):
        raise ShapeError("backend 'pytorch3d' needs pytorch3d, built for this torch; docs/render.md says how")
    return backend


def drawing(backend: str):
    """The function that finds faces: (clip [B, V, 4] float64, faces [F, 3], size) -> depth and face_id [B, H, W]."""
    if backend == "warp":
        from render.raster_warp import draw_warp

        return draw_warp
    if backend == "pytorch3d":
        from render.raster_pytorch3d import draw_pytorch3d

        return draw_pytorch3d
    from render.raster_torch import draw_torch

    return draw_torch


def found(name: str) -> bool:
    """Whether a peer's package can be imported."""
    try:
        importlib.import_module("pytorch3d._C" if name == "pytorch3d" else name)
    except (ImportError, OSError):
        return False
    return True
