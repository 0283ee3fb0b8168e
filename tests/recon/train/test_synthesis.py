"""SMIRK's scheme learns the landmarks of a few made crops; its paths teach whom they are to teach."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch

from flame_tools.errors import FormatError, InputError
from learning.run import RunConfig
from recon.networks.synthesis import load_synthesis
from recon.train.paths import Paths, SynthesisBatch, SynthesisTraining
from recon.train.synthesis import SynthesisSource, measured, shaken, started, train_synthesis
from tests.recon.train.resumed import check_goes_on

RUN = RunConfig(steps=44, warm=5, decay=10, rate=3e-3, average=0.5, weight_decay=0.0, save_every_s=1e9, sheet_every=0)
SMALL = SynthesisTraining(batch=8, size=64, width=8, residuals=1, encoder="small", pretrain=42, run=RUN)


def test_it_learns_by_heart(crops, head, tmp_path):
    eight = crops.first(9)  # the ninth is held out
    source, paths = SynthesisSource(eight, 0, SMALL.size, head), Paths(head, SMALL)
    batch = source.rows(np.arange(source.count))
    before = measured(started(SMALL, head, source).eval(), paths, batch)
    assert before["marks_nme"] < 0.2  # the mean face stands about where the crops' do
    net = train_synthesis(SMALL, eight, head, tmp_path)
    after = measured(net, paths, batch)
    assert after["marks_nme"] < 0.4 * before["marks_nme"]
    kept = load_synthesis(tmp_path / "synthesis.npz", head.arrays)
    with torch.no_grad():
        a, b = net.read(batch.picture), kept.read(batch.picture)
    assert (a.face.shape - b.face.shape).abs().max() < 0.05  # half precision
    other = dataclasses.replace(head.arrays, id="somebody's")
    with pytest.raises(InputError, match="this network reads head"):
        load_synthesis(tmp_path / "synthesis.npz", other)
    (tmp_path / "synthesis.npz").write_bytes(b"PK\3\4 no network")
    with pytest.raises(FormatError):
        load_synthesis(tmp_path / "synthesis.npz", head.arrays)


def test_the_second_path_teaches_one_network_at_a_time(crops, head):
    source, paths = SynthesisSource(crops, 0, SMALL.size, head), Paths(head, SMALL)
    net = started(SMALL, head, source)
    batch = source.rows(np.arange(2))
    read = net.read(batch.picture)
    parts = {"encoder": net.encoder, "generator": net.generator}
    for teach, part in parts.items():
        (frozen,) = (network for name, network in parts.items() if name != teach)
        net.zero_grad(set_to_none=True)
        shown = paths.shown(read.face, read.camera)
        paths.second(net, read, shown, batch, torch.Generator().manual_seed(0), teach=teach).backward()
        assert all(value.grad is None for value in frozen.parameters())
        taught = [value.grad for value in part.parameters() if value.grad is not None]  # pose is not compared
        assert sum(float(gradient.abs().sum()) for gradient in taught) > 0
        assert all(value.requires_grad for value in net.parameters())


def test_the_first_path_teaches_both(crops, head):
    source, paths = SynthesisSource(crops, 0, SMALL.size, head), Paths(head, SMALL)
    net = started(SMALL, head, source)
    batch = source.rows(np.arange(2))
    shown = paths.shown(*vars(net.read(batch.picture)).values())
    painted, left = paths.painted(net, shown, batch, torch.Generator().manual_seed(0))
    (painted - batch.picture).abs().mean().backward()
    for network in (net.encoder, net.generator):
        assert sum(float(value.grad.abs().sum()) for value in network.parameters()) > 0
    assert not left.requires_grad


def test_it_goes_on_where_it_stopped(crops, head, tmp_path):
    short = dataclasses.replace(SMALL, batch=2, pretrain=1, run=dataclasses.replace(RUN, steps=3, save_every_s=0.0))
    check_goes_on(partial(train_synthesis, short, crops, head), tmp_path, stop=1)


def test_the_generator_learns_alone_first(crops, head, tmp_path):
    """Two steps in which the encoder learns nothing, from a network that is given."""
    run = dataclasses.replace(RUN, steps=2, decay=1, average=0.0)
    config = dataclasses.replace(SMALL, batch=2, pretrain=0, paint=2, fold=2, run=run)
    source = SynthesisSource(crops, 0, SMALL.size, head)
    begin = started(dataclasses.replace(config, run=dataclasses.replace(run, seed=5)), head, source)
    net = train_synthesis(config, crops, head, tmp_path, begin=begin)
    moved = {name for name, value in net.named_parameters() if not torch.equal(value, begin.get_parameter(name))}
    assert moved == {name for name, _ in net.named_parameters() if name.startswith("generator.")}


def test_many_crops_are_measured_a_few_at_a_time(crops, head, monkeypatch):
    source, paths = SynthesisSource(crops, 0, SMALL.size, head), Paths(head, SMALL)
    net, batch, seen = started(SMALL, head, source).eval(), source.rows(np.arange(12)), []
    whole = measured(net, paths, batch)
    net.encoder.register_forward_hook(lambda module, given, found: seen.append(len(given[0])))
    monkeypatch.setattr("recon.train.synthesis._AT_ONCE", 5)
    assert measured(net, paths, batch)["marks_nme"] == pytest.approx(whole["marks_nme"], rel=1e-4)
    assert max(seen) == 5


def test_landmarks_stay_on_crops_that_are_shaken():
    """A bright spot at a landmark is at the landmark afterwards."""
    spot = torch.zeros(16, 3, 64, 64)
    spot[:, :, 18:23, 38:43] = 1
    marks = (torch.tensor([40.5, 20.5]) / 32 - 1).expand(16, 468, 2)
    moved = shaken(SynthesisBatch(spot, marks, None), 0.1, torch.Generator().manual_seed(0))
    row, column = torch.meshgrid(*2 * [(torch.arange(64) + 0.5) / 32 - 1], indexing="ij")
    light = moved.picture.mean(1)
    middle = torch.stack([(light * axis).sum((1, 2)) / light.sum((1, 2)) for axis in (column, row)], -1)
    assert (middle - moved.marks[:, 0]).abs().max() < 0.02 < (moved.marks - marks).abs().mean()  # half a pixel


def test_smirks_own_encoder_takes_a_step(crops, head):
    config = dataclasses.replace(SMALL, encoder="smirk", pretrain=0)
    source, paths = SynthesisSource(crops, 0, config.size, head), Paths(head, config)
    net = started(config, head, source)
    losses = paths.losses(net, source.rows(np.arange(2)), 1, torch.Generator().manual_seed(0))
    assert {*losses} == {"marks", "distances", "prior", "painted", "cycle", "total"}
    assert all(value.isfinite() for value in losses.values())
    with pytest.raises(InputError, match="smirk or small"):
        started(dataclasses.replace(config, encoder="resnet"), head, source)
    for wrong in ({"width": 0}, {"fold": 0}, {"residuals": -1}):
        with pytest.raises(InputError, match="wanted 1, 1 and 0 or more"):
            started(dataclasses.replace(config, **wrong), head, source)
    with pytest.raises(InputError, match="multiple of 16"):
        started(dataclasses.replace(config, size=70), head, source)


def test_a_gpu_is_refused_where_faces_are_drawn(crops, head, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    config = dataclasses.replace(SMALL, run=dataclasses.replace(RUN, device="cuda"))
    with pytest.raises(InputError, match="device is 'cuda', and faces are drawn on the CPU here"):
        train_synthesis(config, crops, head, tmp_path)
    config = dataclasses.replace(SMALL, run=dataclasses.replace(RUN, precision="bfloat16"))
    with pytest.raises(InputError, match="precision is bfloat16, and faces are drawn in float32"):
        train_synthesis(config, crops, head, tmp_path)


@pytest.mark.long
def test_networks_that_look_teach_the_encoder(crops, head):
    """Each has a weight of its own, begins after landmarks alone, and reaches the encoder."""
    weights = {"photometric": 3.0, "identity": 0.5, "lips": 2.0, "emotion": 1.5}
    config = dataclasses.replace(SMALL, pretrain=1, painted=0.0, cycle=0.0, **weights)
    source, paths = SynthesisSource(crops, 0, config.size, head), Paths(head, config)
    net = started(config, head, source)
    batch = source.rows(np.arange(2))
    alone = {"marks", "distances", "prior", "total"}
    assert {*paths.losses(net, batch, 0, torch.Generator().manual_seed(0))} == alone
    parts = paths.losses(net, batch, 1, torch.Generator().manual_seed(0))
    assert {*parts} == alone | {*weights}
    for name in weights:
        taught = torch.autograd.grad(parts[name], net.encoder.face.weight, retain_graph=True)[0]
        assert taught.isfinite().all() and taught.abs().max() > 0, name
        double = Paths(head, dataclasses.replace(SMALL, **{"painted": 0.0, "cycle": 0.0, name: 2 * weights[name]}))
        again = double.losses(net, batch, 50, torch.Generator().manual_seed(0))
        torch.testing.assert_close(again[name], 2 * parts[name])
    true = paths.readers["lips"](batch.face, batch.face)
    assert true.abs() < 1e-6 < parts["lips"] - true
