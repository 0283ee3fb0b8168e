"""Performances that turn every joint, move every lid and every component."""

import dataclasses

import numpy as np
import pytest
import torch

from flame_tools import Appearance, FaceParams, Head, HeadArrays, Track, load_head


def lively_track(head: Head, frames: int = 12, seed: int = 0, **more) -> Track:
    rng = torch.Generator().manual_seed(seed)

    def r(*size, scale=1.0):
        return scale * (2 * torch.rand(*size, generator=rng) - 1)

    params = FaceParams(
        shape=r(head.shape_size),
        expression=r(frames, head.expression_size, scale=0.3).abs(),
        global_rotation=r(frames, 3, scale=0.4),
        neck=r(frames, 3, scale=0.3),
        jaw=r(frames, 3, scale=0.2),
        eyes=r(frames, 2, 3, scale=0.4),
        eyelids=r(frames, 2).abs(),
        translation=r(frames, 3, scale=0.3),
    )
    return Track(head.arrays.id, params, np.arange(frames) / 30, fps=(30, 1), licences=("CC0-1.0",), **more)


def shapeless(arrays: HeadArrays) -> Head:
    """The head without components, lids and pose correctives: its joints alone move it."""
    return Head(
        dataclasses.replace(
            arrays,
            expression_names=(),
            expressiondirs=arrays.expressiondirs[..., :0],
            expression_bounds=arrays.expression_bounds[:0],
            expression_sd=arrays.expression_sd[:0],
            posedirs=np.zeros_like(arrays.posedirs),
            eyelid_vertices=arrays.eyelid_vertices[:0],
            eyelid_dirs=arrays.eyelid_dirs[:0],
            eyelid_shapedirs=arrays.eyelid_shapedirs[:0],
        )
    )


def assert_same_bytes_or_none(write, track: Track, broken: Track, head: Head, folder, error, match=None) -> None:
    """`track` is written alike twice; `broken` raises `error` and leaves nothing."""
    for name in "ab":
        write(track, head, folder / name)
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()
    with pytest.raises(error, match=match):
        write(broken, head, folder / "c")
    assert sorted(p.name for p in folder.iterdir()) == ["a", "b"]


@pytest.fixture(scope="session")
def default_head():
    return load_head()


@pytest.fixture
def albedo():
    return Appearance(albedo=np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8))
