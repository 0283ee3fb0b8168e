"""The temporal head: whole or in windows, at any rate, and nothing of it before it has learnt."""

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline

from assets.locate import asset_path
from flame_tools.arkit import to_params
from flame_tools.errors import FormatError, ShapeError
from recon.fitting.face_vector import face_vector
from recon.learned.regressed import base_of
from recon.learned.temporal import (
    Frames,
    Pooled,
    Temporal,
    TemporalConfig,
    bundled_temporal,
    load_temporal,
    reaching,
    refined,
    save_temporal,
    stands_for,
)
from recon.synthetic.random_expressions import random_weights

SIZES = TemporalConfig("default", 5, 9, width=16)


@pytest.fixture(scope="module")
def net():
    """One that does something, by chance."""
    torch.manual_seed(0)
    net = Temporal(SIZES).eval()
    for weight in net.parameters():
        torch.nn.init.normal_(weight, 0, 0.15)
    return net


def frames_at(times, *, of=SIZES, seed=0, weight=None) -> Frames:
    """Noise at times [T]."""
    rng, count = np.random.default_rng(seed), of.shape + of.moving
    told = [rng.normal(size=(len(times), n)) for n in (count, count, 3)]
    weight = stands_for(times) if weight is None else weight
    return Frames(torch.as_tensor(times), *(torch.as_tensor(v).float() for v in (weight, *told)))


def test_a_new_one_changes_nothing():
    frames = frames_at(np.arange(20) / 25)
    film = Pooled.of(frames)
    found = Temporal(SIZES).eval()(frames, film)
    assert torch.equal(found.moving, frames.face[:, 5:]) and torch.equal(found.moving_logvar, frames.logvar[:, 5:])
    precision = torch.exp(-frames.logvar[:, :5])
    torch.testing.assert_close(found.shape, (precision * frames.face[:, :5]).sum(0) / precision.sum(0))


def test_windows_are_the_whole(net):
    """Frames that come unevenly, with a gap."""
    times = np.cumsum(np.random.default_rng(1).uniform(0.01, 0.06, 300))
    times[150:] += 3.0
    frames = frames_at(times)
    parts = [frames.cut(slice(a, a + 100)) for a in (0, 100, 200)]
    film = Pooled.of(parts[0]) + Pooled.of(parts[1]) + Pooled.of(parts[2])
    with torch.no_grad():
        whole = net(frames, Pooled.of(frames))
    most = 0
    for start in range(0, 300, 37):
        rows = slice(start, min(start + 37, 300))
        reach = reaching(times, rows, net.config.reach_s)
        most = max(most, reach.stop - reach.start)
        found = refined(net, frames.cut(reach), film, reach, rows)
        torch.testing.assert_close(found.moving, whole.moving[rows], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.shape, whole.shape, atol=1e-5, rtol=1e-5)
    assert most < 200  # of 300
    short = slice(150, 187)
    less = slice(short.start, short.stop + 2)
    cut = refined(net, frames.cut(less), film, less, short)
    assert (cut.moving - whole.moving[short]).abs().max() > 1e-3  # it does look beyond


def test_frames_that_do_not_count_do_not_pull(net):
    times = np.arange(60) / 30
    weight = stands_for(times)
    weight[20:30] = 0
    one, other = frames_at(times, weight=weight), frames_at(times, weight=weight)
    other.face[20:30] += 50
    with torch.no_grad():
        a, b = (net(frames, Pooled.of(frames)).moving for frames in (one, other))
    seen = np.r_[:20, 30:60]
    assert torch.equal(a[seen], b[seen]) and torch.isfinite(b).all()


@pytest.mark.parametrize("seed", range(4))
def test_films_of_any_rate_give_the_same_motion(head, seed):
    """The bundled head, and a face that goes from one expression to another twice a second, at five rates and at
    uneven times."""
    net, scale = bundled_temporal(), base_of("default").scale
    rng = np.random.default_rng(seed)
    weights = torch.as_tensor(np.stack([random_weights(rng) for _ in range(2)])).to(head.v_template)
    shape = torch.as_tensor(0.5 * rng.normal(size=(1, head.shape_size))).to(head.v_template)
    ends = face_vector(to_params(weights, head).replace(shape=shape.repeat(2, 1)))
    one, other = scale(torch.as_tensor(ends).float()).numpy()
    phase = rng.uniform(0, 2 * np.pi, len(one))  # not all at once

    def motion(times):
        face = one + (other - one) * (0.5 + 0.5 * np.sin(4 * np.pi * times[:, None] + 0.3 * np.sin(phase)))
        turn = np.stack([0.1 * np.sin(times), 0.3 * np.cos(2 * times), 0 * times], 1)
        told = (face, np.full_like(face, -2.0), turn)
        frames = Frames(*(torch.as_tensor(v).float() for v in (times, stands_for(times), *told)))
        with torch.no_grad():
            return net(frames, Pooled.of(frames)).moving.numpy()

    at = np.arange(12, 37) / 12.0  # away from the ends
    wanted = motion(np.arange(0, 48 * 20) / 240)[(at * 240).round().astype(int)]
    uneven = np.sort(np.r_[np.arange(0, 96) / 24, rng.uniform(0, 4, 60)])
    uneven = uneven[np.r_[True, np.diff(uneven) > 1e-3]]
    spread = np.sqrt(((wanted - wanted.mean(0)) ** 2).mean())
    apart = {}
    for name, times in {**{fps: np.arange(0, 4 * fps) / fps for fps in (12, 24, 25, 30, 60)}, "uneven": uneven}.items():
        found = motion(times)
        curves = CubicSpline(times, found)(at)  # a straight line would cut peaks between frames
        apart[name] = float(np.sqrt(((curves - wanted) ** 2).mean()) / spread)
    coarse = [apart.pop(name) for name in (12, "uneven")]  # six frames a period, and gaps of two
    assert max(apart.values()) < 0.05 and max(coarse) < 0.1, (apart, coarse)


def test_the_file_is_the_network(net, tmp_path):
    save_temporal(net, tmp_path / "temporal.npz")
    kept, frames = load_temporal(tmp_path / "temporal.npz"), frames_at(np.arange(20) / 25)
    with torch.no_grad():
        a, b = (n(frames, Pooled.of(frames)).moving for n in (net, kept))
    torch.testing.assert_close(a, b, atol=0.02, rtol=0.02)  # half precision
    assert kept.config == SIZES and kept.name.startswith("recon-temporal ")
    (tmp_path / "temporal.npz").write_bytes(b"PK\3\4 no network")
    with pytest.raises(FormatError):
        load_temporal(tmp_path / "temporal.npz")
    assert asset_path("recon-temporal").stat().st_size < 1.5e6


def test_other_heads_parameters_are_refused(net):
    frames = frames_at(np.arange(4) / 25, of=TemporalConfig("other", 5, 4))
    with pytest.raises(ShapeError, match=r"tell 9 parameters, this head refines 5 \+ 9"):
        net(frames, Pooled.of(frames))


def test_frames_stand_for_the_time_around_them():
    np.testing.assert_allclose(stands_for(np.array([0, 0.02, 0.06, 5.0])), [0.02, 0.03, 0.07, 0.1])
    np.testing.assert_allclose(stands_for(np.array([3.0])), [0.1])
