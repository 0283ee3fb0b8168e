"""The rasterizer: numba against its definition in torch, coverage, depth order, clipping, threads and bad input."""

import os
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.errors import ShapeError
from render.camera import portrait_camera, to_clip
from render.raster import interpolate, rasterize


def clip_of(pixels, size, w=1.0, z=0.0):
    """Clip coordinates that land on the given pixels [V, 2]."""
    height, width = size
    pixels = np.asarray(pixels, np.float64)
    w = np.broadcast_to(w, len(pixels))
    ndc = np.stack([pixels[:, 0] / width * 2 - 1, 1 - pixels[:, 1] / height * 2, np.broadcast_to(z, len(pixels))], 1)
    return np.concatenate([ndc * w[:, None], w[:, None]], 1)[None]


def ball(rings=14, spokes=20, radius=0.1):
    theta, phi = np.meshgrid(
        np.linspace(0.02, np.pi - 0.02, rings), np.arange(spokes) * 2 * np.pi / spokes, indexing="ij"
    )
    points = radius * np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1)
    i, j = (k.ravel() for k in np.meshgrid(np.arange(rings - 1), np.arange(spokes), indexing="ij"))
    here, right = i * spokes + j, i * spokes + (j + 1) % spokes
    faces = np.concatenate(
        [np.stack([here, right, here + spokes], 1), np.stack([right, right + spokes, here + spokes], 1)]
    )
    return points.reshape(-1, 3), faces.astype(np.int32)


def random_mesh(rng, vertices, faces, kind):
    """Clip-space soup with awkward things in it: slivers, behind the camera, far outside, not finite."""
    points = rng.normal(0, 1, (vertices, 3)) * rng.choice([0.3, 1.0, 5.0])
    w = rng.uniform(0.5, 3, vertices)
    if kind == "behind":
        w = rng.uniform(-2, 2, vertices)
    if kind == "sliver":
        points[:, 1] = points[:, 0] * 0.7 + rng.normal(0, 1e-4, vertices)
    if kind == "grid":  # corners on pixel centres and edges through them
        points = np.round(points * 8) / 8
        w[:] = 1
    clip = np.concatenate([points * np.abs(w)[:, None], w[:, None]], 1)
    if kind == "huge":
        clip[:: max(1, vertices // 3), :2] *= 1e5
    if kind == "broken":
        clip[rng.integers(vertices, size=vertices // 4), rng.integers(4)] = rng.choice([np.nan, np.inf, -np.inf])
    return clip[None], rng.integers(0, vertices, (faces, 3)).astype(np.int32)


KINDS = ["plain", "behind", "sliver", "grid", "huge", "broken"]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), double=st.booleans(), height=st.integers(1, 70), width=st.integers(1, 70))
def test_numba_equals_its_definition(kind, seed, double, height, width):
    rng = np.random.default_rng(seed)
    clip, faces = random_mesh(rng, 30, int(rng.integers(0, 50)), kind)
    clip = torch.from_numpy(clip).to(torch.float64 if double else torch.float32)
    fast = rasterize(clip, faces, (height, width), backend="numba")
    plain = rasterize(clip, faces, (height, width), backend="torch")
    assert torch.equal(fast.face_id, plain.face_id)
    assert torch.equal(fast.depth, plain.depth)
    torch.testing.assert_close(fast.bary, plain.bary, rtol=0, atol=0)
    seen = fast.face_id >= 0
    assert torch.isfinite(fast.bary).all() and (fast.bary >= 0).all()
    torch.testing.assert_close(fast.bary.sum(-1)[seen], torch.ones_like(fast.depth[seen]), rtol=0, atol=1e-6)
    assert torch.isfinite(fast.depth[seen]).all() and (fast.depth[~seen] == torch.inf).all()


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_sliver_that_only_snapping_gives_an_area_has_even_weights(backend):
    """Three corners in one line, one behind the near plane: the cut, snapped, has a hair of area on a pixel centre."""
    clip = np.array([[[0.375, -0.625, -0.5, 1], [-0.375, -0.375, -1.125, 1], [-0.75, -0.25, -0.75, 1]]])
    raster = rasterize(clip, np.array([[0, 1, 2]]), (50, 9), backend=backend)
    assert int((raster.face_id >= 0).sum()) == 1
    np.testing.assert_allclose(raster.bary[raster.face_id >= 0], 1 / 3)


def test_twins_agree_on_a_ball_of_many_triangles_and_in_small_chunks():
    from render.raster_torch import draw_torch, rasterize_torch

    points, faces = ball(60, 80)
    camera = portrait_camera((300, 200), points)
    clip = torch.from_numpy(to_clip(points.astype(np.float32), camera))[None]
    fast = rasterize(clip, faces, (200, 300), backend="numba")
    chunked = partial(draw_torch, pairs=1000)
    face_id, bary, depth = rasterize_torch(clip, torch.from_numpy(faces), (200, 300), draw=chunked)
    assert torch.equal(fast.face_id, face_id) and torch.equal(fast.bary, bary) and torch.equal(fast.depth, depth)
    assert (fast.face_id >= 0).float().mean() > 0.3


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), grid=st.booleans(), double=st.booleans())
def test_shared_edges_neither_crack_nor_overlap(seed, grid, double):
    """A jittered lattice that fills the picture: drawn one by one, its triangles cover each pixel exactly once."""
    rng = np.random.default_rng(seed)
    size, cells, step = (38, 42), 8, 7.0
    pixels = np.stack(np.meshgrid(np.arange(cells + 1), np.arange(cells + 1)), -1).reshape(-1, 2) * step - 6
    pixels += rng.uniform(-0.2, 0.2, pixels.shape) * step  # less than a quarter of a cell: no triangle flips
    if grid:  # corners and edges on pixel centres
        pixels = np.round(pixels * 2) / 2
    clip = clip_of(pixels, size, w=rng.uniform(0.5, 2, len(pixels)))
    clip = clip if double else clip.astype(np.float32)
    faces = []
    for i in range(cells):
        for j in range(cells):
            a, b, c, d = (i * (cells + 1) + j + k for k in (0, 1, cells + 1, cells + 2))
            for face in ([a, b, d], [d, c, a]) if rng.integers(2) else ([a, b, c], [c, b, d]):
                faces.append(rng.permutation(face))  # winding must not matter
    alone = rasterize(clip[0, faces], np.array([[0, 1, 2]]), size).face_id  # [128, H, W]
    assert ((alone >= 0).sum(0) == 1).all()


