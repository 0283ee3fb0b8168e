"""Trains `emberface-speech` on the corpus that tools/speech_corpus builds.

python -m animate.train.speech CONFIG.json FOLDER [--overfit N]

CONFIG.json holds what differs from TrainConfig. FOLDER takes `state.pt` (everything that going on needs), `log.jsonl`
and, at the end, `encoder.npz`. Run it again with the same words and it goes on from the step where it was stopped, as
if it had not been: batches depend on seed and step alone. The learning rate is level until the last `decay` steps, so
that more steps can be added to a run that has not begun to decay (`level.pt` is its last state before).
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from animate.encoder.corpus import corpus_folder, load_corpus
from animate.encoder.data import NOTHING, AugmentConfig, Batch, Item, batch, items
from animate.encoder.features import log_mel
from animate.encoder.losses import LossConfig, losses
from animate.encoder.model import EncoderConfig, SpeechEncoder
from animate.encoder.validate import Validation, validate
from animate.encoder.weights import save_weights
from flame_tools.archive import written_whole
from flame_tools.errors import InputError


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    parts: dict[str, float] = field(default_factory=lambda: {"aligned": 0.5, "recognised": 0.3, "synthetic": 0.2})
    """Folders of the corpus and the share of crops that comes from each."""
    steps: int = 3000
    """Updates in all."""
    batch: int = 12
    """Crops a step."""
    seconds: float = 4.0
    """Length of a crop."""
    rate: float = 1e-3
    """Learning rate of AdamW."""
    warm: int = 100
    """Steps over which the rate rises."""
    decay: int = 600
    """Steps at the end over which it falls to nothing."""
    weight_decay: float = 0.02
    """AdamW's."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    average: float = 0.995
    """Share of the averaged weights that a step keeps."""
    live: float = 0.4
    """Share of the steps that look only as far ahead as a stream does."""
    masks: int = 2
    """Stretches of bands and of time that are hidden from each crop (SpecAugment, Park et al. 2019)."""
    seed: int = 0
    """Of weights, crops and masks."""
    threads: int = 1
    """Threads of torch: the result depends on their number."""
    bfloat16: bool = True
    """Matrix products in bfloat16."""
    device: str = "cpu"
    """Where to train: cpu or cuda."""
    save_every_s: float = 120.0
    """Seconds between saved states."""
    validate_every: int = 200
    """Steps between validations."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """The network."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How crops are changed."""
    loss: LossConfig = field(default_factory=LossConfig)
    """What counts how much."""


def read_config(path: Path) -> TrainConfig:
    """A JSON file of the fields that differ from TrainConfig; unknown ones are refused."""
    return _filled(TrainConfig(), json.loads(Path(path).read_text(encoding="utf-8")), str(path))


def _filled(default, given: dict, where: str):
    known = {f.name for f in dataclasses.fields(default)}
    if unknown := set(given) - known:
        raise InputError(f"{where} sets {sorted(unknown)}; known here: {', '.join(sorted(known))}")
    values = {}
    for name, value in given.items():
        now = getattr(default, name)
        if dataclasses.is_dataclass(now):
            value = _filled(now, value, f"{where}: {name}")
        values[name] = tuple(value) if isinstance(value, list) else value
    return dataclasses.replace(default, **values)


class Training:
    """A run: the network, its average, the optimiser, and the step they are at."""

    def __init__(self, config: TrainConfig, pool: list[Item], weights: np.ndarray):
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.pool, self.weights = config, pool, weights
        self.encoder = SpeechEncoder(config.encoder)
        self._normalise()
        self.encoder.to(config.device)
        self.average = {name: value.detach().clone() for name, value in self.encoder.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.encoder.parameters(), config.rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
        )
        self.step = 0

    def _normalise(self) -> None:
        """Bands of log-mel to mean 0 and deviation 1 over the first crops."""
        first = batch(
            self.pool, self.weights, 32, self.config.seconds, self.config.augment, seed=self.config.seed, step=0
        )
        mel = log_mel(first.samples).flatten(0, 1)
        self.encoder.mean.copy_(mel.mean(0))
        self.encoder.sd.copy_(mel.std(0).clamp(min=0.1))

    def rate(self) -> float:
        config = self.config
        left = (config.steps - self.step) / max(config.decay, 1)
        return config.rate * min((self.step + 1) / config.warm, 1.0, left)

    def advance(self) -> dict[str, float]:
        """One update. Returns the parts of the loss."""
        config = self.config
        drawn = batch(
            self.pool, self.weights, config.batch, config.seconds, config.augment, seed=config.seed, step=self.step
        )
        drawn = Batch(*(value.to(config.device) for value in vars(drawn).values()))
        rng = np.random.default_rng((config.seed, self.step))
        mel = _masked(log_mel(drawn.samples), self.encoder.mean, config.masks, rng)
        ahead = config.encoder.live_ahead if rng.random() < config.live else None
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        with torch.autocast(config.device, torch.bfloat16, enabled=config.bfloat16):
            heard = self.encoder(mel, ahead)
        frames = drawn.phones.shape[1]  # a crop's last sample has a frame of its own
        heard = type(heard)(*(value[:, :frames] for value in vars(heard).values()))
        parts = losses(heard, drawn, config.loss)
        self.optimiser.zero_grad()
        parts["total"].backward()
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), config.clip)
        self.optimiser.step()
        self.step += 1
        keep = min(config.average, self.step / (self.step + 10))
        for name, value in self.encoder.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)
        return {name: value.item() for name, value in parts.items()}

    def averaged(self) -> SpeechEncoder:
        encoder = SpeechEncoder(self.config.encoder)
        encoder.load_state_dict(self.average)
        return encoder.eval()

    def state(self) -> dict:
        return {
            "step": self.step,
            "encoder": self.encoder.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict) -> None:
        self.step = state["step"]
        self.encoder.load_state_dict(state["encoder"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])


