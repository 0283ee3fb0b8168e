"""Many at once: threads, forked workers, long sequences. Results stay equal and memory stays flat."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from flame_tools.types import Mesh
from render import antialias, interpolate, rasterize, texture
from render.camera import portrait_camera, to_clip
from tests.render.test_raster import ball

POINTS, FACES = ball(40, 60)
SIDE = 96


def fitting_step(yaw: float) -> torch.Tensor:
    """Everything that numba does, forward and backward: a picture's sum and the gradients, [.] float32."""
    clip = torch.from_numpy(to_clip(POINTS.astype(np.float32), portrait_camera((SIDE, SIDE), POINTS, yaw_deg=yaw)))
    clip = clip[None].requires_grad_()
    colours = torch.from_numpy(POINTS).float().requires_grad_()
    skin = torch.linspace(0, 1, 16 * 16 * 2).reshape(1, 16, 16, 2).requires_grad_()
    raster = rasterize(clip, FACES, (SIDE, SIDE), threads=2)
    read = interpolate(colours, FACES, raster)
    image = torch.cat([read, texture(skin, read[..., :2] * 5 + 0.5)], -1)
    smooth = antialias(image, raster, clip, FACES)
    (smooth * smooth).sum().backward()
    grads = [value.grad.flatten() for value in (clip, colours, skin)]
    return torch.cat([smooth.detach().flatten(), raster.depth.detach().clamp(max=2).flatten(), *grads])


class Views(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return fitting_step(10.0 * index)


def test_32_threads_at_once_give_what_one_gives():
    wanted = [fitting_step(10.0 * k) for k in range(8)]
    with ThreadPoolExecutor(32) as workers:
        found = list(workers.map(lambda k: fitting_step(10.0 * (k % 8)), range(64)))
    assert all(torch.equal(value, wanted[k % 8]) for k, value in enumerate(found))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_workers_of_a_data_loader_give_what_one_process_gives():
    wanted = [fitting_step(10.0 * k) for k in range(8)]  # the parent's pool has run: children must not wait for it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        loader = torch.utils.data.DataLoader(Views(), num_workers=2, multiprocessing_context="fork", timeout=60)
        found = [batch[0] for batch in loader]
    assert len(found) == 8
    for value, expected in zip(found, wanted, strict=True):
        assert torch.equal(value, expected)


def resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.long
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="resident memory is read from /proc")
def test_a_thousand_frames_take_no_more_memory_than_a_hundred():
    from render.preview import draw_frames

    mesh, camera = Mesh(POINTS, FACES), portrait_camera((64, 64), POINTS)

    def film(count):
        for picture in draw_frames(mesh, (POINTS for _ in range(count)), camera, supersample=1):
            assert picture.shape == (64, 64, 3)

    for yaw in range(60):
        fitting_step(yaw)
    film(100)
    before = resident_mb()
    film(1000)
    for yaw in range(300):
        fitting_step(yaw)
    assert resident_mb() - before < 12  # one frame too many a time would be 12 MB of pictures alone
