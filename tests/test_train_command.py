"""`emberface train`: two clips learnt by heart through the command, and what it refuses."""

import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import emberface
import emberface_cli
from animate.corpus import clip_of, write_shards
from animate.encoder.corpus import save
from animate.encoders import LogMel
from animate.network_file import load_model, load_prior
from assets.locate import asset_path
from tests.animate.encoder.test_data import bursts
from tests.test_command_line import refused

RUN = {"steps": 60, "warm": 5, "decay": 20, "rate": 3e-3, "average": 0.9, "sheet_every": 60}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    from animate.audio_file import read_audio

    samples, rate = read_audio(asset_path("voice"))
    folder = tmp_path_factory.mktemp("shards")
    track = emberface.animate(samples[: 2 * rate], rate, emotion="happy:0.5")
    clips = [clip_of(track, LogMel(), 30, speaker=name, name=name) for name in ("one", "two", "three")]
    write_shards(clips, folder, fps=30, head_id="default", encoder="log-mel")
    return folder


def trained(capsys, kind, shards, folder, **config):
    folder.with_suffix(".json").write_text(json.dumps(config))
    words = ["train", kind, folder.with_suffix(".json"), "-o", folder, "--corpus", shards, "--overfit", "2", "--json"]
    assert emberface_cli.run([str(word) for word in words]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((folder / "report.json").read_text())
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert report["quality"] == {"step": 60} | {f"loss_{k}": v for k, v in rows[-1].items() if k != "step"}
    assert report["inputs"]["overfit"] == 2
    return report, rows


def sheet_of(folder):
    """True faces, and those that were learnt."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    (picture,) = found.Images("sheet")
    pixels = np.asarray(Image.open(io.BytesIO(picture.encoded_image_string))).astype(float)
    below = (len(pixels) - 8) // 2  # rows of faces with their labels, a gap of 8 above
    return pixels[8 : below - 24], pixels[below + 8 : 2 * below - 24]


def test_prior_and_speech_to_motion_learn_by_heart(capsys, shards, tmp_path):
    prior_at, model_at = tmp_path / "prior", tmp_path / "model"
    small = {"width": 32, "latent": 32, "heads": 2}
    report, rows = trained(capsys, "prior", shards, prior_at, batch=4, network=small, run=RUN)
    assert rows[-1]["total"] < 0.5 * rows[0]["total"]
    assert report["outputs"] == [str(prior_at / "prior.npz")]
    assert load_prior(prior_at / "prior.npz").scale.mean.abs().max() > 0
    model = {"width": 32, "blocks": 1, "heads": 2}
    config = {"batch": 2, "seconds": 1.0, "network": model, "run": RUN, "prior": str(prior_at / "prior.npz")}
    report, rows = trained(capsys, "animate", shards, model_at, **config)
    assert rows[-1]["total"] < 0.6 * rows[0]["total"]
    back, header = load_model(model_at / "model.npz")
    assert header["encoder"] == "log-mel" and np.isfinite(back.leave.weight.detach().numpy()).all()
    assert len(back.styles.weight) == 2  # speakers of the clips that were learnt
    frozen = load_prior(prior_at / "prior.npz").state_dict()
    assert all(torch.equal(value, back.prior.state_dict()[name]) for name, value in frozen.items())
    for folder in (prior_at, model_at):
        true, found = sheet_of(folder)
        assert 0 < np.abs(true - found).mean() < 3 and true.std() > 30


def test_speech_says_its_losses_and_figures(capsys, tmp_path):
    for spoken in (bursts(), bursts("b", 1)):
        save(spoken, tmp_path / "corpus" / "aligned")
    network = {"width": 16, "heads": 2, "blocks": 1, "live_ahead": [1]}
    config = {"parts": {"aligned": 1.0}, "batch": 2, "seconds": 1.0, "encoder": network, "validate_every": 2}
    (tmp_path / "c.json").write_text(json.dumps({**config, "run": {"steps": 2}}))
    words = ["train", "speech", tmp_path / "c.json", "-o", tmp_path / "run", "--corpus", tmp_path / "corpus"]
    assert emberface_cli.run([str(word) for word in words]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == str(tmp_path / "run" / "encoder.npz")
    assert re.search(r"step 2, loss_total \S+, loss_phones .*, accuracy \S+, live_accuracy", said[1])


@pytest.mark.parametrize(
    ("config", "more", "said"),
    [
        ("{", [], "is no JSON"),
        ('{"steps": 3}', [], r"sets \['steps'\]; known here: batch, cost"),
        ('{"batch": "many"}', [], "batch is 'many'; wanted a value like 32"),
        ('{"run": {"rate": true}}', [], "run: rate is True; wanted a value like 0.001"),
        ('{"run": {"steps": 0}}', [], "steps are 0 .* wanted at least one"),
        ('{"run": {"device": "tpu"}}', [], "device is 'tpu'; wanted cpu or cuda"),
        ('{"run": {"precision": "half"}}', [], "wanted auto, float32 or bfloat16"),
        ('{"network": {"widht": 3}}', [], "network sets .'widht'.; known here: ahead, back"),
        ('{"network": {"width": 30}}', [], "width 30 is for 8 heads"),
        ('{"batch": 0}', [], "batch of 0 holds nothing"),
        ('{"batch": -2}', ["--processes", "2"], "batch of -2 holds nothing"),
        ('{"run": {"rate": NaN}}', [], "rate is nan"),
        ('{"cost": NaN}', [], "cost is nan; wanted a number"),
        ('{"network": {"motion": 7}}', [], "network sets motion, which head or corpus decide"),
        ('{"network": {"latent": 0}}', [], "latent is 0; wanted 1 or more"),
        ('{"batch": 3}', ["--processes", "2"], "batch of 3 is not shared evenly by 2 processes"),
        ("{}", ["--corpus", "nowhere"], "nowhere holds no shards"),
        ("{}", ["--overfit", "-1"], "overfit"),
    ],
)
def test_bad_input_is_refused_in_one_line(capsys, shards, tmp_path, config, more, said):
    place = tmp_path / "c.json"
    place.write_text(config)
    corpus = [] if "--corpus" in more else ["--corpus", shards]
    words = ["train", "prior", place, "-o", tmp_path / "out", *corpus, *more]
    assert re.search(said, refused(capsys, tmp_path, *words))


def test_torchrun_and_processes_exclude_each_other(capsys, shards, tmp_path, monkeypatch):
    (tmp_path / "c.json").write_text("{}")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    words = ["train", "animate", tmp_path / "c.json", "-o", tmp_path / "out", "--corpus", shards, "--processes", "2"]
    assert "leave --processes out" in refused(capsys, tmp_path, *words)
    assert "No such file" in refused(capsys, tmp_path, *words[:2], tmp_path / "none.json", *words[3:-2])
