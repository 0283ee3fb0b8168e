"""A little prior and a little model learn one short performance by heart, from shards to files."""

import json

import numpy as np
import pytest
import torch

import emberface
from animate.corpus import clip_of, load_corpus, write_shards
from animate.encoders import LogMel
from animate.network_file import load_model, load_prior
from animate.train.animate import AnimateTraining, train_animate
from animate.train.config import filled
from animate.train.prior import PriorTraining, train_prior
from flame_tools.load import load_head


@pytest.fixture(scope="module")
def corpus(voice, tmp_path_factory):
    samples, rate, _ = voice
    folder = tmp_path_factory.mktemp("corpus")
    track = emberface.animate(samples[: 2 * rate], rate, emotion="happy:0.5")
    clips = [clip_of(track, LogMel(), 30, speaker="voice", name="one")]
    write_shards(clips, folder, fps=30, head_id="default", encoder="log-mel")
    return load_corpus(folder)


def trained(train, default, corpus, folder, **config):
    train(filled(default, config, "here"), corpus, load_head(), folder)
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_prior_and_model_learn_by_heart(corpus, tmp_path):
    run = {"steps": 100, "warm": 5, "decay": 30, "rate": 3e-3, "average": 0.9, "save_every_s": 1e9}
    prior_at, model_at = tmp_path / "prior", tmp_path / "model"
    small = {"width": 32, "latent": 32, "heads": 2}
    rows = trained(train_prior, PriorTraining(), corpus, prior_at, batch=4, network=small, run=run)
    assert rows[-1]["total"] < 0.5 * rows[0]["total"]
    assert load_prior(prior_at / "prior.npz").scale.mean.abs().max() > 0
    model = {"width": 32, "blocks": 1, "heads": 2}
    config = {"batch": 2, "seconds": 1.0, "network": model, "run": run, "prior": str(prior_at / "prior.npz")}
    rows = trained(train_animate, AnimateTraining(), corpus, model_at, **config)
    assert rows[-1]["total"] < 0.6 * rows[0]["total"]
    back, header = load_model(model_at / "model.npz")
    assert header["encoder"] == "log-mel" and np.isfinite(back.leave.weight.detach().numpy()).all()
    frozen = load_prior(prior_at / "prior.npz").state_dict()
    assert all(torch.equal(value, back.prior.state_dict()[name]) for name, value in frozen.items())
