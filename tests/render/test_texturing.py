"""Textures: values at texel centres, mip levels of a pixel's footprint, gradients."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.errors import ShapeError
from render import interpolate, mip_level, rasterize, texture
from tests.render.test_raster import clip_of

SQUARE = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
UV = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)  # row 0 at v = 1


def full_picture(size, w=1.0):
    height, width = size
    return torch.from_numpy(clip_of([[0, 0], [width, 0], [width, height], [0, height]], size, w=w))


def test_a_texture_of_the_pictures_size_is_the_picture():
    size = (6, 9)
    image = torch.rand(1, *size, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    clip = full_picture(size)
    raster = rasterize(clip, SQUARE, size)
    uv = interpolate(UV, SQUARE, raster)
    torch.testing.assert_close(texture(image, uv), image)
    level = mip_level(clip, SQUARE, UV, SQUARE, raster, size)
    torch.testing.assert_close(level, torch.zeros_like(level), atol=1e-9, rtol=0)
    torch.testing.assert_close(texture(image, uv, level=level), image)


def test_a_larger_texture_is_averaged_and_between_levels_blended():
    image = torch.rand(1, 64, 64, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for side, wanted in ((16, 2.0), (8, 3.0), (64 / 2**2.5, 2.5)):
        side = round(side)
        clip = full_picture((side, side))
        raster = rasterize(clip, SQUARE, (side, side))
        level = mip_level(clip, SQUARE, UV, SQUARE, raster, (64, 64))
        torch.testing.assert_close(level, torch.full_like(level, np.log2(64 / side)), atol=1e-9, rtol=0)
        found = texture(image, interpolate(UV, SQUARE, raster), level=level)
        if wanted == int(wanted):
            mean = torch.nn.functional.avg_pool2d(image.permute(0, 3, 1, 2), 64 // side).permute(0, 2, 3, 1)
            torch.testing.assert_close(found, mean)
        assert found.std() < image.std()


def test_levels_follow_perspective():
    """The far end of a floor spans more texels a pixel; checked against differences of uv."""
    size = (40, 40)
    clip = full_picture(size, w=[8.0, 8.0, 1.0, 1.0])
    raster = rasterize(clip, SQUARE, size)
    uv = interpolate(UV, SQUARE, raster)[0]
    level = mip_level(clip, SQUARE, UV, SQUARE, raster, (512, 512))[0]
    plain = mip_level(clip, SQUARE, UV, SQUARE, raster, (512, 512), backend="torch")[0]
    torch.testing.assert_close(level, plain, rtol=0, atol=1e-9)
    across = (uv[1:-1, 2:] - uv[1:-1, :-2]).norm(dim=-1) * 256
    down = (uv[2:, 1:-1] - uv[:-2, 1:-1]).norm(dim=-1) * 256
    wanted = torch.maximum(across, down).log2()
    ids = raster.face_id[0]
    same = (ids[1:-1, 2:] == ids[1:-1, :-2]) & (ids[2:, 1:-1] == ids[:-2, 1:-1]) & (wanted > 0)
    assert same.sum() > 900 and level[1].mean() > level[-2].mean() + 1
    assert float((level[1:-1, 1:-1] - wanted)[same].abs().max()) < 0.06  # differences are over two pixels; 0.04 seen


BACKENDS = ["numba", "torch"]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 12), columns=st.integers(1, 12), mips=st.booleans(),
       shared=st.booleans(), wide=st.booleans())  # fmt: skip
def test_numba_equals_its_definition(seed, rows, columns, mips, shared, wide):
    rng = np.random.default_rng(seed)
    dtype = torch.float64 if wide else torch.float32
    batch, size = 3, (5, 70)
    given = [
        rng.normal(size=(1 if shared else batch, rows * 4, columns * 4, 2)),
        rng.uniform(-0.2, 1.2, (batch, *size, 2)),
    ]
    given += [rng.uniform(-1, 5, (batch, *size))] if mips else []
    weights = torch.from_numpy(rng.normal(size=(batch, *size, 2))).to(dtype)
    outcomes = []
    for backend in BACKENDS:
        inputs = [torch.from_numpy(value).to(dtype).requires_grad_() for value in given]
        picture = texture(*inputs[:2], level=inputs[2] if mips else None, backend=backend)
        outcomes.append([picture.detach(), *torch.autograd.grad((picture * weights).sum(), inputs)])
    for found, wanted in zip(*outcomes, strict=True):
        assert found.dtype == wanted.dtype
        peak = max(1.0, float(wanted.abs().max()))
        if wide:
            assert float((found - wanted).abs().max()) < 1e-9 * peak
        else:  # where uv lies within rounding of a texel's centre, the sides of a kink may differ
            assert float(((found - wanted).abs() > 1e-4 * peak).double().mean()) < 2e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients(backend):
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.normal(size=(2, 8, 8, 2))).requires_grad_()
    uv = torch.from_numpy((rng.integers(0, 8, (2, 3, 4, 2)) + rng.uniform(0.6, 1.4, (2, 3, 4, 2))) / 8).requires_grad_()
    level = torch.from_numpy(rng.integers(0, 3, (2, 3, 4)) + rng.uniform(0.1, 0.9, (2, 3, 4))).requires_grad_()
    assert torch.autograd.gradcheck(partial(texture, backend=backend), (image, uv))
    assert torch.autograd.gradcheck(lambda i, v: texture(i, uv.detach(), level=v, backend=backend), (image, level))
    shared = image.detach()[:1].requires_grad_()
    assert torch.autograd.gradcheck(lambda i: texture(i, uv.detach(), backend=backend), (shared,))


@pytest.mark.parametrize("backend", BACKENDS)
def test_odd_sizes_and_nothing_at_all(backend):
    read = partial(texture, backend=backend)
    uv = torch.rand(1, 4, 5, 2)
    assert read(torch.rand(1, 7, 3, 3), uv, level=torch.full((1, 4, 5), 9.0)).shape == (1, 4, 5, 3)
    assert read(torch.rand(1, 7, 3, 0), uv).shape == (1, 4, 5, 0)
    assert read(torch.rand(1, 8, 8, 3), uv[:0], level=torch.zeros(0, 4, 5)).shape == (0, 4, 5, 3)
    far = torch.full((1, 1, 1, 2), 7.0)
    image = torch.rand(1, 4, 4, 3)
    assert torch.equal(read(image, far)[0, 0, 0], image[0, 0, -1])  # beyond the border: as it ends


def test_bad_input_is_named():
    uv = torch.rand(2, 4, 5, 2)
    with pytest.raises(ShapeError, match=r"texture is torch.uint8 \[1, 8, 8, 3\]"):
        texture(torch.zeros(1, 8, 8, 3, dtype=torch.uint8), uv)
    with pytest.raises(ShapeError, match=r"uv is \[2, 4, 5, 2\] for 3 textures"):
        texture(torch.zeros(3, 8, 8, 3), uv)
    with pytest.raises(ShapeError, match=r"level is \[2, 4\]"):
        texture(torch.zeros(1, 8, 8, 3), uv, level=torch.zeros(2, 4))
    with pytest.raises(ShapeError, match=r"\[1, 0, 8, 3\], wanted float32"):
        texture(torch.zeros(1, 0, 8, 3), uv)
    clip = full_picture((4, 4))
    raster = rasterize(clip, SQUARE, (4, 4))
    with pytest.raises(ShapeError, match="1 uv_faces for 2 faces"):
        mip_level(clip, SQUARE, UV, SQUARE[:1], raster, (8, 8))
