"""Gradients of the rasterizer and of interpolation: numba against autograd of the definition, and both against
differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from render.camera import portrait_camera, to_clip
from render.raster import Raster, interpolate, rasterize
from tests.render.test_raster import KINDS, ball, clip_of, random_mesh


def gradients(clip, faces, size, attributes, weights, backend, dtype):
    """Of a weighted sum of depth and of interpolated attributes: by clip and by attributes."""
    clip, attributes = (value.to(dtype).requires_grad_() for value in (clip, attributes))
    raster = rasterize(clip, faces, size, backend=backend)
    picture = interpolate(attributes, faces, raster, backend=backend)
    seen = raster.face_id >= 0
    value = (picture * weights[..., :-1].to(dtype)).sum() + (raster.depth * weights[..., -1].to(dtype))[seen].sum()
    return [torch.zeros_like(x) if g is None else g for x, g in zip(
        (clip, attributes), torch.autograd.grad(value, (clip, attributes), allow_unused=True), strict=True
    )]  # fmt: skip


def assert_same(found, wanted, tolerance):
    peak = float(wanted.abs().max())
    assert torch.isfinite(wanted).all() and torch.isfinite(found).all()
    assert float((found - wanted).abs().max()) <= tolerance * peak + 1e-12


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 150), width=st.integers(1, 50))
def test_gradients_by_hand_equal_autograd_of_the_definition(kind, seed, height, width):
    rng = np.random.default_rng(seed)
    clip, faces = random_mesh(rng, 30, int(rng.integers(0, 50)), kind)
    clip = torch.from_numpy(np.concatenate([clip, clip[:, ::-1]])).clone()
    attributes = torch.from_numpy(rng.normal(size=(2, 30, 2)))
    weights = torch.from_numpy(rng.normal(size=(2, height, width, 3)))
    wanted = gradients(clip, faces, (height, width), attributes, weights, "torch", torch.float64)
    found = gradients(clip, faces, (height, width), attributes, weights, "numba", torch.float64)
    for f, w in zip(found, wanted, strict=True):
        assert_same(f, w, 1e-9)  # the same sums in another order


def head_like(dtype=torch.float64):
    points, faces = ball(40, 60)
    views = [portrait_camera((96, 130), points, yaw_deg=yaw) for yaw in (10, 130)]
    return torch.from_numpy(np.stack([to_clip(points, view) for view in views])).to(dtype), faces


def test_float32_gradients_stay_within_a_hundred_thousandth_of_the_peak():
    clip, faces = head_like()
    rng = np.random.default_rng(3)
    attributes = torch.from_numpy(rng.normal(size=(clip.shape[1], 3)))
    weights = torch.from_numpy(rng.normal(size=(2, 130, 96, 4)))
    # the same corners in both: what float32 cannot hold is no error of the gradient
    clip = clip.float().double()
    for shared in (True, False):
        values = attributes if shared else attributes.expand(2, -1, -1)
        wanted = gradients(clip, faces, (130, 96), values, weights, "torch", torch.float64)
        found = gradients(clip, faces, (130, 96), values, weights, "numba", torch.float32)
        for f, w in zip(found, wanted, strict=True):
            assert f.dtype == torch.float32
            assert_same(f.double(), w, 1e-5)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_gradients_equal_differences(backend):
    """Inside faces, corners off the picture and behind the camera too; with seams of faces kept off pixel centres."""
    size = (12, 13)
    rng = np.random.default_rng(5)
    clip = np.concatenate(
        [
            clip_of([[-2.1, -3.2], [17.3, -2.2], [4.1, 24.7]], size, w=[1.0, 2.0, 1.5], z=[0.1, 0.3, 0.2]),
            clip_of([[-2.1, -3.2], [17.3, -2.2], [4.1, 24.7]], size, w=[1.0, 2.0, 1.5], z=[0.1, 0.3, 0.2]),
        ]
    )
    clip[1, 2] = [0.3, -4.0, -1.5, -0.5]  # behind the camera: the face is cut
    faces = np.array([[0, 1, 2]])
    assert all((ids >= 0).sum() > 40 for ids in rasterize(clip, faces, size).face_id)
    mask = rasterize(clip, faces, size).face_id >= 0
    inner = -torch.nn.functional.max_pool2d(-mask[:, None].double(), 3, 1, 1)[:, 0]  # away from outlines

    def read(clip, attributes):
        raster = rasterize(clip, faces, size, backend=backend)
        depth = torch.where(inner > 0, raster.depth, 0.0)
        return interpolate(attributes, faces, raster, backend=backend) * inner[..., None], depth

    inputs = (torch.from_numpy(clip).requires_grad_(), torch.from_numpy(rng.normal(size=(3, 2))).requires_grad_())
    # depth is read off corners snapped to 1/16384 px: differences need a step beyond that
    assert torch.autograd.gradcheck(read, inputs, eps=1e-3, atol=2e-3, rtol=2e-3)


def test_barycentrics_pass_gradcheck():
    clip, faces = head_like()
    raster = rasterize(clip, faces, (130, 96))
    y, x = 60, 40
    face = torch.from_numpy(faces)[int(raster.face_id[0, y, x])].long()
    corners = clip[:1, face].requires_grad_()

    def at_pixel(corners):
        return rasterize(corners, np.array([[0, 1, 2]]), (130, 96)).bary[0, y, x]

    assert torch.autograd.gradcheck(at_pixel, (corners,), eps=1e-7, atol=1e-5, rtol=1e-5)


def test_interpolation_passes_gradcheck():
    clip, faces = head_like()
    raster = rasterize(clip[:, :, :], faces, (9, 7))
    rng = np.random.default_rng(1)
    bary = raster.bary.clone().requires_grad_()
    for shape in ((clip.shape[1], 2), (2, clip.shape[1], 2)):
        attributes = torch.from_numpy(rng.normal(size=shape)).requires_grad_()
        few = torch.arange(0, clip.shape[1], 97)

        def read(some, bary, attributes=attributes, few=few):
            values = attributes.detach().index_copy(-2, few, some)
            return interpolate(values, faces, Raster(raster.face_id, bary, raster.depth))

        some = attributes.detach()[..., few, :].clone().requires_grad_()
        assert torch.autograd.gradcheck(read, (some, bary), atol=1e-6)


def test_threads_change_no_bit_of_a_gradient():
    clip, faces = head_like()
    weights = torch.randn(2, 130, 96, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = []
    for threads in (1, 2, 5):
        moved = clip.clone().requires_grad_()
        (rasterize(moved, faces, (130, 96), threads=threads).bary * weights).sum().backward()
        found.append(moved.grad)
    alone = clip[1:].clone().requires_grad_()
    (rasterize(alone, faces, (130, 96)).bary * weights[1:]).sum().backward()
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
    assert torch.equal(alone.grad[0], found[0][1])


def test_no_gradient_is_kept_where_none_is_asked_for():
    clip, faces = head_like()
    raster = rasterize(clip, faces, (20, 20))
    assert not raster.bary.requires_grad and not raster.depth.requires_grad
    with torch.no_grad():
        assert not rasterize(clip.requires_grad_(), faces, (20, 20)).bary.requires_grad
    assert not rasterize(clip, faces, (20, 20)).face_id.requires_grad
