"""Training goes on to the bit where it stopped, and learns."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from animate.encoder.corpus import save
from animate.encoder.data import items
from animate.encoder.losses import LossConfig
from animate.encoder.model import EncoderConfig, listen
from animate.encoder.validate import validate
from animate.encoder.weights import load_weights, save_weights
from animate.train.speech import TrainConfig, losses_of, started, train
from flame_tools.errors import FormatError, InputError
from learning.config import read_config
from learning.run import RunConfig
from tests.animate.encoder.test_data import bursts

SMALL = EncoderConfig(width=24, blocks=2, heads=2, back=8, ahead=4, reach=2, live_ahead=(1, 0))
CONFIG = TrainConfig(batch=2, seconds=1.5, encoder=SMALL, run=RunConfig(steps=6, warm=2, decay=2, weight_decay=0.02))


@pytest.fixture
def pool(tmp_path):
    return items([bursts(), bursts("b", 1)], tmp_path / "prosody")


def even(pool):
    return np.full(len(pool), 1 / len(pool))


def test_going_on_equals_not_having_stopped(pool, tmp_path):
    def advance(run, steps):
        for _ in range(steps):
            run.update(losses_of(run, CONFIG, pool, even(pool))["total"])

    straight, first, second = (started(CONFIG, pool, even(pool)) for _ in range(3))
    advance(straight, 6)
    advance(first, 3)
    first.save(tmp_path / "state.pt")
    second.restore(tmp_path / "state.pt")
    advance(second, 3)
    assert second.step == straight.step == 6
    for name, value in straight.average.items():
        assert torch.equal(value, second.average[name]), name
    assert all(map(torch.equal, straight.model.parameters(), second.model.parameters()))


def test_a_part_that_is_not_there_is_told_of(pool, tmp_path):
    for item in pool:
        save(item.spoken, tmp_path / "aligned")
    for parts in ({"aligned": 1.0, "alligned": 0.5}, {"aligned": 0.5, "synthetic": 0.5}):
        with pytest.raises(InputError, match=r"no utterance in .*(alligned|synthetic); build it .* out of `parts`"):
            train(dataclasses.replace(CONFIG, parts=parts), tmp_path / "run", corpus=tmp_path)
    for wrong in ({"aligned": 0}, {"aligned": "x"}, {"aligned": -1.0, "synthetic": 2.0}, {}):
        with pytest.raises(InputError, match="wanted shares of 0 or more"):
            TrainConfig(parts=wrong)
    for wrong in ({"seconds": 0.0}, {"seconds": float("nan")}, {"validate_every": 0}):
        with pytest.raises(InputError, match="wanted more than 0 of each"):
            TrainConfig(**wrong)


def test_it_learns_to_tell_sound_from_silence(pool, tmp_path):
    for item in pool:
        save(item.spoken, tmp_path / "aligned")
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            {
                "parts": {"aligned": 1.0}, "batch": 4, "seconds": 1.5, "validate_every": 1000,
                "run": {"steps": 60, "warm": 5, "decay": 20, "rate": 5e-3, "average": 0.9, "weight_decay": 0.02},
                "encoder": {"width": 24, "blocks": 2, "heads": 2, "live_ahead": [1, 0]},
            }
        )
    )  # fmt: skip
    found = train(read_config(TrainConfig(), config), tmp_path / "run", corpus=tmp_path, overfit=2)
    assert found.accuracy > 0.9
    encoder = load_weights(tmp_path / "run" / "encoder.npz")
    assert validate(encoder, [item.spoken for item in pool]).accuracy > 0.9
    sound = torch.from_numpy(pool[0].spoken.samples.astype(np.float32) / 32768)
    heard = listen(encoder, sound)
    assert heard.phones.exp().sum(-1).numpy() == pytest.approx(1, abs=1e-5)


def test_a_config_says_what_it_does_not_know(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"encoder": {"witdh": 3}}')
    with pytest.raises(InputError, match=r"witdh.*known here:.*width"):
        read_config(TrainConfig(), path)
    path.write_text('{"encoder": {"live_ahead": [1, 0], "blocks": 2}, "loss": {"pitch": 0.5}}')
    assert read_config(TrainConfig(), path).encoder.live_ahead == (1, 0)
    assert read_config(TrainConfig(), path).loss == LossConfig(pitch=0.5)


def test_weights_of_another_shape_are_refused(pool, tmp_path):
    encoder = started(CONFIG, pool, even(pool)).model
    encoder.config = dataclasses.replace(SMALL, width=48)  # a file that lies about its own network
    save_weights(encoder, tmp_path / "w.npz")
    with pytest.raises(FormatError, match="does not fit SpeechEncoder"):
        load_weights(tmp_path / "w.npz")


def test_it_goes_on_from_weights_that_are_there(pool, tmp_path):
    first = started(CONFIG, pool, even(pool))
    save_weights(first.model, tmp_path / "encoder.npz")
    more = dataclasses.replace(CONFIG, start=str(tmp_path / "encoder.npz"))
    second = started(more, pool, even(pool))
    for before, after in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(before.half().float(), after)
    second.update(losses_of(second, more, pool, even(pool))["total"])
    other = dataclasses.replace(more, encoder=dataclasses.replace(SMALL, width=32))
    with pytest.raises(InputError, match=r"width=24.*the config asks for.*width=32"):
        started(other, pool, even(pool))
