"""What every training run has: a config, an optimiser whose rate rises and falls, averaged weights, and a way to go on.

A run that is stopped and started again ends with the weights that it would have had: batches and noise come from seed
and step alone, and a saved state holds everything else. Several processes (learning.processes) may share each batch.
"""

from __future__ import annotations

import json
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from flame_tools.archive import written_whole
from flame_tools.errors import FormatError, InputError
from learning import processes
from learning.board import board_in

Progress = Callable[[int, dict[str, float]], None]
"""Told after each step how many are done, and the mean losses that were last logged."""

_LOG_EVERY = 50  # steps
_MOST_THREADS = 1024
_SEEDS = 1 << 30  # a seed and a step make one number of 64 bits
_DROPOUT = 1 << 62  # what sets the noise of networks apart from that of batches


@dataclass(frozen=True)
class RunConfig:
    """How a network is updated."""

    steps: int = 3000
    """Updates in all."""
    rate: float = 1e-3
    """Learning rate of AdamW."""
    warm: int = 100
    """Steps over which the rate rises."""
    decay: int = 600
    """Steps at the end over which it falls to nothing."""
    weight_decay: float = 0.01
    """AdamW's."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    average: float = 0.995
    """Share of the averaged weights that a step keeps."""
    seed: int = 0
    """Of weights, crops and noise."""
    threads: int = 1
    """Threads of torch: the result depends on their number."""
    device: str = "cpu"
    """Where to train: cpu or cuda."""
    precision: str = "auto"
    """Of matrix products: float32, bfloat16, or auto: bfloat16 on CUDA, float32 on the CPU."""
    save_every_s: float = 120.0
    """Seconds between saved states."""
    sheet_every: int = 500
    """Steps between pictures of what is learnt, where TensorBoard is installed; 0: none."""

    def __post_init__(self):
        if self.device not in ("cpu", "cuda"):
            raise InputError(f"device is {self.device!r}; wanted cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError(
                "device is cuda, and torch finds no GPU here; set device to cpu, or install torch for CUDA"
            )
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise InputError(f"precision is {self.precision!r}; wanted auto, float32 or bfloat16")
        if self.steps < 1 or not 1 <= self.threads <= _MOST_THREADS:
            raise InputError(
                f"steps are {self.steps} and threads {self.threads}; wanted at least one of each, and at most "
                f"{_MOST_THREADS} threads"
            )
        if self.seed >= _SEEDS:
            raise InputError(f"seed is {self.seed}; wanted less than {_SEEDS}")
        if not (0 < self.rate < math.inf and 0 <= self.average < 1):
            raise InputError(f"rate is {self.rate:g}, average is {self.average:g}; wanted 0 < rate, 0 <= average < 1")
        if not self.clip > 0:
            raise InputError(f"clip is {self.clip:g}; wanted more than 0")
        for name in ("warm", "decay", "weight_decay", "seed", "save_every_s", "sheet_every"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name):g}; wanted 0 or more")


class Run:
    """A network under training: its weights and their average, the optimiser, and the step they are at."""

    def __init__(self, model: nn.Module, config: RunConfig):
        self.model, self.config = model.to(config.device), config
        self.optimiser = torch.optim.AdamW(
            [value for value in model.parameters() if value.requires_grad],
            config.rate, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True,
        )  # fmt: skip
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.step = 0

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        left = (self.config.steps - self.step) / max(self.config.decay, 1)
        return self.config.rate * min((self.step + 1) / max(self.config.warm, 1), 1.0, left)

    def generator(self) -> torch.Generator:
        """Noise of this step."""
        return torch.Generator(self.config.device).manual_seed(self._seed)

    def seed_dropout(self) -> None:
        """Let what the network itself draws in this step follow from seed and step as well."""
        torch.manual_seed(_DROPOUT + self._seed)

    @property
    def _seed(self) -> int:
        return (self.config.seed << 32) + self.step

    def autocast(self) -> torch.autocast:
        """Within it matrix products have the config's precision. Weights and losses stay float32."""
        chosen = self.config.precision
        wanted = chosen == "bfloat16" or (chosen == "auto" and self.config.device == "cuda")
        return torch.autocast(self.config.device, torch.bfloat16, enabled=wanted)

    def update(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`, the mean one where several processes share the batch."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        self.optimiser.zero_grad()
        loss.backward()
        processes.average_gradients(self.model.parameters())
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimiser.step()
        self.step += 1
        keep = min(self.config.average, self.step / (self.step + 10))  # an average of few steps is young
        now = self.model.state_dict()
        moving = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[name] for name in moving], [now[name] for name in moving], 1 - keep)
        for name in now.keys() - set(moving):
            self.average[name].copy_(now[name])

    def is_finite(self) -> bool:
        """Whether every weight is a number: a finite loss can have a gradient that is none."""
        return all(bool(value.isfinite().all()) for value in self.model.parameters())

    def save(self, path: Path) -> None:
        state = {
            "step": self.step, "model": self.model.state_dict(), "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip
        with written_whole(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location=self.config.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.average = state["step"], state["average"]
        except (RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise FormatError(
                f"{path} is no state of this network; go on with the config that it began with, or in another folder"
            ) from error


def go_on(
    run: Run,
    losses: Callable[[Run], dict[str, Tensor]],
    folder: Path,
    *,
    validate: Callable[[Run], dict] | None = None,
    validate_every: int = 1000,
    sheet: Callable[[Run], np.ndarray] | None = None,
    progress: Progress | None = None,
) -> None:
    """Train to the end in `folder`, from `state.pt` if it is there; `losses` gives the next step's, with a "total".

    Writes `state.pt` now and then and at the end, `level.pt` before the rate begins to fall (more steps can be added
    from there), and to `log.jsonl` the mean losses of every 50 steps and what `validate` finds, also at the end.
    TensorBoard's files, where it is installed, go to `tensorboard/`: the same figures, and the pictures [H, W, 3] uint8
    that `sheet` draws. Of several processes all train and validate, and the first one writes, draws and reports.
    """
    config, first = run.config, processes.rank() == 0
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "state.pt").is_file():
        run.restore(folder / "state.pt")
        if run.step > config.steps:
            raise InputError(
                f"{folder / 'state.pt'} is from step {run.step}, past the {config.steps} asked for: give run.steps as "
                "many, or another folder"
            )
    if processes.mean(torch.tensor(float(run.step), device=config.device)).item() != run.step:
        raise InputError(f"processes do not find the same state.pt in {folder}; it must be a folder that all share")
    saved, means, sums = time.monotonic(), {}, {}
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log, board_in(folder, run.step, active=first) as board:

        def write(row: dict) -> None:
            if first:
                log.write(json.dumps({"step": run.step, **row}) + "\n")
                log.flush()
                board.scalars(run.step, row)

        def save(name: str) -> None:
            if not run.is_finite():
                raise InputError(f"weights are not finite at step {run.step}: lower run.rate; state.pt is from before")
            if first:
                run.save(folder / name)

        while run.step < config.steps:
            if run.step == config.steps - config.decay:
                save("level.pt")
            run.seed_dropout()
            parts = losses(run)
            run.update(parts["total"])
            for name, value in parts.items():
                sums.setdefault(name, []).append(value.detach())
            if run.step % _LOG_EVERY == 0 or run.step == config.steps:
                means = {name: _mean(values) for name, values in sums.items()}
                if not math.isfinite(means["total"]):
                    raise InputError(
                        f"the loss is {means['total']} at step {run.step}: lower run.rate; state.pt is from before"
                    )
                write(means)
                board.scalars(run.step, {"rate": run.rate})
                sums = {}
            if validate is not None and (run.step % validate_every == 0 or run.step == config.steps):
                write(validate(run))
            if sheet is not None and board.active and config.sheet_every and run.step % config.sheet_every == 0:
                with torch.no_grad():
                    board.picture(run.step, sheet(run))
            if time.monotonic() - saved > config.save_every_s:
                save("state.pt")
                saved = time.monotonic()
            if progress is not None and first:
                progress(run.step, means)
    save("state.pt")


def finished(run: Run, net: nn.Module, save: Callable[[nn.Module, Path], None], path: Path) -> None:
    """Leave the averaged weights in `net`, on the CPU and ready to use, and, by the first process, in a file."""
    net.load_state_dict(run.average)
    net.eval().cpu()
    if processes.rank() == 0:
        save(net, path)


def moved(batch, device: str):
    """A dataclass of tensors on another device."""
    return batch if device == "cpu" else type(batch)(*(value.to(device) for value in vars(batch).values()))


def _mean(values: list[Tensor]) -> float:
    """Of one loss over steps and processes."""
    return sum(processes.mean(torch.stack(values)).tolist()) / len(values)
