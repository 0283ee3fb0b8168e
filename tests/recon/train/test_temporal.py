"""The temporal head learns from films that are numbers alone, and goes on where it stopped; made films are sound."""

import dataclasses
import json
from functools import partial

import numpy as np
import pytest
import torch

import emberface_cli
from flame_tools.errors import InputError
from flame_tools.types import FaceParams, Track
from learning import processes
from learning.run import RunConfig
from recon.learned.mirror import Mirror
from recon.learned.regressed import base_of
from recon.learned.temporal import Frames, Pooled, load_temporal
from recon.synthetic import sequences as sequences_module
from recon.synthetic.performed import blinks, grimacing, spoken
from recon.synthetic.sequences import Sequences, made_sequences, read_sequences
from recon.train.temporal import (
    Films,
    TemporalTraining,
    Travel,
    losses,
    measured,
    mirrored,
    started,
    thinned,
    train_on,
    weights,
)  # fmt: skip
from tests.recon.train.resumed import check_goes_on

RUN = RunConfig(steps=40, warm=5, decay=20, rate=1e-2, average=0.8, save_every_s=1e9, sheet_every=0)
SMALL = TemporalTraining(batch=8, network={"width": 16, "layers": 1, "dropout": 0.0}, run=RUN)


@pytest.fixture(scope="module")
def scale():
    return base_of("default").scale


@pytest.fixture(scope="module")
def films(head):
    """Sixteen people who sway at 1 Hz, each told with noise and an error of their own, which is alike in all."""
    torch.manual_seed(0)
    size, moving = head.shape_size + head.expression_size + 8, head.expression_size + 8
    times = (torch.arange(20) / 25).expand(16, -1).contiguous()
    there = torch.ones(16, 20, dtype=torch.bool)
    there[3, 15:] = False
    shape = torch.randn(16, 1, head.shape_size).expand(-1, 20, -1)
    swing = 0.5 * torch.randn(16, 1, moving) * torch.sin(6.3 * times[..., None] + 6.3 * torch.rand(16, 1, moving))
    face = torch.cat([shape, swing], -1) * there[..., None]
    told = face + 0.4 * torch.randn(face.shape) + 0.2
    frames = Frames(times, weights(times, there), told, torch.full_like(told, -1.8), torch.zeros(16, 20, 3))
    assert face.shape[-1] == size
    return Films(frames, face, there)


@pytest.mark.long
def test_it_learns_to_smooth_and_where_errors_are_alike(films, head, scale, tmp_path):
    net = train_on(SMALL, films, scale, head, tmp_path)
    held = films.rows(np.arange(14, 16))
    found = measured(net, held, Travel(head, scale))
    for name, share in (("moved_mm", 0.7), ("speed_mm_s", 0.5), ("change_mm_s2", 0.4), ("gaps_mm", 0.8)):
        assert found[name] < share * found[f"{name}_alone"], name
    assert 0.5 < found["coverage68"] < 0.85
    kept = load_temporal(tmp_path / "temporal.npz")
    with torch.no_grad():
        a, b = (n(held.frames, Pooled.of(held.frames)).moving for n in (net, kept))
    assert (a - b).abs().max() < 0.02  # half precision


def test_it_goes_on_where_it_stopped(films, head, scale, tmp_path):
    run = dataclasses.replace(RUN, steps=6, save_every_s=0.0)
    short = dataclasses.replace(SMALL, network={"width": 16, "dropout": 0.3}, run=run)
    check_goes_on(partial(train_on, short, films, scale, head), tmp_path, stop=4)
    with pytest.raises(InputError, match="4 films are too few"):
        train_on(short, films.rows(np.arange(4)), scale, head, tmp_path)


def test_frames_that_are_never_near_one_another_have_no_velocity(films, head, scale):
    """A film of two frames a second teaches all else, and does not end a training with NaN."""
    times = 12 * films.frames.time_s
    frames = dataclasses.replace(films.frames, time_s=times, weight=weights(times, films.there))
    slow, net = Films(frames, films.face, films.there), started(SMALL, head)
    parts = losses(net(slow.frames, Pooled.of(slow.frames)), slow, Travel(head, scale), SMALL)
    assert parts["speed"] == parts["jerkiness"] == 0 < parts["moved"] and parts["total"].isfinite()


def test_processes_count_every_frame_alike(films, head, scale, monkeypatch):
    """The mean over two processes is that of the whole batch, though one of them has fewer frames."""
    thin = films.there.clone()
    thin[:8, 10:] = False
    some, net, travel = Films(films.frames, films.face, thin), started(SMALL, head), Travel(head, scale)
    whole, halves = some, [some.rows(np.arange(8)), some.rows(np.arange(8, 16))]

    def parts_of(part):
        return losses(net(part.frames, Pooled.of(part.frames)), part, travel, SMALL)

    alone = parts_of(whole)
    counted: list = []
    monkeypatch.setattr(processes, "mean", lambda value: counted.append(value) or value)
    for half in halves:
        parts_of(half)
    means = [(a + b) / 2 for a, b in zip(*np.split(np.array(counted, dtype=object), 2), strict=True)]
    places = iter([*means, *means])
    monkeypatch.setattr(processes, "mean", lambda value: next(places))
    shared = [parts_of(half) for half in halves]
    for name in ("face", "moved", "gaps", "speed", "jerkiness"):
        torch.testing.assert_close((shared[0][name] + shared[1][name]) / 2, alone[name], rtol=1e-5, atol=1e-6)


