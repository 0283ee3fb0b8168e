"""Peers that find the faces: warp gives the definition's bits, pytorch3d its faces but for slivers."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from flame_tools.errors import ShapeError
from render import interpolate, rasterize
from render.backends import chosen, found
from render.camera import portrait_camera, to_clip
from render.raster_torch import to_screen
from tests.render.test_raster import KINDS, ball, clip_of, random_mesh

GOLDEN = Path(__file__).parent / "golden" / "pytorch3d_faces.npz"
SIDE = 72


@cache
def need(name):
    if not found(name):
        pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize("kind", KINDS)
def test_warp_gives_the_bits_of_the_definition(kind):
    need("warp")
    for seed in range(8):
        rng = np.random.default_rng(seed)
        clip, faces = random_mesh(rng, 30, 40, kind)
        clip = torch.from_numpy(np.concatenate([clip, clip[:, ::-1]]))
        for size in ((50, 61), (1, 1)):
            fast = rasterize(clip, faces, size, backend="warp")
            plain = rasterize(clip, faces, size, backend="torch")
            assert all(torch.equal(getattr(fast, k), getattr(plain, k)) for k in ("face_id", "depth", "bary"))


def test_warp_carries_gradients_and_takes_nothing():
    need("warp")
    points, faces = ball()
    given = torch.from_numpy(to_clip(points, portrait_camera((40, 40), points)))[None]
    grads = []
    for backend in ("warp", "numba"):
        clip = given.clone().requires_grad_()
        interpolate(torch.from_numpy(points), faces, rasterize(clip, faces, (40, 40), backend=backend)).sum().backward()
        grads.append(clip.grad)
    torch.testing.assert_close(grads[0], grads[1], rtol=0, atol=1e-12)
    empty = rasterize(torch.zeros(2, 0, 4), np.zeros((0, 3), int), (3, 4), backend="warp")
    assert (empty.face_id == -1).all() and empty.bary.shape == (2, 3, 4, 3)
    assert rasterize(torch.zeros(0, 3, 4), np.array([[0, 1, 2]]), (3, 4), backend="warp").depth.shape == (0, 3, 4)


def poses(count):
    """A mesh with hidden parts, a ring of triangles down to a tenth of a pixel, from anywhere."""
    points, faces = ball(24, 36)
    points = points * (1 + 0.35 * np.sin(5 * points[:, :1] / 0.1) * np.cos(4 * points[:, 1:2] / 0.1))
    rng = np.random.default_rng(11)
    for _ in range(count):
        yaw, pitch, fov = rng.uniform(-180, 180), rng.uniform(-60, 60), rng.uniform(10, 70)
        camera = portrait_camera((SIDE, SIDE), points, yaw_deg=yaw, pitch_deg=pitch, fov_deg=fov)
        yield to_clip(points, camera)[None].astype(np.float32), faces


def is_sliver(clip, faces, face):
    """Less than 1e-6 of pytorch3d's square units: 1 % of the depth range is lifted over by its guard against zero."""
    a, b, c = to_screen(torch.from_numpy(clip[0]).double(), (SIDE, SIDE)).numpy()[faces[face], :2]
    return abs((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]) * (2 / SIDE) ** 2 < 1e-6


def assert_same_faces(clip, faces, wanted):
    found = rasterize(clip, faces, (SIDE, SIDE)).face_id[0].numpy()
    assert (found >= 0).mean() > 0.2
    differ = np.argwhere(found != wanted)
    assert len(differ) <= 2
    for y, x in differ:
        pair = [face for face in (found[y, x], wanted[y, x]) if face >= 0]
        assert any(is_sliver(clip, faces, face) for face in pair), (y, x, pair)


def test_faces_equal_those_that_pytorch3d_found():
    """Golden numbers of pytorch3d 0.7.9's CPU kernel."""
    with np.load(GOLDEN) as file:
        golden = file["face_id"]
    for (clip, faces), wanted in zip(poses(len(golden)), golden, strict=True):
        assert_same_faces(clip, faces, wanted)


def test_faces_equal_pytorch3ds_on_twenty_poses():
    need("pytorch3d")
    for clip, faces in poses(20):
        drawn = rasterize(clip, faces, (SIDE, SIDE), backend="pytorch3d")
        assert_same_faces(clip, faces, drawn.face_id[0].numpy())
        own = rasterize(clip, faces, (SIDE, SIDE))
        same = drawn.face_id == own.face_id
        torch.testing.assert_close(drawn.bary[same], own.bary[same], rtol=0, atol=1e-6)
        torch.testing.assert_close(drawn.depth[same], own.depth[same], rtol=0, atol=1e-6)
    clip = torch.from_numpy(clip_of([[-3, 2], [14, 1], [4, 30]], (20, 10), w=[1.0, 2.0, 1.5])).repeat(2, 1, 1)
    clip[1, 2] = torch.tensor([0.3, -4.0, -1.5, -0.5])  # behind the camera
    face = np.array([[0, 1, 2]])
    drawn, own = (rasterize(clip, face, (20, 10), backend=name) for name in ("pytorch3d", "numba"))
    assert float((drawn.face_id != own.face_id).double().mean()) < 0.01 and (own.face_id[1] >= 0).any()


def test_the_cpu_is_numbas_and_unknown_names_are_refused():
    assert chosen("auto", torch.device("cpu")) == "numba"
    assert chosen("auto", torch.device("cpu"), ("numba", "torch", "warp", "pytorch3d")) == "numba"
    assert chosen("auto", torch.device("cuda")) == "torch"
    with pytest.raises(ShapeError, match="on cuda; use backend='torch'"):
        chosen("numba", torch.device("cuda"))
    with pytest.raises(ShapeError, match="'gl' is unknown; wanted one of 'auto', 'numba', 'torch'"):
        chosen("gl", torch.device("cpu"))


@pytest.mark.parametrize("name", ["warp", "pytorch3d"])
def test_a_missing_peer_says_how_to_get_it(name, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, name if name == "warp" else "pytorch3d._C", None)
    with pytest.raises(ShapeError, match=rf"backend '{name}' needs {name}"):
        rasterize(np.zeros((1, 3, 4)), np.array([[0, 1, 2]]), (4, 4), backend=name)
