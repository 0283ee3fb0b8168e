"""Outlines: numba against its definition, pictures against supersampled ones, gradients against differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.errors import ShapeError
from flame_tools.load import load_head
from render.antialiasing import antialias
from render.camera import portrait_camera, to_clip
from render.edges import edges_of
from render.preview import head_bounds
from render.raster import Raster, interpolate, rasterize
from tests.render.test_raster import KINDS, ball, clip_of, random_mesh


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 70), width=st.integers(1, 70), wide=st.booleans())
def test_numba_equals_its_definition(kind, seed, height, width, wide):
    rng = np.random.default_rng(seed)
    clip, faces = random_mesh(rng, 30, int(rng.integers(0, 40)), kind)
    dtype = torch.float64 if wide else torch.float32
    clip = torch.from_numpy(np.concatenate([clip, clip[:, ::-1]])).to(dtype)
    raster = rasterize(clip, faces, (height, width))
    image = torch.from_numpy(rng.normal(size=(2, height, width, 2))).to(dtype)
    weights = torch.from_numpy(rng.normal(size=image.shape)).to(dtype)
    outcomes = []
    for backend in ("torch", "numba"):
        inputs = [value.clone().requires_grad_() for value in (image, clip)]
        smooth = antialias(inputs[0], raster, inputs[1], faces, backend=backend)
        grads = torch.autograd.grad((smooth * weights).sum(), inputs, allow_unused=True)
        grads = [torch.zeros_like(x) if g is None else g for g, x in zip(grads, inputs, strict=True)]
        outcomes.append([smooth.detach(), *grads])
    # Sums of a few terms in another order, over corners of any depth; what reaches far out of the picture cancels.
    tolerance = 1e-9 if wide else 1e-4
    for wanted, found in zip(*outcomes, strict=True):
        assert torch.isfinite(wanted).all() and wanted.dtype == found.dtype
        assert float((wanted - found).abs().max()) <= tolerance * float(wanted.abs().max()) + 1e-12


def square(left, top, side, size, z=0.0):
    corners = [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]
    return torch.from_numpy(clip_of(corners, size, z=z))


SQUARE = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_a_square_covers_its_area_wherever_its_edges_lie():
    size = (12, 12)
    for left, top in ((2.0, 3.0), (2.3, 3.6), (2.45, 3.1), (2.9, 3.75)):
        clip = square(left, top, 5.2, size).requires_grad_()
        raster = rasterize(clip, SQUARE, size)
        smooth = antialias((raster.face_id >= 0).double()[..., None], raster, clip, SQUARE)
        assert smooth.min() >= 0 and smooth.max() <= 1
        # each side is right along its centres; only the four corners may differ, by less than a pixel each
        assert abs(float(smooth.detach().sum()) - 5.2**2) < 0.5
        wide = float(smooth[0, 6].detach().sum())
        assert abs(wide - 5.2) < 1e-4  # snapped to 6e-5 px


def test_moving_a_square_moves_its_rims():
    """The derivative of the covered area by one rim's place is the rim's length."""
    size = (16, 16)
    clip = square(3.3, 4.4, 7.0, size).requires_grad_()
    raster = rasterize(clip, SQUARE, size)
    antialias((raster.face_id >= 0).double()[..., None], raster, clip, SQUARE).sum().backward()
    pixels = clip.grad[0, :, :2] * 2 / 16  # by clip x, y with w = 1: half a picture a unit
    right, left = pixels[[1, 2], 0].sum(), pixels[[0, 3], 0].sum()
    up, down = pixels[[0, 1], 1].sum(), pixels[[2, 3], 1].sum()
    found = torch.stack([right, -left, up, -down])
    torch.testing.assert_close(found, torch.full((4,), 7.0, dtype=torch.float64), rtol=0, atol=1e-9)


def test_a_square_before_another_blends_with_it_and_a_hidden_one_does_not():
    size = (14, 14)
    near, far = square(3.3, 3.3, 6.0, size, z=-0.5), square(1.2, 1.2, 11.0, size, z=0.5)
    faces = np.concatenate([SQUARE, SQUARE + 4])
    clip = torch.cat([near, far], 1)
    raster = rasterize(clip, faces, size)
    colours = torch.tensor([[1.0]] * 4 + [[0.5]] * 4, dtype=torch.float64)
    row = antialias(interpolate(colours, faces, raster), raster, clip, faces)[0, 7, :, 0]
    torch.testing.assert_close(row[2:5], torch.tensor([0.5, 0.5 + 0.5 * 0.7, 1.0]).double(), rtol=0, atol=1e-4)
    behind = torch.cat([square(3.3, 3.3, 6.0, size, z=0.9), far], 1)
    raster = rasterize(behind, faces, size)
    picture = interpolate(colours, faces, raster)
    hidden = antialias(picture, raster, behind, faces)
    alone = Raster(raster.face_id, raster.bary, raster.depth)
    torch.testing.assert_close(hidden, antialias(picture, alone, far, SQUARE), rtol=0, atol=0)


def test_edges_inside_a_surface_change_nothing():
    points, faces = ball(20, 30)
    camera = portrait_camera((60, 60), points)
    clip = torch.from_numpy(to_clip(points, camera))[None]
    raster = rasterize(clip, faces, (60, 60))
    image = torch.rand(1, 60, 60, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    changed = (antialias(image, raster, clip, faces) != image)[0, ..., 0]
    seen = raster.face_id >= 0
    rim = torch.nn.functional.max_pool2d(seen[:, None].double(), 3, 1, 1) + torch.nn.functional.max_pool2d(
        1 - seen[:, None].double(), 3, 1, 1
    )
    assert changed.any() and not (changed & (rim[0, 0] < 2)).any()


def head_view(side, yaw):
    head = load_head().arrays
    camera = portrait_camera((side, side), head_bounds(head), yaw_deg=yaw)
    return head, camera


def drawn(vertices, colours, faces, bounds, side, yaw, samples):
    """Box-filtered from samples x samples a pixel."""
    camera = portrait_camera((side * samples,) * 2, bounds, yaw_deg=yaw)
    raster = rasterize(to_clip(vertices, camera)[None], faces, (side * samples,) * 2)
    picture = interpolate(colours, faces, raster).permute(0, 3, 1, 2)
    return torch.nn.functional.avg_pool2d(picture, samples).permute(0, 2, 3, 1)


def deformation(points, seed, count=6):
    """A smooth field [V, 3], about a millimetre and a half."""
    rng = np.random.default_rng(seed)
    waves, phase, size = rng.normal(0, 25, (count, 3)), rng.uniform(0, 2 * np.pi, count), rng.normal(0, 1, (count, 3))
    return torch.from_numpy(1e-3 * np.sin(points @ waves.T + phase) @ size)


@pytest.mark.parametrize(("yaw", "white"), [(25, False), (60, True)])
def test_gradients_of_the_head_agree_with_differences_of_a_supersampled_loss(yaw, white):
    """16 random deformations, triangles of about two pixels. Seen: 0.998 and 0.996; nvdiffrast's rule gives 0.77."""
    side, samples, step = 160, 4, 0.3
    head, camera = head_view(side, yaw)
    faces, bounds = head.faces, head_bounds(head)
    vertices = torch.from_numpy(head.v_template).double()
    rng = np.random.default_rng(0)
    colours = torch.ones(len(vertices), 1).double() if white else 0.5 + 150 * deformation(head.v_template, 7)
    target = drawn(vertices + 2 * deformation(head.v_template, 99), colours, faces, bounds, side, yaw, samples)
    fields = [deformation(head.v_template, int(seed)) for seed in rng.integers(1 << 30, size=16)]

    def loss(offset):
        return float(((drawn(vertices + offset, colours, faces, bounds, side, yaw, samples) - target) ** 2).sum())

    wanted = np.array([(loss(step * field) - loss(-step * field)) / (2 * step) for field in fields])
    moved = vertices.clone().requires_grad_()
    clip = to_clip(moved, camera)[None]
    raster = rasterize(clip, faces, (side, side))
    plain = interpolate(colours, faces, raster)
    smooth = antialias(plain, raster, clip, faces)
    ((smooth - target) ** 2).sum().backward()
    found = np.array([float((moved.grad * field).sum()) for field in fields])
    assert np.corrcoef(found, wanted)[0, 1] > 0.99
    assert abs(found @ wanted / (wanted @ wanted) - 1) < 0.08  # not only alike: as large
    fine = drawn(vertices, colours, faces, bounds, side, yaw, 8)
    assert ((smooth - fine) ** 2).mean() < 0.2 * ((plain - fine) ** 2).mean()  # 0.02 to 0.1 seen


