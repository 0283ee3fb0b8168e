"""The embedder of identity learns a few made people by heart, goes on where it stopped, and says how well it tells."""

import dataclasses
import json
from functools import partial

import numpy as np
import pytest
import torch

import emberface_cli
from flame_tools.errors import FormatError, InputError, ShapeError
from learning.run import RunConfig
from recon.losses.patch import arcface_patch, five_points
from recon.networks.identity import IdentityConfig, IdentityNetwork, load_identity
from recon.synthetic.portraits import Portraits, made_portraits, read_portraits, write_portraits
from recon.train.identity import IdentityTraining, PortraitSource, margin_loss, measured, train_identity
from tests.recon.train.resumed import check_goes_on

RUN = RunConfig(steps=40, warm=5, decay=10, rate=4e-3, average=0.8, weight_decay=0.0, save_every_s=1e9, sheet_every=0)
SMALL = IdentityTraining(
    batch=12, margin=0.1, scale=16.0, begin=10, shaken=0.0, tint=0.0, held_out=0.3,
    network={"size": 32, "channels": [16, 24, 32], "width": 32}, run=RUN,
)  # fmt: skip


@pytest.fixture(scope="module")
def portraits(head):
    """Six people of three skins, four pictures each."""
    return made_portraits(head, 3, 5, alike=2, pictures=4)


def test_people_come_again(portraits, head):
    assert len(portraits) == 24 and portraits.picture.std() > 20
    np.testing.assert_array_equal(portraits.person, np.repeat(np.arange(6), 4))
    np.testing.assert_array_equal(portraits.skin, np.repeat(np.arange(3), 8))
    assert np.ptp(portraits.yaw.reshape(6, 4), axis=1).min() > np.radians(2)  # each from several sides
    aligned = arcface_patch(torch.as_tensor(portraits.points)).cut(
        torch.as_tensor(portraits.picture).permute(0, 3, 1, 2).float(), 32
    )
    assert (aligned[:, :, 8:24, 8:24].sum(1) > 0).float().mean() > 0.99  # the face is not beyond the picture
    two = Portraits.joined([portraits, portraits])
    assert two.person.max() == 11 and two.skin.max() == 5 and len(two.first(7)) == 28


def test_the_same_people_again(head, tmp_path, monkeypatch):
    for name, value in (("GROUPS", 1), ("ALIKE", 1), ("PICTURES", 2)):
        monkeypatch.setattr(f"recon.synthetic.portraits.{name}", value)
    write_portraits(tmp_path, head, 1, first=4)
    once = (tmp_path / "portraits-00004.npz").read_bytes()
    (tmp_path / "portraits-00004.npz").unlink()
    write_portraits(tmp_path, head, 1, first=4)
    assert (tmp_path / "portraits-00004.npz").read_bytes() == once
    with pytest.raises(InputError, match=r"has no portraits-\*\.npz"):
        read_portraits(tmp_path / "nowhere")


def test_it_learns_people_by_heart(portraits, tmp_path):
    source = PortraitSource(portraits, SMALL, 32)
    assert source.people == 4 and source.count == 16  # two of one skin are held out together
    net = train_identity(SMALL, portraits, tmp_path)
    with torch.no_grad():
        found = net(source.faces(np.arange(16)))
    near = (found @ found.mT).numpy()
    same = portraits.person[:16, None] == portraits.person[None, :16]
    apart = ~np.eye(16, dtype=bool)
    assert near[same & apart].mean() > near[~same].mean() + 0.3
    figures = measured(net, source)
    assert {*figures} == {"alike_auc", "alike_accuracy"}  # all that are held out have one skin
    assert 0 < figures["alike_auc"] < 1
    kept = load_identity(tmp_path / "identity.npz")
    with torch.no_grad():
        again = kept(source.faces(np.arange(16)))
    assert (again - found).abs().max() < 0.02  # half precision
    assert torch.allclose(again.norm(dim=-1), torch.ones(16))
    (tmp_path / "identity.npz").write_bytes(b"PK\3\4 no network")
    with pytest.raises(FormatError):
        load_identity(tmp_path / "identity.npz")


def test_it_goes_on_where_it_stopped(portraits, tmp_path):
    short = dataclasses.replace(SMALL, run=dataclasses.replace(RUN, steps=5, save_every_s=0.0))
    check_goes_on(partial(train_identity, short, portraits), tmp_path, stop=3)


def test_the_margin_moves_ones_own_person_away():
    cosines, people = torch.tensor([[0.9, 0.1], [0.2, -1.0]], dtype=torch.float64), torch.tensor([0, 1])
    plain = torch.nn.functional.cross_entropy(8 * cosines, people)
    torch.testing.assert_close(margin_loss(cosines, people, margin=0.0, scale=8.0), plain, atol=1e-5, rtol=0)
    moved = cosines.clone()
    moved[0, 0] = np.cos(np.arccos(0.9) + 0.3)  # the second is as far away as it can be
    wanted = torch.nn.functional.cross_entropy(8 * moved, people)
    torch.testing.assert_close(margin_loss(cosines, people, margin=0.3, scale=8.0), wanted, atol=1e-5, rtol=0)
    noisy = cosines.clone().requires_grad_()
    margin_loss(noisy, people, margin=0.3, scale=8.0).backward()
    assert noisy.grad.isfinite().all()


def test_the_command(capsys, portraits, tmp_path):
    folder = tmp_path / "people"
    folder.mkdir()
    np.savez(folder / "portraits-00000.npz", **vars(portraits))
    config = {"batch": 8, "network": SMALL.network, "run": {"steps": 2}}
    (tmp_path / "c.json").write_text(json.dumps(config))
    words = ["train", "identity", tmp_path / "c.json", "-o", tmp_path / "run", "--corpus", folder, "--json"]
    assert emberface_cli.run([str(word) for word in words]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["outputs"] == [str(tmp_path / "run" / "identity.npz")] and report["quality"]["step"] == 2


def test_refused(portraits, tmp_path):
    with pytest.raises(InputError, match="3 people are too few"):
        train_identity(SMALL, portraits.first(3), tmp_path)
    with pytest.raises(ShapeError, match=r"wanted \[B, 3, 64, 64\]"):
        IdentityNetwork()(torch.zeros(1, 1, 64, 64))
    with pytest.raises(InputError, match="can be halved"):
        IdentityConfig(size=40)
    with pytest.raises(ShapeError, match=r"wanted \[\.\.\., 68, 468 or 478, 2\]"):
        five_points(torch.zeros(1, 5, 2))
