"""A run that is stopped and goes on ends where it would have ended."""

import dataclasses
import json

import pytest
import torch

from flame_tools.errors import FormatError, InputError
from learning.config import read_config
from learning.run import Run, RunConfig, go_on

CONFIG = RunConfig(steps=60, warm=5, decay=10, rate=0.01)


def made(config=CONFIG):
    torch.manual_seed(0)
    return Run(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)), config)


def losses(run):
    x = torch.randn(16, 3, generator=run.generator())
    error = (run.model(x)[:, 0] - x.sum(-1)).square().mean()
    return {"error": error, "total": error}


def test_stopped_and_gone_on_is_the_same(tmp_path):
    go_on(straight := made(), losses, tmp_path / "straight")

    class Stop(Exception):
        pass

    def until_23(run):
        if run.step == 23:
            run.save(tmp_path / "stopped" / "state.pt")
        if run.step == 31:
            raise Stop
        return losses(run)

    with pytest.raises(Stop):
        go_on(made(), until_23, tmp_path / "stopped")
    go_on(again := made(), losses, tmp_path / "stopped")
    for name, value in straight.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
        assert torch.equal(straight.average[name], again.average[name]), name
    rows = [json.loads(line) for line in (tmp_path / "straight" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [50, 60] and rows[1]["error"] < rows[0]["error"]


def test_a_state_of_another_network_is_refused(tmp_path):
    made().save(tmp_path / "state.pt")
    other = Run(torch.nn.Linear(3, 1), CONFIG)
    with pytest.raises(FormatError, match=r"state\.pt is no state of this network; .* another folder"):
        go_on(other, losses, tmp_path)
    for content in (b"no state", b""):
        (tmp_path / "state.pt").write_bytes(content)
        with pytest.raises(FormatError, match="is no state"):
            go_on(made(), losses, tmp_path)
    torch.save([1, 2], tmp_path / "state.pt")
    with pytest.raises(FormatError, match="is no state"):
        go_on(made(), losses, tmp_path)


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(tmp_path):
    def until_33(run):
        parts = losses(run)
        return {**parts, "total": parts["total"] * float("nan")} if run.step == 33 else parts

    config = dataclasses.replace(CONFIG, save_every_s=0.0)
    with pytest.raises(InputError, match="weights are not finite at step 34: lower"):
        go_on(made(config), until_33, tmp_path)
    (again := made(config)).restore(tmp_path / "state.pt")
    assert again.step == 33 and all(value.isfinite().all() for value in again.model.state_dict().values())


def test_precision_is_float32_on_the_cpu_unless_asked():
    x = torch.ones(2, 3)
    for precision, kind in (("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        run = made(dataclasses.replace(CONFIG, precision=precision))
        with run.autocast():
            assert run.model[0](x).dtype == kind
        assert run.model[0].weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", float("nan")), ("rate", float("inf")), ("average", float("nan")), ("clip", float("nan")),
        ("clip", 0.0), ("weight_decay", float("nan")), ("weight_decay", -0.1), ("save_every_s", float("nan")),
        ("warm", -1), ("decay", -1), ("seed", -1), ("seed", 1 << 30), ("sheet_every", -1),
    ],
)  # fmt: skip
def test_numbers_that_nothing_learns_by_are_refused(name, value):
    with pytest.raises(InputError, match=f"{name} is {value:g}" if value != 1 << 30 else "seed is 1073741824"):
        dataclasses.replace(CONFIG, **{name: value})


def test_threads_that_no_machine_has_are_refused():
    with pytest.raises(InputError, match=r"threads 100000; wanted .* at most 1024"):
        dataclasses.replace(CONFIG, threads=100000)


def test_the_network_that_a_run_ends_with_is_measured(tmp_path):
    go_on(made(), losses, tmp_path, validate=lambda run: {"at": run.step}, validate_every=25)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["at"] for row in rows if "at" in row] == [25, 50, 60]


def test_the_rate_rises_and_falls():
    run, rates = made(), []
    for run.step in range(60):
        rates.append(run.rate)
    assert rates[0] == pytest.approx(0.002) and rates[4:51] == pytest.approx([0.01] * 47)
    assert rates[59] == pytest.approx(0.001) and rates[50:] == sorted(rates[50:], reverse=True)


def test_the_average_lags_behind():
    run = made()
    for _ in range(30):
        run.update(losses(run)["total"])
    start, now, average = made().model[0].weight, run.model[0].weight, run.average["0.weight"]
    assert 0 < (average - now).norm() < (start - now).norm()


@dataclasses.dataclass(frozen=True)
class Outer:
    size: tuple[int, ...] = (1,)
    run: RunConfig = CONFIG


def test_a_config_file_sets_what_differs(tmp_path):
    (tmp_path / "c.json").write_text('{"size": [2, 3], "run": {"steps": 7}}')
    read = read_config(Outer(), tmp_path / "c.json")
    assert read == Outer((2, 3), dataclasses.replace(CONFIG, steps=7))
    (tmp_path / "c.json").write_text('{"run": {"stepz": 7}}')
    with pytest.raises(InputError, match="stepz"):
        read_config(Outer(), tmp_path / "c.json")


def test_a_gradient_that_is_no_number_is_not_saved_over_good_weights(tmp_path):
    def rooted(run):
        if run.step == 5:
            zero = run.model(torch.zeros(4, 3)).sum() * 0
            return {"total": zero.square().sqrt()}  # 0, whose derivative is not finite
        return losses(run)

    config = dataclasses.replace(CONFIG, save_every_s=0)
    with pytest.raises(InputError, match=r"weights are not finite at step 6: .*state\.pt is from before"):
        go_on(made(config), rooted, tmp_path)
    (again := made(config)).restore(tmp_path / "state.pt")
    assert again.step == 5 and again.is_finite()
