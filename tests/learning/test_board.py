"""Figures and pictures of a run reach TensorBoard's files, and a run without the package says so and goes on."""

import io
import logging
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from learning.board import board_in
from learning.run import Run, RunConfig, go_on

CONFIG = RunConfig(steps=60, warm=5, decay=10, rate=0.01, sheet_every=30)


def trained(folder):
    torch.manual_seed(0)
    run = Run(torch.nn.Linear(3, 1), CONFIG)

    def losses(run):
        x = torch.randn(16, 3, generator=run.generator())
        error = (run.model(x)[:, 0] - x.sum(-1)).square().mean()
        return {"error": error, "total": error}

    def sheet(run):
        return np.full((4, 6, 3), run.step, np.uint8)

    go_on(run, losses, folder, validate=lambda run: {"right": 0.5, "name": "x"}, validate_every=40, sheet=sheet)
    return run


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return found


def test_figures_and_pictures_come_back(tmp_path):
    trained(tmp_path)
    found = read(tmp_path)
    assert set(found.Tags()["scalars"]) == {"error", "total", "rate", "right"}
    error, rate = found.Scalars("error"), found.Scalars("rate")
    assert [row.step for row in error] == [50, 60] and error[1].value < error[0].value
    assert [row.value for row in rate] == pytest.approx([0.01, 0.0])
    assert [(row.step, row.value) for row in found.Scalars("right")] == [(40, 0.5), (60, 0.5)]
    pictures = found.Images("sheet")
    assert [picture.step for picture in pictures] == [30, 60]
    pixels = np.asarray(Image.open(io.BytesIO(pictures[1].encoded_image_string)))
    assert pixels.shape == (4, 6, 3) and (pixels == 60).all()


def test_going_on_hides_what_was_written_beyond(tmp_path):
    for start, value in ((0, 1.0), (20, 2.0)):
        with board_in(tmp_path, start, active=True) as board:
            for step in range(start + 10, 50, 10):
                board.scalars(step, {"error": value})
        time.sleep(1.01)  # files are read in the order of their names, which have the second in them
    rows = [(row.step, row.value) for row in read(tmp_path).Scalars("error")]
    assert rows == [(10, 1.0), (20, 1.0), (30, 2.0), (40, 2.0)]


def test_without_tensorboard_a_run_says_so_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with caplog.at_level(logging.WARNING):
        run = trained(tmp_path)
    assert run.step == 60 and not (tmp_path / "tensorboard").exists()
    (line,) = [record.getMessage() for record in caplog.records if "TensorBoard" in record.getMessage()]
    assert "pip install 'emberface[train]'" in line