def test_a_square_of_two_triangles_owns_its_top_and_left_edges():
    size = (8, 8)
    pixels = [[2.5, 2.5], [5.5, 2.5], [5.5, 5.5], [2.5, 5.5]]  # edges run through pixel centres
    face_id = rasterize(clip_of(pixels, size), np.array([[0, 1, 2], [0, 2, 3]], np.int32), size).face_id[0]
    wanted = torch.zeros(8, 8, dtype=torch.bool)
    wanted[2:5, 2:5] = True
    assert torch.equal(face_id >= 0, wanted)


def test_the_nearer_face_wins_and_the_lower_id_on_equal_depth():
    size = (16, 16)
    pixels = np.array([[1, 1], [15, 1], [1, 15]] * 3, float)
    clip = clip_of(pixels, size, z=np.repeat([0.2, -0.3, -0.3], 3))
    raster = rasterize(clip, np.array([[0, 1, 2], [6, 7, 8], [3, 4, 5]]), size)
    assert set(raster.face_id.unique().tolist()) == {-1, 1}
    np.testing.assert_allclose(raster.depth[raster.face_id >= 0], -0.3)


def test_barycentrics_are_perspective_correct():
    """Interpolated world positions project back onto their pixel centres."""
    points, faces = ball()
    camera = portrait_camera((90, 70), points, fov_deg=70, yaw_deg=20)
    raster = rasterize(to_clip(points, camera)[None], faces, (70, 90))
    seen = raster.face_id[0] >= 0
    world = interpolate(torch.from_numpy(points), torch.from_numpy(faces), raster)[0][seen]
    from render.camera import project

    pixels = project(world, camera)[:, :2]
    y, x = torch.where(seen)
    torch.testing.assert_close(pixels, torch.stack([x, y], 1).double() + 0.5, rtol=0, atol=1e-3)  # snapped to 6e-5 px


def test_faces_that_cross_the_near_plane_are_cut_there():
    """A floor runs from far in front to behind the camera: every pixel below the horizon sees it."""
    floor = np.array([[-50, -1, -90], [50, -1, -90], [50, -1, 50], [-50, -1, 50.0]])
    from flame_tools.types import Camera

    camera = Camera(np.array([40.0, 40.0]), np.array([32.0, 24.0]), (64, 48))
    clip = to_clip(floor, camera, near=0.01, far=200)[None]
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    raster = rasterize(clip, faces, (48, 64))
    rows = (raster.face_id[0] >= 0).float().mean(1)
    assert (rows[:24] == 0).all() and (rows[26:] == 1).all()
    world = interpolate(torch.from_numpy(floor), torch.from_numpy(faces), raster)[0]
    seen = raster.face_id[0] >= 0
    y = torch.arange(48)[:, None].expand(48, 64)[seen] + 0.5
    torch.testing.assert_close(world[seen][:, 2], -40.0 / (y - 24.0).double(), rtol=1e-6, atol=1e-6)
    behind = to_clip(floor - [0, 0, -60], camera)[None]
    behind[..., 3] = -np.abs(behind[..., 3])
    assert (rasterize(behind, faces, (48, 64)).face_id == -1).all()


