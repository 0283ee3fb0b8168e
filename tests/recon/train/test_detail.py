"""recon-detail learns two made faces by heart, goes on where it stopped, and is measured against no detail at all."""

import dataclasses
from functools import partial

import pytest
import torch

from learning.run import RunConfig
from recon.detail.network import Heights
from recon.synthetic.folded_faces import FoldedFaces
from recon.train.detail import (
    HELD,
    TIMES,
    Batch,
    DetailTraining,
    FoldedSource,
    Slopes,
    losses,
    measured,
    started,
    train_detail,
)
from tests.recon.train.resumed import check_goes_on

RUN = RunConfig(steps=60, warm=5, decay=20, rate=4e-3, average=0.8, weight_decay=0.0, save_every_s=1e9, sheet_every=0)
SMALL = DetailTraining(batch=2, held_out=1, network={"channels": [8, 8, 16, 16]}, run=RUN)


def test_losses_have_their_least_at_the_truth_and_gradients_everywhere(head):
    slopes = Slopes(head)
    rows, columns = slopes.area.shape
    torch.manual_seed(0)
    true = 0.2 * torch.randn(1, rows, columns)
    batch = Batch(None, true, 0.5 * true, torch.ones(1, rows, columns))
    told = Heights(*(p.clone().requires_grad_() for p in (0.5 * true, torch.full_like(true, -3.0), 0.2 * true)))
    parts = losses(told, batch, slopes, DetailTraining())
    parts["total"].backward()
    for part in vars(told).values():
        assert part.grad[0][slopes.area > 0.5].abs().gt(0).float().mean() > 0.99
    right = losses(Heights(true, told.logvar.detach(), 0.5 * true), batch, slopes, DetailTraining())
    assert all(right[name] < parts[name].detach() for name in ("likelihood", "slope", "rest"))


def test_slopes_are_tangents(head):
    slopes = Slopes(head)
    across = torch.cumsum(slopes.step[0], 1)[None]  # mm to the right
    found = slopes(0.3 * across)[0, 0]
    where = slopes.area[1:-1, 1:-1] > 0.5
    assert (found[where] - 0.3).abs().mean() < 0.01


def test_every_face_comes_as_often(head):
    source = FoldedSource(head, 0)
    places = [source._number(k) for k in range(2 * HELD * TIMES)]
    assert sorted(places) == sorted(list(range(2 * HELD)) * TIMES)
    assert max(places[: HELD * TIMES]) < HELD


@pytest.mark.long
def test_it_learns_by_heart_and_goes_on_where_it_stopped(head, tmp_path):
    net = train_detail(SMALL, head, tmp_path / "by heart", overfit=2)
    faces = [FoldedFaces(head, 0).face(n) for n in range(2)]
    knows, new = measured(net, faces, head), measured(started(SMALL, head).eval(), faces, head)
    assert knows["normal_deg"] < 0.8 * knows["flat_deg"] and knows["height_mm"] < 0.8 * knows["flat_mm"]
    assert new["normal_deg"] > knows["normal_deg"]

    short = dataclasses.replace(SMALL, run=dataclasses.replace(RUN, steps=6, save_every_s=0.0))
    check_goes_on(partial(train_detail, short, head, overfit=2), tmp_path, stop=4)