def test_nothing_to_smooth():
    empty = torch.zeros(2, 0, 4)
    raster = rasterize(empty, np.zeros((0, 3), int), (5, 6))
    image = torch.rand(2, 5, 6, 3)
    for backend in ("numba", "torch"):
        assert torch.equal(antialias(image, raster, empty, np.zeros((0, 3), int), backend=backend), image)
    nobody = torch.zeros(0, 4, 4)
    raster = rasterize(nobody, SQUARE, (5, 6))
    assert antialias(image[:0], raster, nobody, SQUARE).shape == (0, 5, 6, 3)
    clip = square(1, 1, 3, (5, 6))
    raster = rasterize(clip, SQUARE, (5, 6))
    assert antialias(torch.zeros(1, 5, 6, 0), raster, clip, SQUARE).shape == (1, 5, 6, 0)


def test_bad_input_is_named():
    clip = square(1, 1, 3, (5, 6))
    raster = rasterize(clip, SQUARE, (5, 6))
    image = torch.zeros(1, 5, 6, 3)
    with pytest.raises(ShapeError, match=r"\[1, 6, 5, 3\], wanted float32 or float64 \[1, 5, 6, C\]"):
        antialias(image.transpose(1, 2), raster, clip, SQUARE)
    with pytest.raises(ShapeError, match="uint8"):
        antialias(image.byte(), raster, clip, SQUARE)
    with pytest.raises(ShapeError, match=r"verts_clip is \[4, 4\]"):
        antialias(image, raster, clip[0], SQUARE)
    with pytest.raises(ShapeError, match="0 to 3, but verts_clip has 3"):
        antialias(image, raster, clip[:, :3], SQUARE)
    with pytest.raises(ShapeError, match="to one device"):
        antialias(image.to("meta"), raster, clip, SQUARE)
    with pytest.raises(ShapeError, match="'warp' is unknown"):
        antialias(image, raster, clip, SQUARE, backend="warp")


def test_edges_of_a_mesh():
    faces = np.array([[0, 1, 2], [2, 1, 3], [3, 3, 4], [5, 6, 7], [5, 6, 8], [6, 5, 9]])
    edges = edges_of(faces)
    found = {tuple(ends): sorted(set(o)) for ends, o in zip(edges.ends.tolist(), edges.opposite.tolist(), strict=True)}
    assert found[1, 2] == [0, 3]  # shared by two
    assert found[0, 1] == [2] and found[1, 3] == [2]  # rims
    assert (5, 6) not in found and (3, 4) not in found  # of three faces; of a face without area
    assert len(found) == 5 + 6
    assert edges_of(faces.astype(np.int64)) is edges  # kept by content
    assert len(edges_of(np.zeros((0, 3), int)).ends) == 0