def test_threads_and_batch_change_nothing():
    points, faces = ball(30, 40)
    views = [portrait_camera((120, 130), points, yaw_deg=y) for y in (0, 40, 170)]
    clip = np.stack([to_clip(points.astype(np.float32), view) for view in views])
    one = rasterize(clip, faces, (130, 120), threads=1)
    many = rasterize(clip, faces, (130, 120), threads=5)
    for name in ("face_id", "bary", "depth"):
        assert torch.equal(getattr(one, name), getattr(many, name))
        alone = rasterize(clip[1:2], faces, (130, 120))
        assert torch.equal(getattr(alone, name)[0], getattr(one, name)[1])


def test_many_python_threads_may_draw_at_once():
    from concurrent.futures import ThreadPoolExecutor

    points, faces = ball(30, 40)
    clips = [to_clip(points, portrait_camera((100, 100), points, yaw_deg=y))[None] for y in range(0, 80, 10)]
    wanted = [rasterize(clip, faces, (100, 100), threads=1).face_id for clip in clips]
    with ThreadPoolExecutor(8) as workers:
        found = list(workers.map(lambda clip: rasterize(clip, faces, (100, 100), threads=2).face_id, clips * 4))
    assert all(torch.equal(a, b) for a, b in zip(found, wanted * 4, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_draws_with_threads_of_its_own():
    points, faces = ball()
    clip = to_clip(points, portrait_camera((64, 64), points))[None]
    wanted = int(rasterize(clip, faces, (64, 64), threads=2).face_id.sum())
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        import signal

        signal.alarm(60)  # a deadlock ends as a failure
        os.write(write, str(int(rasterize(clip, faces, (64, 64), threads=2).face_id.sum())).encode())
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(child, 0)
    answer = os.read(read, 100)
    os.close(read)
    assert status == 0 and int(answer) == wanted


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_nothing_to_draw_is_an_empty_picture(backend):
    size = (5, 7)
    for clip, faces in [
        (np.zeros((2, 0, 4)), np.zeros((0, 3), int)),
        (np.zeros((2, 3, 4)), np.array([[0, 1, 2]])),  # w = 0
        (np.full((2, 3, 4), np.nan), np.array([[0, 1, 2]])),
        (clip_of([[1, 1], [3, 3], [5, 5]], size).repeat(2, 0), np.array([[0, 1, 2], [0, 0, 1]])),  # no area
        (clip_of([[100, 100], [130, 100], [100, 130]], size).repeat(2, 0), np.array([[0, 1, 2]])),  # outside
    ]:
        raster = rasterize(clip, faces, size, backend=backend)
        assert raster.face_id.shape == (2, 5, 7) and (raster.face_id == -1).all()
        assert (raster.bary == 0).all() and (raster.depth == torch.inf).all()
    raster = rasterize(np.zeros((0, 4, 4)), np.array([[0, 1, 2]]), size, backend=backend)
    assert raster.face_id.shape == (0, 5, 7) and raster.bary.shape == (0, 5, 7, 3)


def test_bad_input_is_named():
    clip, faces = np.zeros((1, 3, 4)), np.array([[0, 1, 2]])
    with pytest.raises(ShapeError, match=r"\[3, 4\]"):
        rasterize(clip[0], faces, (4, 4))
    with pytest.raises(ShapeError, match="float16"):
        rasterize(clip.astype(np.float16), faces, (4, 4))
    with pytest.raises(ShapeError, match="0 to 3, but verts_clip has 3"):
        rasterize(clip, faces + np.array([0, 0, 1]), (4, 4))
    with pytest.raises(ShapeError, match="-1"):
        rasterize(clip, faces - 1, (4, 4))
    with pytest.raises(ShapeError, match="float64"):
        rasterize(clip, faces * 1.0, (4, 4))
    with pytest.raises(ShapeError, match="0 x 4"):
        rasterize(clip, faces, (0, 4))
    with pytest.raises(ShapeError, match="whole pixels"):
        rasterize(clip, faces, (4.5, 4))
    with pytest.raises(ShapeError, match="backend 'gl'"):
        rasterize(clip, faces, (4, 4), backend="gl")


def test_interpolation_carries_gradients_to_attributes():
    points, faces = ball(5, 6)
    raster = rasterize(to_clip(points, portrait_camera((9, 9), points))[None], faces, (9, 9))
    attributes = torch.randn(1, len(points), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    attributes.requires_grad_()
    assert torch.autograd.gradcheck(lambda a: interpolate(a, torch.from_numpy(faces), raster), (attributes,))
