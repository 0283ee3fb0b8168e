"""What every training run has: a config, an optimiser whose rate rises and falls, averaged weights, and a way to go on.

A run that is stopped and started again ends with the weights that it would have had: batches and noise come from seed
and step alone, and a saved state holds everything else.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from flame_tools.archive import written_whole
from flame_tools.errors import InputError


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
    save_every_s: float = 120.0
    """Seconds between saved states."""


class Run:
    """A network under training: its weights and their average, the optimiser, and the step they are at."""

    def __init__(self, model: nn.Module, config: RunConfig):
        self.model, self.config = model.to(config.device), config
        self.optimiser = torch.optim.AdamW(
            [value for value in model.parameters() if value.requires_grad],
            config.rate, betas=(0.9, 0.98), weight_decay=config.weight_decay,
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
        return torch.Generator(self.config.device).manual_seed((self.config.seed << 32) + self.step)

    def update(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimiser.step()
        self.step += 1
        keep = min(self.config.average, self.step / (self.step + 10))  # an average of few steps is young
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - keep)
            else:
                self.average[name].copy_(value)

    def save(self, path: Path) -> None:
        state = {
            "step": self.step, "model": self.model.state_dict(), "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip
        with written_whole(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
        state = torch.load(path, map_location=self.config.device, weights_only=True)
        self.step, self.average = state["step"], state["average"]
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])


def go_on(run: Run, losses: Callable[[Run], dict[str, Tensor]], folder: Path) -> None:
    """Train to the end in `folder`, from `state.pt` if it is there; `losses` gives the next step's, with a "total".

    Writes `state.pt` now and then and at the end, and the mean losses of every 50 steps to `log.jsonl`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "state.pt").is_file():
        run.restore(folder / "state.pt")
    saved, sums = time.monotonic(), {}
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        while run.step < run.config.steps:
            parts = losses(run)
            run.update(parts["total"])
            for name, value in parts.items():
                sums.setdefault(name, []).append(value.item())
            if run.step % 50 == 0 or run.step == run.config.steps:
                means = {name: sum(values) / len(values) for name, values in sums.items()}
                log.write(json.dumps({"step": run.step, **means}) + "\n")
                log.flush()
                sums = {}
            if time.monotonic() - saved > run.config.save_every_s:
                run.save(folder / "state.pt")
                saved = time.monotonic()
    run.save(folder / "state.pt")


def read_config(default, path: Path):
    """`default`, a dataclass, with the fields that a JSON file sets; unknown ones are refused."""
    return filled(default, json.loads(path.read_text(encoding="utf-8")), str(path))


def filled(default, given: dict, where: str):
    """`default` with the fields that `given` sets, dataclasses within it likewise."""
    known = {f.name for f in dataclasses.fields(default)}
    if unknown := set(given) - known:
        raise InputError(f"{where} sets {sorted(unknown)}; known here: {', '.join(sorted(known))}")
    values = {}
    for name, value in given.items():
        now = getattr(default, name)
        if dataclasses.is_dataclass(now):
            value = filled(now, value, f"{where}: {name}")
        values[name] = tuple(value) if isinstance(value, list) else value
    return dataclasses.replace(default, **values)
