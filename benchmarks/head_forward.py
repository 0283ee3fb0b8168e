"""Posing a FLAME-sized head, beside smplx and body-models: python benchmarks/head_forward.py [--repeat N]

Random arrays of FLAME's size (5023 vertices, 9976 triangles, 300 identity and 100 expression components, 36 pose
correctives), the same in every model, one person in B poses and expressions. Every model is timed once in each round,
in an order drawn anew, and medians are compared, so that a busy machine is busy for all.

Prints one JSON object on its last line. Ratios are peer / ours (above 1: ours is faster), with
b1, b8, b64, b256 faces, 1t and 2t threads, forward (fwd) and forward with gradients of all parameters (fwdbwd):

    ratio_smplx_*              smplx as published / our head with the identity baked
    ratio_smplx_unbaked_*      smplx as published / our head with an identity a face
    ratio_smplx_cached_*       smplx with its shaped vertices cached, expression alone left / our baked head
    ratio_body_models_*        body-models, which prepares identity and expression in one / our baked head
    ratio_body_models_still_*  body-models with both prepared: only the pose moves / our baked head, which still
                               computes its expression
    ms_*                       milliseconds of each
    max_error_m                largest distance from smplx's coordinates in float32; max_error_float64_m in float64
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flame_tools import FaceParams, Head, HeadArrays
from tests.flame_tools.flame_shaped import flame_shaped, write_for_smplx

BATCHES = (1, 8, 64, 256)
Poser = Callable[[FaceParams], torch.Tensor]  # parameters of B people alike -> vertices [B, V, 3]


def people(head: Head, batch: int) -> FaceParams:
    """One person in `batch` poses, the identity repeated."""
    generator = torch.Generator().manual_seed(batch)
    params = FaceParams.neutral(head, batch).map(
        lambda zero: torch.randn(zero.shape, generator=generator, dtype=torch.float64).to(zero) * 0.3
    )
    return params.replace(
        shape=params.shape[:1].repeat(batch, 1),
        eyelids=torch.zeros_like(params.eyelids),
        translation=torch.zeros_like(params.translation),
    )


def smplx_poser(folder: str, shapes: int, dtype: torch.dtype = torch.float32) -> tuple[Poser, torch.nn.Module]:
    import smplx

    options = {"num_betas": shapes, "num_expression_coeffs": 100, "ext": "npz", "dtype": dtype}
    model = smplx.FLAME(folder, **options)

    def pose(p: FaceParams) -> torch.Tensor:
        return model(
            betas=p.shape[:, :shapes], expression=p.expression, global_orient=p.global_rotation, neck_pose=p.neck,
            jaw_pose=p.jaw, leye_pose=p.eyes[:, 0], reye_pose=p.eyes[:, 1], transl=p.translation,
        ).vertices  # fmt: skip

    return pose, model


def body_models_posers(folder: str, shape: torch.Tensor) -> dict[str, Poser]:
    """body-models' FLAME, preparing identity and expression in each call, and with both prepared once."""
    try:
        from body_models.flame.torch import FLAME
    except ImportError:
        return {}
    model = FLAME(model_path=Path(folder) / "FLAME_NEUTRAL.npz")
    prepared = model.prepare_identity(shape, shape.new_zeros(100))

    def pose(p: FaceParams, identity) -> torch.Tensor:
        turns = torch.cat([p.neck[:, None], p.jaw[:, None], p.eyes], 1)
        return model.forward_vertices(turns, head_rotation=p.global_rotation, identity=identity)

    return {
        "body_models": lambda p: pose(p, model.prepare_identity(p.shape, p.expression)),
        "body_models_still": lambda p: pose(p, prepared),
    }


def posers(arrays: HeadArrays, folder: str, shape: torch.Tensor) -> dict[str, Poser]:
    head = Head(arrays)
    baked = head.bake(shape)
    published, _ = smplx_poser(folder, 300)
    cached, model = smplx_poser(folder, 0)
    model.v_template = baked.v_template.clone()
    return {
        "ours": baked.vertices,
        "ours_unbaked": head.vertices,
        "smplx": published,
        "smplx_cached": cached,
        **body_models_posers(folder, shape),
    }


def with_gradients(pose: Poser, params: FaceParams) -> Callable[[], object]:
    """One forward and backward pass to every parameter."""
    leaves = params.map(lambda tensor: tensor.clone().requires_grad_())
    tensors = [getattr(leaves, f.name) for f in dataclasses.fields(leaves)]
    weight = torch.randn(pose(params).shape)

    def call():
        return torch.autograd.grad((pose(leaves) * weight).sum(), tensors, allow_unused=True)

    return call


def without_gradients(pose: Poser, params: FaceParams) -> Callable[[], object]:
    return torch.no_grad()(lambda: pose(params))


def interleaved_ms(calls: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Median milliseconds of each call over `repeat` rounds, after two to warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    order = random.Random(repeat)
    for turn in range(repeat + 2):
        for name in order.sample(list(calls), len(calls)):
            start = time.perf_counter()
            calls[name]()
            if turn >= 2:
                times[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def compare(all_posers: dict[str, Poser], params: FaceParams, key: str, repeat: int) -> dict[str, float]:
    figures = {}
    for kind, prepare, rounds in (("fwd", without_gradients, repeat), ("fwdbwd", with_gradients, max(5, repeat // 3))):
        ms = interleaved_ms({name: prepare(pose, params) for name, pose in all_posers.items()}, rounds)
        for name, value in ms.items():
            figures[f"ms_{name}_{kind}_{key}"] = value
            if not name.startswith("ours"):
                figures[f"ratio_{name}_{kind}_{key}"] = value / ms["ours"]
        figures[f"ratio_smplx_unbaked_{kind}_{key}"] = ms["smplx"] / ms["ours_unbaked"]
    return figures


@torch.no_grad()
def largest_error(arrays: HeadArrays, folder: str, dtype: torch.dtype) -> float:
    """Largest distance of a coordinate in metres between ours, baked and not, and smplx's."""
    head = Head(arrays, dtype=dtype)
    theirs, _ = smplx_poser(folder, 300, dtype)
    params = [people(head, batch) for batch in BATCHES]
    ours = [
        (pose(p) - theirs(p)).abs().max() for p in params for pose in (head.vertices, head.bake(p.shape[0]).vertices)
    ]
    return float(max(ours))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    arrays = flame_shaped()
    figures: dict[str, float | int] = {"vertices": len(arrays.v_template), "components": 400}
    with tempfile.TemporaryDirectory() as folder:
        write_for_smplx(Path(folder), arrays)
        for threads in options.threads:
            torch.set_num_threads(threads)
            for batch in BATCHES:
                params = people(Head(arrays), batch)
                key = f"b{batch}_{threads}t"
                figures |= compare(posers(arrays, folder, params.shape[0]), params, key, options.repeat)
                print(key, {k: round(v, 2) for k, v in figures.items() if k.endswith(key)}, file=sys.stderr)
        figures["max_error_m"] = largest_error(arrays, folder, torch.float32)
        figures["max_error_float64_m"] = largest_error(arrays, folder, torch.float64)
    print(json.dumps({key: float(f"{value:.4g}") for key, value in figures.items()}))


if __name__ == "__main__":
    main()