def test_mirrored_twice_is_as_before(films, head, scale):
    mirror, which = Mirror(head.arrays), torch.arange(16) % 2 == 0
    once = mirrored(films, which, mirror)
    twice = mirrored(once, which, mirror)
    assert torch.equal(twice.face, films.face) and torch.equal(twice.frames.turn, films.frames.turn)
    assert torch.equal(once.face[1], films.face[1]) and not torch.equal(once.face[0], films.face[0])
    travel = Travel(head, scale)
    one = torch.zeros(1, head.shape_size + head.expression_size + 8)
    one[0, head.shape_size + head.arrays.expression_names.index("mouthSmileLeft")] = 1
    flat = Films(dataclasses.replace(films.frames, face=one[None]), one[None], torch.ones(1, 1, dtype=torch.bool))
    frames = Frames(*(v[:1, :1] for v in vars(films.frames).values()))
    other = mirrored(
        Films(dataclasses.replace(frames, face=one[None]), flat.face, flat.there), torch.tensor([True]), mirror
    )
    here, there = travel(one)[0, 61], travel(other.face[0])[0, 291]  # the corners of the mouth
    torch.testing.assert_close(there, here * torch.tensor([-1.0, 1, 1]), atol=0.15, rtol=0.05)


def test_frames_left_out_stand_for_nothing(films):
    fewer = thinned(films, 1.0, torch.manual_seed(1))
    assert (fewer.there.sum(1) < films.there.sum(1)).any() and (fewer.there.sum(1) >= 4).all()
    assert (fewer.frames.weight[~fewer.there] == 0).all()
    second = next(i for i in range(16) if fewer.there[i, ::2].all() and not fewer.there[i, 1::2].any())
    torch.testing.assert_close(fewer.frames.weight[second, 2], torch.tensor(0.08))


def test_faces_move_as_they_are_told_to(head):
    at = np.arange(0, 8, 0.005)
    shut = blinks(np.random.default_rng(0), (0.0, 8.0))(at)
    assert shut.min() == 0 and 0.7 < shut.max() <= 1 and np.abs(np.diff(shut)).max() < 0.1
    moving = grimacing(head, np.random.default_rng(1), (0.0, 8.0))(at)
    assert (moving[:, : head.shape_size] == 0).all() and np.ptp(moving, axis=0).max() > 0.3
    assert np.abs(np.diff(moving, axis=0)).max() < 0.15  # nothing jumps
    lids = torch.rand(101, 2, generator=torch.manual_seed(0))  # two seconds
    params = FaceParams.neutral(head, 101).replace(shape=torch.zeros(head.shape_size), eyelids=lids)
    track = Track("default", params, np.arange(101) / 50)
    said = spoken(track, 1.0)(np.array([0.0, 0.01, 1.5, 4.0]))
    wanted = torch.stack([lids[50], (lids[50] + lids[51]) / 2, lids[75], lids[50]])  # to and fro
    np.testing.assert_allclose(said[:, -2:], wanted, atol=1e-6)


@pytest.mark.long
def test_made_films_and_the_command(head, tmp_path, capsys, monkeypatch):
    """Read, told and learnt from through the command."""
    monkeypatch.setattr(sequences_module, "BURST", 6)
    monkeypatch.setattr(sequences_module, "APART", 2)
    made = made_sequences(head, 3, 1)
    assert (np.diff(made.time_s)[np.diff(made.film) == 0] > 0).all() and 4 <= (made.film == 0).sum() <= 8
    again = made_sequences(head, 3, 1)
    assert all((getattr(made, f.name) == getattr(again, f.name)).all() for f in dataclasses.fields(Sequences))
    film = made.rows(made.film == 0)
    assert np.ptp(film.face[:, : head.shape_size], axis=0).max() == 0 and film.picture.std() > 20
    folder = tmp_path / "films"
    folder.mkdir()
    many = Sequences.joined([made] * 4)
    np.savez(folder / "sequences-00000.npz", **vars(many))
    assert (read_sequences(folder).first(2).film.max()) == 1
    config = {"batch": 4, "network": {"width": 8, "layers": 1}, "run": {"steps": 3, "sheet_every": 0}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = ["train", "temporal", tmp_path / "config.json", "-o", tmp_path / "out", "--corpus", folder, "--json"]
    assert emberface_cli.run([str(word) for word in words]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["outputs"] == [str(tmp_path / "out" / "temporal.npz")] and report["quality"]["loss_gaps"] > 0
