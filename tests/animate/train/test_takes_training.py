"""Flows and key motions learn one short performance by heart, and go on where they stopped."""

import dataclasses

import numpy as np
import pytest
import torch

import emberface
from animate.batches import Crops
from animate.corpus import Corpus, clip_of
from animate.encoders import LogMel
from animate.keys import perform as perform_keys
from animate.losses.vertices import SparseFace
from animate.model import Conditions
from animate.moments import tier_of
from animate.network_file import load_flow, load_keys
from animate.takes import Sampling
from animate.takes import perform as perform_takes
from animate.train import flow as flow_training
from animate.train import keys as keys_training
from animate.train.animate import AnimateTraining, styles, train_animate
from animate.train.flow import FlowTraining, left_out, train_flow
from animate.train.keys import KeysTraining, key_frames, train_keys
from animate.train.prior import PriorTraining, train_prior
from flame_tools.errors import InputError
from learning.run import RunConfig

RUN = RunConfig(steps=150, warm=5, decay=50, rate=5e-3, average=0.9, weight_decay=0.0, save_every_s=1e9, sheet_every=0)
FLOW = {"width": 32, "heads": 2, "hearing": 1, "blocks": 2}
KEYS = {"width": 32, "heads": 2, "predicting": 1, "completing": 1}


@pytest.fixture(scope="module")
def corpus(voice):
    samples, rate, _ = voice
    track = emberface.animate(samples[: 2 * rate], rate, emotion="happy:0.5")
    return Corpus((clip_of(track, LogMel(), 30, speaker="voice", name="one"),), 30, "default", "log-mel", ("voice",))


