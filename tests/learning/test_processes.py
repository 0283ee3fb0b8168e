"""Two processes make of a network what one makes of it, and go on where one of them was killed."""

import json
import os
import signal

import numpy as np
import pytest
import torch

from animate.batches import Crops
from animate.corpus import Clip, Corpus
from animate.encoder.data import NOTHING, Item, batch
from animate.losses.masked import masked_mean
from animate.prior import Prior, PriorConfig
from flame_tools.errors import InputError
from learning import processes
from learning.run import Run, RunConfig, go_on
from tests.animate.encoder.test_data import bursts

CONFIG = RunConfig(steps=8, warm=3, decay=3, rate=3e-3, average=0.9, save_every_s=0.0)
FRAMES = torch.tensor([16, 3, 16, 9, 16, 16])  # of each crop: the halves of the batch do not have as many


def made(bottleneck):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    # In float64: what rounding makes of a gradient that is nothing, AdamW would take for one.
    return Run(Prior(PriorConfig(5, latent=16, width=16, heads=2, bottleneck=bottleneck)).double(), CONFIG)


def losses(run):
    part = processes.part_of(len(FRAMES))
    rng = torch.Generator().manual_seed(run.step)
    motion = torch.randn(len(FRAMES), 16, 5, generator=rng, dtype=torch.float64)[part]
    mask = torch.arange(16) < FRAMES[part, None]
    back = run.model(motion, run.generator())
    error = masked_mean((back.motion - motion).square().mean(-1), mask)
    return {"error": error, "total": error + 1e-2 * back.cost}


def looking():
    """A network of pictures: its weights do not lie in memory as their indices say."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(16, 32, 3), torch.nn.ReLU(), torch.nn.Conv2d(32, 32, 3))
    return Run(net.double().to(memory_format=torch.channels_last), CONFIG)


def squares(run):
    rng = torch.Generator().manual_seed(run.step)
    pictures = torch.randn(6, 16, 8, 8, generator=rng, dtype=torch.float64)[processes.part_of(6)]
    return {"total": (run.model(pictures) - 1).square().mean()}


def work(folder, killed_at):
    for bottleneck in ("gaussian", "codebook"):
        go_on(made(bottleneck), losses, folder / bottleneck)
    go_on(looking(), squares, folder / "looking")

    def until_killed(run):
        if run.step == killed_at and processes.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return losses(run)

    go_on(made("gaussian"), until_killed, folder / "killed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both bottlenecks trained by two processes; then the second one is killed at step 5 and a new one goes on."""
    folder = tmp_path_factory.mktemp("two")
    with (
        pytest.raises(InputError, match="one of the 2 processes ended with code -9"),
        processes.together(2, "cpu", work, (folder, 5)),
    ):
        work(folder, 5)
    assert state(folder / "killed")["step"] == 5 and processes.count() == 1
    with processes.together(2, "cpu", work, (folder, -1)):
        work(folder, -1)
    return folder


def state(folder):
    return torch.load(folder / "state.pt", weights_only=True)


@pytest.mark.parametrize("bottleneck", ["gaussian", "codebook"])
def test_two_processes_are_as_one(folder, tmp_path, bottleneck):
    go_on(run := made(bottleneck), losses, tmp_path)
    both = state(folder / bottleneck)
    for name, value in run.model.state_dict().items():
        # Sums are taken in another order: worst seen 1e-12, in biases of attention's keys, whose gradient is nothing.
        assert torch.allclose(both["model"][name], value, rtol=0, atol=1e-10), name
        assert torch.allclose(both["average"][name], run.average[name], rtol=0, atol=1e-10), name
    rows, own = ([json.loads(line) for line in (at / "log.jsonl").open()] for at in (folder / bottleneck, tmp_path))
    assert [row["step"] for row in rows] == [8]  # one of the two writes
    assert rows[0] == pytest.approx(own[0], rel=1e-9)


def test_two_processes_are_as_one_for_pictures(folder, tmp_path):
    go_on(run := looking(), squares, tmp_path)
    both = state(folder / "looking")
    for name, value in run.model.state_dict().items():
        assert torch.allclose(both["model"][name], value, rtol=0, atol=1e-10), name


def test_a_killed_run_goes_on_to_the_bit(folder):
    straight, again = state(folder / "gaussian"), state(folder / "killed")
    assert again["step"] == 8
    for kind in ("model", "average"):
        assert all(torch.equal(value, again[kind][name]) for name, value in straight[kind].items())


def test_a_part_of_a_batch_is_its_rows():
    rng = np.random.default_rng(0)

    def clip(frames, speaker):
        rows = [rng.random((frames, n)).astype(np.float16) for n in (3, 5, 8)]
        return Clip(*rows, np.zeros(frames, np.int8), speaker, "")

    crops = Crops(Corpus((clip(50, "a"), clip(20, "b")), 30, "", "", ("a", "b")), 1.0, seed=3)
    whole, part = crops.batch(6, 4), crops.batch(6, 4, slice(2, 4))
    assert all(torch.equal(own[2:4], cut) for own, cut in zip(vars(whole).values(), vars(part).values(), strict=True))
    pool = [Item(bursts(), np.zeros(900, np.float32), np.ones(900, np.float32))]
    options = {"size": 4, "seconds": 1.0, "config": NOTHING, "seed": 3, "step": 4}
    whole, part = (batch(pool, np.ones(1), **options, part=rows) for rows in (slice(None), slice(1, 2)))
    assert all(torch.equal(own[1:2], cut) for own, cut in zip(vars(whole).values(), vars(part).values(), strict=True))


def test_alone_nothing_changes():
    value = torch.randn(3, 2)
    assert processes.count() == 1 and processes.rank() == 0
    assert processes.mean(value) is value and processes.gathered(value) is value
    noise = processes.normal(value, torch.Generator().manual_seed(0))
    assert torch.equal(noise, torch.randn(3, 2, generator=torch.Generator().manual_seed(0)))
    assert list(range(5))[processes.part_of(5)] == [0, 1, 2, 3, 4]