def _masked(mel: Tensor, mean: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """Mel [B, F, M] with stretches of bands and of time at the mean."""
    mel = mel.clone()
    for row in mel:
        for _ in range(count):
            bands, frames = rng.integers(0, 14), rng.integers(0, 10)
            low, first = rng.integers(0, row.shape[1] - bands), rng.integers(0, row.shape[0] - frames)
            row[:, low : low + bands] = mean[low : low + bands]
            row[first : first + frames] = mean
    return mel


def shares(pool: list[Item], folders: dict[str, set[str]], parts: dict[str, float]) -> np.ndarray:
    """Chance [len(pool)] of each item: its part's share, spread over the part by length."""
    chances = np.zeros(len(pool))
    for part, share in parts.items():
        lengths = np.array([item.spoken.duration_s * (item.spoken.name in folders[part]) for item in pool])
        chances += share * lengths / max(lengths.sum(), 1e-9)
    return chances / chances.sum()


def train(config: TrainConfig, folder: Path, *, overfit: int = 0) -> Validation:
    """Train, or go on training, in `folder`. `overfit` > 0 learns that many utterances by heart, unchanged."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.threads)
    folders = {part: corpus_folder() / part for part in config.parts}
    learnt, kept = load_corpus(folders.values())
    names = {part: {path.stem for path in at.glob("[!.]*.npz")} for part, at in folders.items()}
    if overfit:
        learnt = kept = learnt[:overfit]
        config = dataclasses.replace(config, augment=NOTHING, masks=0, live=0.0)
    pool = items(learnt, corpus_folder() / "prosody")
    run = Training(config, pool, shares(pool, names, config.parts))
    if (folder / "state.pt").is_file():
        run.restore(torch.load(folder / "state.pt", map_location=config.device, weights_only=True))
    log = (folder / "log.jsonl").open("a", encoding="utf-8")
    saved = time.monotonic()
    sums: dict[str, float] = {}
    since = run.step
    while run.step < config.steps:
        if run.step == config.steps - config.decay:
            _save(run, folder / "level.pt")
        for name, value in run.advance().items():
            sums[name] = sums.get(name, 0.0) + value
        if run.step % 50 == 0:
            means = {name: round(value / (run.step - since), 4) for name, value in sums.items()}
            _write(log, {"step": run.step, **means})
            sums, since = {}, run.step
        if run.step % config.validate_every == 0:
            _write(log, {"step": run.step, **dataclasses.asdict(validate(run.averaged(), kept))})
        if time.monotonic() - saved > config.save_every_s:
            _save(run, folder / "state.pt")
            saved = time.monotonic()
    _save(run, folder / "state.pt")
    save_weights(run.averaged(), folder / "encoder.npz")
    return validate(run.averaged(), kept)


def _save(run: Training, path: Path) -> None:
    with written_whole(path) as temporary:
        torch.save(run.state(), temporary)


def _write(log, row: dict) -> None:
    log.write(json.dumps({"time": round(time.time()), **row}) + "\n")
    log.flush()


def main(arguments: list[str]) -> int:
    if len(arguments) not in (2, 4) or (len(arguments) == 4 and arguments[2] != "--overfit"):
        sys.exit(__doc__)
    overfit = int(arguments[3]) if len(arguments) == 4 else 0
    train(read_config(Path(arguments[0])), Path(arguments[1]), overfit=overfit)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