@pytest.fixture(scope="module")
def prior(corpus, head, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prior")
    small = {"width": 32, "latent": 16, "heads": 2}
    train_prior(PriorTraining(batch=4, network=small, run=RUN), corpus, head, folder)
    return str(folder / "prior.npz")


def told(corpus, network):
    """Features [T, C] of the clip, and its conditions."""
    clip = corpus.clips[0]
    with torch.no_grad():
        style = network.styles.weight[:1, None].clone()
    return torch.as_tensor(clip.features).float(), Conditions(torch.as_tensor(clip.emotion).float()[None], style)


def error_mm(corpus, head, found):
    """Root mean square distance on the sparse face, and that of a face that holds its mean."""
    face, wanted = SparseFace(head), torch.as_tensor(corpus.clips[0].motion).float()
    with torch.no_grad():
        still = wanted.mean(0).expand_as(wanted)
        return tuple((face(m) - face(wanted)).square().sum(-1).mean().sqrt().item() for m in (found, still))


@pytest.mark.long
def test_a_flow_learns_by_heart(corpus, prior, head, tmp_path):
    config = FlowTraining(
        prior=prior, batch=2, seconds=2.0, left_out=0.0, from_reference=0, from_nobody=0, network=FLOW, run=RUN
    )
    train_flow(config, corpus, head, tmp_path)
    flow, header = load_flow(tmp_path / "flow.npz")
    assert header["encoder"] == "log-mel" and header["fps"] == 30
    for sampling in (Sampling(), Sampling(4, "heun")):
        takes = list(perform_takes(flow, *told(corpus, flow), seed=1, takes=2, sampling=sampling))
        for take in takes:
            found, still = error_mm(corpus, head, take)
            assert found < 0.35 * still
        # All that it has seen is one way to say it: takes lie nearer to each other than a face that does not move.
        assert error_mm(corpus, head, takes[1])[0] < 0.35 * still


@pytest.mark.long
def test_keys_learn_by_heart(corpus, head, tmp_path):
    config = KeysTraining(batch=2, seconds=2.0, from_reference=0, from_nobody=0, network=KEYS, run=RUN)
    train_keys(config, corpus, head, tmp_path)
    network, _ = load_keys(tmp_path / "keys.npz")
    tier = tier_of(corpus.clips[0].phones, 30)
    motion, keys = perform_keys(network, *told(corpus, network), tier, fps=30)
    found, still = error_mm(corpus, head, motion)
    assert found < 0.25 * still
    assert 6 < len(keys.frames) < 30


@pytest.mark.parametrize("kind", ["flow", "keys"])
def test_stopped_and_gone_on_is_the_same(kind, corpus, prior, head, tmp_path):
    run = dataclasses.replace(RUN, steps=4, decay=2)
    if kind == "flow":
        config, train = FlowTraining(prior=prior, batch=2, seconds=1.0, network=FLOW, run=run), train_flow
    else:
        config, train = KeysTraining(batch=2, seconds=1.0, network=KEYS, run=run), train_keys
    train(config, corpus, head, tmp_path / "straight")
    (tmp_path / "stopped").mkdir()
    (tmp_path / "straight" / "level.pt").rename(tmp_path / "stopped" / "state.pt")  # as it was at step 2
    train(config, corpus, head, tmp_path / "stopped")
    one, two = ((tmp_path / name / f"{kind}.npz").read_bytes() for name in ("straight", "stopped"))
    assert one == two


def test_gradients_reach_all_of_a_flow_but_its_prior(corpus, prior, head):
    config = FlowTraining(prior=prior, batch=4, seconds=1.0, network=FLOW)
    flow = flow_training.started(config, corpus)
    for layer in (flow.leave, flow.clock[-1]):
        torch.nn.init.normal_(layer.weight, std=0.1)
    batch = Crops(corpus, 1.0, 0).batch(4, 0)
    style = styles(flow, batch, config, np.array([0.1, 0.5, 0.6, 0.7]))
    draw = torch.Generator().manual_seed(0)
    which = left_out(np.array([0.01, 0.1, 0.9, 0.9]), 0.08, "cpu")
    parts = flow_training.losses(
        flow, batch, style, which, config, SparseFace(head), lambda like: torch.randn(like.shape, generator=draw)
    )
    parts["total"].backward()
    for name, value in flow.named_parameters():
        if name.startswith("prior."):
            assert value.grad is None
        else:
            assert value.grad is not None and value.grad.isfinite().all() and value.grad.any(), name


def test_each_condition_is_left_out_alone_and_with_all():
    which = left_out(np.array([0.0, 0.05, 0.099, 0.1, 0.2, 0.39, 0.4, 0.99]), 0.1, "cpu")
    assert which.audio.tolist() == [False, False, False, True, True, False, True, True]
    assert which.emotion.tolist() == [True, True, True, False, True, False, True, True]
    assert which.style.tolist() == [True, True, True, True, False, False, True, True]
    draws = np.random.default_rng(0).random(20_000)
    shares = [1 - kept.float().mean().item() for kept in vars(left_out(draws, 0.08, "cpu")).values()]
    assert shares == pytest.approx([0.16] * 3, abs=0.01)  # alone and with all; a deviation is 0.0026
    assert all(kept.all() for kept in vars(left_out(draws, 0.0, "cpu")).values())


def test_keys_of_crops_stand_at_their_phones(corpus):
    batch = Crops(corpus, 1.0, 0).batch(3, 0)
    keys = key_frames(batch, 30, keys_training.Spacing())
    assert keys.shape == batch.phones.shape and keys[:, [0, -1]].all() and 0.1 < keys.float().mean() < 0.34


def test_a_prior_of_another_rate_or_head_is_refused(corpus, prior, head, tmp_path):
    slow, other = dataclasses.replace(corpus, fps=25), dataclasses.replace(corpus, head_id="somebody's")
    for of, said in ((slow, "motion of fps 30, here it is 25"), (other, "head_id 'default', here it is .somebody's")):
        with pytest.raises(InputError, match=said):
            flow_training.started(FlowTraining(prior=prior), of)
        with pytest.raises(InputError, match=said):
            train_animate(AnimateTraining(prior=prior, run=RUN), of, head, tmp_path)


def test_what_is_missing_is_said(corpus):
    with pytest.raises(InputError, match="train one, and give its file as `prior`"):
        flow_training.started(FlowTraining(), corpus)
    with pytest.raises(InputError, match="times are 0; wanted one flow time a crop"):
        flow_training.started(FlowTraining(prior="prior.npz", times=0), corpus)
    mute = dataclasses.replace(corpus.clips[0], phones=np.full(60, -1, np.int8))
    with pytest.raises(InputError, match="no clip of the corpus has phones"):
        keys_training.started(KeysTraining(), dataclasses.replace(corpus, clips=(mute,)))
