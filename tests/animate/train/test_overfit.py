"""A little prior and a little model learn one short performance by heart, from shards to files."""

import json

import numpy as np
import pytest
import torch

import emberface
from animate.corpus import clip_of, write_shards
from animate.encoders import LogMel
from animate.network_file import load_model, load_prior
from animate.train import animate as train_animate
from animate.train import prior as train_prior


@pytest.fixture(scope="module")
def corpus(voice, tmp_path_factory):
    samples, rate, _ = voice
    folder = tmp_path_factory.mktemp("corpus")
    track = emberface.animate(samples[: 2 * rate], rate, emotion="happy:0.5")
    clips = [clip_of(track, LogMel(), 30, speaker="voice", name=name) for name in ("one", "two")]
    write_shards(clips, folder, fps=30, head_id="default", encoder="log-mel")
    return folder


def trained(main, corpus, folder, **config):
    (folder / "config.json").write_text(json.dumps(config))
    assert main([str(corpus), str(folder / "run"), str(folder / "config.json"), "--overfit", "1"]) == 0
    rows = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return folder / "run", rows


def test_prior_and_model_learn_by_heart(corpus, tmp_path):
    run = {"steps": 100, "warm": 5, "decay": 30, "rate": 3e-3, "average": 0.9, "save_every_s": 1e9}
    prior_at, model_at = tmp_path / "prior", tmp_path / "model"
    prior_at.mkdir()
    model_at.mkdir()
    small = {"width": 32, "latent": 32, "heads": 2}
    at, rows = trained(train_prior.main, corpus, prior_at, batch=4, network=small, run=run)
    assert rows[-1]["total"] < 0.5 * rows[0]["total"]
    assert load_prior(at / "prior.npz").scale.mean.abs().max() > 0
    model = {"width": 32, "blocks": 1, "heads": 2}
    config = {"batch": 2, "seconds": 1.0, "network": model, "run": run, "prior": str(at / "prior.npz")}
    at, rows = trained(train_animate.main, corpus, model_at, **config)
    assert rows[-1]["total"] < 0.6 * rows[0]["total"]
    back, header = load_model(at / "model.npz")
    assert header["encoder"] == "log-mel" and np.isfinite(back.leave.weight.detach().numpy()).all()
    frozen = load_prior(prior_at / "run" / "prior.npz").state_dict()
    assert all(torch.equal(value, back.prior.state_dict()[name]) for name, value in frozen.items())
