"""recon-base learns a few made crops by heart, goes on where it stopped, and is shared by two processes."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch

from flame_tools.errors import FormatError, InputError, ShapeError
from learning import processes
from learning.run import RunConfig
from recon.learned.mirror import Mirror
from recon.learned.regressor import load_regressor, marks_of, save_regressor
from recon.synthetic import crops as crops_module
from recon.synthetic.individual import MANNER_SD
from recon.synthetic.shards import read_shards, write_shards
from recon.train.base import BaseTraining, LandmarkFace, Source, measured, mirrored, started, train_base
from tests.recon.train.resumed import check_goes_on

RUN = RunConfig(steps=100, warm=5, decay=20, rate=2e-3, average=0.8, weight_decay=0.0, save_every_s=1e9, sheet_every=0)
SMALL = BaseTraining(batch=8, shaken=0.0, mirrored=0.0, network={"channels": [8, 8, 16, 16], "width": 64}, run=RUN)


def test_crops_are_what_they_say(crops, head):
    """The truth's parameters give about the truth's expression; landmarks are read near where they are."""
    net = started(SMALL, head)
    face = LandmarkFace(head, net.scale)
    batch = Source(crops, 0).rows(np.arange(len(crops)))
    rest, posed = face(net.scale(batch.face))
    moved, usual = batch.expressed - batch.neutral, posed - rest
    share = (moved - usual).norm(dim=(1, 2)) / usual.norm(dim=(1, 2))
    assert 0.05 < share.mean() < 2.5 * MANNER_SD  # everyone moves in a manner of their own
    assert 1000 * (rest - batch.neutral).norm(dim=-1).mean() < 4  # the bumps are all that parts them
    size = np.ptp(crops.true, axis=1).max(1)
    assert np.median(np.linalg.norm(crops.read[..., :2] - crops.true, axis=-1).mean(1) / size) < 0.04
    assert (np.abs(crops.true.mean(1) - 0.5) < 0.15).all() and crops.picture.std() > 20


def test_crops_are_the_same_again(crops, head, tmp_path, monkeypatch):
    monkeypatch.setattr(crops_module, "SKINS", 2)
    monkeypatch.setattr("recon.synthetic.shards.SHARD", 12)
    write_shards(tmp_path, head, 1, first=7)
    again = read_shards(tmp_path)
    for field in dataclasses.fields(crops):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(crops, field.name))
    with pytest.raises(InputError, match=r"has no crops-\*\.npz"):
        read_shards(tmp_path / "nowhere")
    whole = (tmp_path / "crops-00007.npz").read_bytes()
    np.savez(tmp_path / "other.npz", a=1)
    for content in (whole[:5000], b"", b"text", (tmp_path / "other.npz").read_bytes()):
        (tmp_path / "crops-00007.npz").write_bytes(content)
        with pytest.raises(FormatError, match=r"crops-00007.npz is not whole, or not of recon.synthetic.shards"):
            read_shards(tmp_path)


def test_it_learns_by_heart(crops, head, tmp_path):
    source = Source(crops, 0)
    net = train_base(SMALL, crops, head, tmp_path)
    batch = source.rows(np.arange(source.count))
    with torch.no_grad():
        found = measured(net, batch, LandmarkFace(head, net.scale))
    assert found["neutral_gain"] > 0.3 and found["moved_mm"] < 0.6 * found["still_mm"]
    assert found["turn_deg"] < 6 and found["marks"] < found["read"]
    kept = load_regressor(tmp_path / "base.npz")
    with torch.no_grad():
        a, b = net(batch.picture, batch.told), kept(batch.picture, batch.told)
    assert (a.face - b.face).abs().max() < 0.05  # half precision


def test_it_goes_on_where_it_stopped(crops, head, tmp_path):
    run = dataclasses.replace(RUN, steps=6, save_every_s=0.0)
    short = dataclasses.replace(SMALL, mirrored=0.5, shaken=0.004, run=run)
    check_goes_on(partial(train_base, short, crops, head), tmp_path, stop=4)


def test_a_mirror_shows_the_same_faces(crops, head):
    """Left for right: the truth stays true, and twice is not at all."""
    net, mirror = started(SMALL, head), Mirror(head.arrays)
    face, batch = LandmarkFace(head, net.scale), Source(crops, 0).rows(np.arange(len(crops)))
    everyone = torch.ones(len(crops), dtype=torch.bool)
    other = mirrored(batch, everyone, mirror)
    (rest, posed), (own_rest, own_posed) = face(net.scale(other.face)), face(net.scale(batch.face))
    apart = ((posed - rest) - mirror.points(own_posed - own_rest)).norm(dim=-1)
    assert apart.mean() < 5e-5 and apart.max() < 5e-4  # pose correctives are a little askew
    torch.testing.assert_close(rest, mirror.points(own_rest), atol=2e-6, rtol=0)
    assert ((posed - rest) - (own_posed - own_rest)).norm(dim=-1).mean() > 1e-4
    torch.testing.assert_close(other.expressed, mirror.points(batch.expressed))
    upright, there = net.canonical(batch.picture, batch.told), net.canonical(other.picture, other.told)
    torch.testing.assert_close(there.turn, mirror.turn(upright.turn), atol=1e-4, rtol=0)
    torch.testing.assert_close(there.marks[:, :468], mirror.points(upright.marks[:, :468]), atol=5e-3, rtol=0)
    torch.testing.assert_close(there.picture[:, :3], upright.picture[:, :3].flip(-1), atol=0.3, rtol=0)
    again = mirrored(other, everyone, mirror)
    for name, value in vars(batch).items():
        torch.testing.assert_close(getattr(again, name), value, atol=1e-6, rtol=0)
    some = mirrored(batch, torch.arange(len(crops)) == 3, mirror)
    assert torch.equal(some.face[:3], batch.face[:3]) and torch.equal(some.picture[3], other.picture[3])


def test_a_head_without_a_mirror_image_is_refused(head):
    arrays = head.arrays
    shapes = np.array(arrays.shapedirs)
    shapes[:, 0] += 1e-3 * (arrays.v_template[:, :1] > 0)
    with pytest.raises(InputError, match="the components of head 'default' have no mirror image; set `mirrored` to 0"):
        Mirror(dataclasses.replace(arrays, shapedirs=shapes))
    marks = arrays.landmarks["468"]
    moved = dataclasses.replace(marks, barycentrics=np.roll(marks.barycentrics, 1, axis=1))
    with pytest.raises(InputError, match="the landmarks '468' of head"):
        Mirror(dataclasses.replace(arrays, landmarks={**arrays.landmarks, "468": moved}))


def test_a_second_look(crops, head, tmp_path):
    """Begun from a network that looks once it changes nothing; then it learns. Landmarks put right are what it sees."""
    save_regressor(started(SMALL, head), tmp_path / "once.npz")
    wider = dataclasses.replace(SMALL, begin=str(tmp_path / "once.npz"), network={**SMALL.network, "again": 24})
    once, twice = load_regressor(tmp_path / "once.npz").eval(), started(wider, head).eval()
    batch = Source(crops, 0).rows(np.arange(len(crops)))
    with torch.no_grad():
        found, kept = (vars(net(batch.picture, batch.told)) for net in (twice, once))
        for name, value in kept.items():
            torch.testing.assert_close(found[name], value)
        upright = twice.canonical(batch.picture, batch.told)
        told = batch.told.clone()
        told[:, :468, :2] = batch.true
        put_right = twice.canonical.moved(upright, batch.true - batch.told[:, :468, :2])
        turn, scale = upright.turn, upright.place[:, 2].exp()[:, None, None]
        away = (told - batch.told)[:, :468] * torch.tensor([1, -1, -1]) @ turn / scale / 0.005
        torch.testing.assert_close(put_right, upright.marks[:, :468] + away, atol=1e-4, rtol=0)
    net = train_base(dataclasses.replace(wider, run=dataclasses.replace(RUN, steps=3)), crops, head, tmp_path)
    assert net.again[-1].weight.abs().max() > 0
    assert load_regressor(tmp_path / "base.npz").config.again == 24
    with pytest.raises(InputError, match="is another network"):
        started(dataclasses.replace(wider, network={}), head)


def test_what_was_never_seen_can_be_forgotten(crops, head, tmp_path):
    save_regressor(started(SMALL, head), tmp_path / "once.npz")
    begun = dataclasses.replace(SMALL, begin=str(tmp_path / "once.npz"))
    before, after = (started(dataclasses.replace(begun, anew=names), head).eval() for names in ((), ("tongueOut",)))
    batch = Source(crops, 0).rows(np.arange(len(crops)))
    with torch.no_grad():
        told, anew = (net(batch.picture, batch.told) for net in (before, after))
    at = head.shape_size + head.arrays.expression_names.index("tongueOut")
    assert told.face[:, at].any() and not anew.face[:, at].any()
    assert (anew.face_logvar[:, at] > -1).all()  # it knows nothing of it
    others = np.delete(np.arange(told.face.shape[1]), at)
    torch.testing.assert_close(anew.face[:, others], told.face[:, others])
    with pytest.raises(InputError, match="no expression component 'tongue' to learn anew"):
        started(dataclasses.replace(begun, anew=("tongue",)), head)


def work(folder, config, crops, head):
    train_base(config, crops, head, folder)


@pytest.mark.long
def test_two_processes_share_it(crops, head, tmp_path):
    short = dataclasses.replace(SMALL, run=dataclasses.replace(RUN, steps=2))
    with processes.together(2, "cpu", work, (tmp_path, short, crops, head)):
        work(tmp_path, short, crops, head)
    assert load_regressor(tmp_path / "base.npz").config.head_id == head.arrays.id
    few = dataclasses.replace(short, batch=64)  # eleven crops are no 64: five for each
    with processes.together(2, "cpu", work, (tmp_path / "few", few, crops, head)):
        work(tmp_path / "few", few, crops, head)
    assert (tmp_path / "few" / "base.npz").is_file()


def test_refused(crops, head, tmp_path):
    net = started(SMALL, head)
    with pytest.raises(ShapeError, match=r"wanted \[N, 3, H, W\]"):
        net(torch.zeros(1, 1, 64, 64), torch.zeros(1, 478, 3))
    with pytest.raises(InputError, match="too few"):
        train_base(SMALL, crops.first(4), head, tmp_path)
    for network, said in (
        ({"shape": 3}, "network sets shape, which head or corpus decide"),
        ({"width": 0}, "width is 0; wanted 1 or more"),
        ({"channels": [8, -8, 16, 16]}, "channels is .* wanted 1 or more"),
        ({"channels": [8, 16]}, "wanted four channels"),
        ({"channels": ["8", 8, 8, 8]}, "channels is '8'; wanted a value like 16"),
        ({"size": 33}, "wanted four channels, and an even size"),
        ({"again": -1}, "again is -1; wanted 0 or more"),
    ):
        with pytest.raises(InputError, match=said):
            started(dataclasses.replace(SMALL, network=network), head)
    (tmp_path / "base.npz").write_bytes(b"PK\3\4 no network")
    with pytest.raises(FormatError):
        load_regressor(tmp_path / "base.npz")
    assert marks_of(crops.read, crops.iris).shape == (12, 478, 3)
