"""Each training, stopped anywhere and started again, leaves the file that it would have left."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from animate.corpus import Clip, Corpus
from animate.encoder.corpus import save
from animate.encoder.model import EncoderConfig
from animate.train import speech
from animate.train.animate import AnimateTraining, train_animate
from animate.train.exchange import ExchangeConfig
from animate.train.prior import PriorTraining, train_prior
from flame_tools.errors import InputError
from flame_tools.load import load_head
from learning.run import RunConfig
from tests.animate.encoder.test_data import bursts

RUN = RunConfig(steps=5, warm=2, decay=2, save_every_s=0.0, sheet_every=0)
SMALL = {"width": 16, "heads": 2}


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def corpus(head):
    rng, columns = np.random.default_rng(0), len(head.arrays.expression_names) + 14

    def clip(frames, speaker):
        rows = [(0.1 * rng.normal(size=(frames, n))).astype(np.float16) for n in (6, columns, 8)]
        return Clip(*rows, np.zeros(frames, np.int8), speaker, speaker)

    return Corpus((clip(40, "a"), clip(25, "b")), 30, "default", "log-mel", ("a", "b"))


class Stop(Exception):
    pass


def stop_after_3(step, losses):
    if step == 3:
        raise Stop


def same_when_stopped(train, folder):
    """`train(folder, progress)` leaves one .npz: once straight through, once stopped and started again."""
    train(folder / "straight", None)
    with pytest.raises(Stop):
        train(folder / "stopped", stop_after_3)
    assert torch.load(folder / "stopped" / "state.pt", weights_only=True)["step"] == 3
    assert not list((folder / "stopped").glob("*.npz"))
    train(folder / "stopped", None)
    (straight,), (stopped,) = ((folder / name).glob("*.npz") for name in ("straight", "stopped"))
    assert straight.name == stopped.name and straight.read_bytes() == stopped.read_bytes()


@pytest.mark.parametrize("bottleneck", ["gaussian", "codebook"])
def test_prior(head, corpus, tmp_path, bottleneck):
    config = PriorTraining(batch=2, network={**SMALL, "latent": 16, "bottleneck": bottleneck}, run=RUN)
    same_when_stopped(lambda at, progress: train_prior(config, corpus, head, at, progress=progress), tmp_path)


def test_speech_to_motion(head, corpus, tmp_path):
    config = AnimateTraining(batch=4, seconds=0.6, network={**SMALL, "blocks": 1}, run=RUN)
    same_when_stopped(lambda at, progress: train_animate(config, corpus, head, at, progress=progress), tmp_path)


def test_an_exchange_that_cannot_be_is_refused_before_anything_is_learnt(head, corpus, tmp_path):
    late = ExchangeConfig(lips=0.5, begin=4)
    alone = AnimateTraining(batch=1, seconds=0.6, network={**SMALL, "blocks": 1}, exchange=late, run=RUN)
    with pytest.raises(InputError, match="a batch of 1 is too few to exchange emotions in"):
        train_animate(alone, corpus, head, tmp_path)
    assert not list(tmp_path.iterdir())
    for wrong in ("crops", "frames", "pictures"):
        with pytest.raises(InputError, match=f"{wrong} .*0.* wanted at least one of each"):
            ExchangeConfig(**{wrong: 0})


def test_what_the_corpus_decides_is_not_to_be_set(head, corpus, tmp_path):
    for name in ("features", "motion", "speakers"):
        config = AnimateTraining(batch=4, seconds=0.6, network={**SMALL, name: 3}, run=RUN)
        with pytest.raises(InputError, match=f"network sets {name}, which head or corpus decide"):
            train_animate(config, corpus, head, tmp_path)


@pytest.mark.parametrize("bottleneck", ["gaussian", "codebook"])
def test_bfloat16_is_near(head, corpus, tmp_path, bottleneck):
    """On the CPU what CUDA does by default: products of three digits, and float32 where it counts."""
    totals, prior = [], {**SMALL, "latent": 16, "bottleneck": bottleneck}
    for precision in ("float32", "bfloat16"):
        run, at = dataclasses.replace(RUN, precision=precision), tmp_path / precision
        network = train_prior(PriorTraining(batch=2, network=prior, run=run), corpus, head, at)
        told = AnimateTraining(
            prior=str(at / "prior.npz"), batch=2, seconds=0.6, network={**SMALL, "blocks": 1}, run=run
        )
        train_animate(told, corpus, head, at / "model")
        assert all(value.dtype == torch.float32 for value in network.state_dict().values())
        rows = [json.loads((folder / "log.jsonl").read_text()) for folder in (at, at / "model")]
        totals.append([row["total"] for row in rows])
    assert totals[0] != totals[1] and totals[1] == pytest.approx(totals[0], rel=0.02)


def test_speech(tmp_path):
    for spoken in (bursts(), bursts("b", 1)):
        save(spoken, tmp_path / "corpus" / "aligned")
    small = EncoderConfig(**SMALL, blocks=1, back=8, ahead=4, reach=2, live_ahead=(1,))
    config = speech.TrainConfig(parts={"aligned": 1.0}, batch=2, seconds=1.0, encoder=small, run=RUN)
    config = dataclasses.replace(config, validate_every=2)

    def train(at, progress):
        speech.train(config, at, corpus=tmp_path / "corpus", progress=progress)

    same_when_stopped(train, tmp_path)
