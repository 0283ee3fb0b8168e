"""Judges learn from ICT-FaceKit's faces: what they are shown, and a short training that goes on where it stopped."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from animate.encoder.corpus import PHONE_INDEX, Utterance
from animate.train import judges
from animate.train.readers import trained
from flame_tools.errors import InputError
from readers.judges.head import judge_head
from readers.judges.points import Points, points_of
from readers.judges.units import EMOTIONS
from tests.shared_data import shared_file


@pytest.fixture(scope="module")
def line() -> Utterance:
    phones = np.array([PHONE_INDEX[name] for name in ("SIL", "M", "AA", "P", "IY", "SIL")])
    edges = np.array([0.0, 0.5, 0.7, 1.0, 1.2, 1.6, 2.4])
    return Utterance(np.zeros(38400, np.int16), phones, edges[:-1], edges[1:], np.ones(6, bool), "speaker", "line")


@pytest.fixture(scope="module")
def small() -> judges.JudgeTraining:
    config = judges.DEFAULTS["emotion"]
    run = dataclasses.replace(config.run, steps=60, decay=20)
    return dataclasses.replace(config, batch=32, sequences=64, held_out=16, width=32, validate_every=60, run=run)


def test_faces_are_tracked_alike_by_one_seed_and_otherwise_by_another(line, small):
    head = judge_head(shared_file("heads/ict_facekit.npz"))
    points = Points(head, points_of(head, 40))
    who = judges.cast(head, [line], small, np.random.default_rng(0), 12)
    some = torch.tensor([3, 5, 8])
    moved = judges.tracked(points, who, some, 1)
    assert moved.shape == (3, small.frames, 40, 3)
    assert torch.equal(moved, judges.tracked(points, who, some, 1))
    assert (moved - judges.tracked(points, who, some, 2)).std() > 0.3
    felt = who.felt[:, 1:].sum(-1)
    still, stirred = (
        judges.tracked(points, who, torch.tensor([i]), 1).norm(dim=-1).mean() for i in (felt.argmin(), felt.argmax())
    )
    assert 0.3 < still < stirred


def test_the_emotion_judge_learns_and_a_finished_run_stays(line, small, tmp_path):
    file = shared_file("heads/ict_facekit.npz")
    made = judges.train_emotion_judge(small, tmp_path, file, [line], [line])
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [row["lead"] for row in rows if "lead" in row]
    assert losses[-1] < 0.8 * np.log(len(EMOTIONS))
    first = (tmp_path / "emotion_judge.npz").read_bytes()
    again = judges.train_emotion_judge(small, tmp_path, file, [line], [line])
    assert (tmp_path / "emotion_judge.npz").read_bytes() == first
    for a, b in zip(made.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_precision_is_heeded_and_a_device_that_is_not_is_refused(line, small, tmp_path):
    file, leads = shared_file("heads/ict_facekit.npz"), []
    for precision in ("float32", "bfloat16"):
        run = dataclasses.replace(small.run, steps=10, decay=5, precision=precision)
        judges.train_emotion_judge(dataclasses.replace(small, run=run), tmp_path / precision, file, [line], [line])
        rows = map(json.loads, (tmp_path / precision / "log.jsonl").read_text().splitlines())
        leads += [row["lead"] for row in rows if "lead" in row]
    assert leads[0] != leads[1] and leads[1] == pytest.approx(leads[0], rel=0.03)


def test_readers_learn_on_the_cpu(tmp_path):
    run = SimpleNamespace(device="cuda")  # which RunConfig refuses where there is none
    with pytest.raises(InputError, match="on the CPU"):
        trained(torch.nn.Linear(1, 1), SimpleNamespace(run=run), None, None, None, tmp_path / "a.npz", None)
