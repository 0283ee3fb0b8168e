"""The judges' networks: of other architectures than the readers', so that they do not fail where those do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from assets.locate import asset_path
from flame_tools.archive import read_npz, write_npz
from flame_tools.weights import arrays_of, filled
from readers.look import checked_pictures, standardised

FPS = 30  # of the lip judge's pictures
EVERY_S = 0.5  # between the emotion judge's
_KINDS = {"lips": "emberface-lip-judge", "emotion": "emberface-emotion-judge"}
_VERSION = 1


@dataclass(frozen=True)
class JudgeConfig:
    """Sizes of a judge."""

    names: tuple[str, ...]
    """Of its classes: phones or emotions."""
    size: int
    """Pixels a side of its pictures."""
    width: int
    """Of its tokens."""


class LipJudge(nn.Module):
    """Pictures of a mouth [B, T, size, size] at 30 a second -> log-probabilities of phones [B, T, C]."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config = config
        w = config.width
        self.see = nn.Sequential(
            nn.Conv2d(1, 32, 8, 4, 2), nn.GroupNorm(4, 32), nn.GELU(),
            nn.Conv2d(32, 64, 4, 2, 1), nn.GroupNorm(4, 64), nn.GELU(),
            nn.Conv2d(64, w, 4, 2, 1), nn.GELU(),
        )  # fmt: skip
        side = config.size // 16
        self.enter = nn.Linear(w * side * side, w)
        self.listen = nn.GRU(w, w, batch_first=True, bidirectional=True)
        self.name = nn.Linear(2 * w, len(config.names))

    def forward(self, pictures: Tensor) -> Tensor:
        batch, count = checked_pictures(pictures, self.config.size).shape[:2]
        x = self.see(standardised(pictures).flatten(0, 1)[:, None]).flatten(1)
        x = torch.tanh(self.enter(x)).unflatten(0, (batch, count))
        return self.name(self.listen(x)[0]).log_softmax(-1)


class EmotionJudge(nn.Module):
    """Pictures of a face [B, T, size, size], half a second apart -> intensities [B, C] in [0, 1] and logits [B, C].

    One question an emotion chooses among the pictures (attention), and has an answer of its own to what it found.
    """

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config = config
        w = config.width
        self.see = nn.Sequential(
            nn.Conv2d(1, 32, 8, 4, 2), nn.GroupNorm(4, 32), nn.GELU(),
            nn.Conv2d(32, 64, 4, 2, 1), nn.GroupNorm(4, 64), nn.GELU(),
            nn.Conv2d(64, w, 4, 2, 1), nn.GELU(),
        )  # fmt: skip
        side = config.size // 16
        self.enter = nn.Sequential(nn.Linear(w * side * side, w), nn.LayerNorm(w), nn.GELU())
        self.ask = nn.Parameter(0.5 * torch.randn(len(config.names), w))
        self.find = nn.MultiheadAttention(w, 4, batch_first=True)
        self.answer = nn.Parameter(w**-0.5 * torch.randn(len(config.names), w, 2))
        self.bias = nn.Parameter(torch.zeros(len(config.names), 2))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        batch, count = checked_pictures(pictures, self.config.size).shape[:2]
        x = self.see(standardised(pictures).flatten(0, 1)[:, None]).flatten(1)
        x = self.enter(x).unflatten(0, (batch, count))
        found, _ = self.find(self.ask.expand(batch, -1, -1), x, x, need_weights=False)
        amount, lead = (torch.einsum("bcw,cwk->bck", found, self.answer) + self.bias).unbind(-1)
        return amount.sigmoid(), lead


JUDGES = {"lips": LipJudge, "emotion": EmotionJudge}


def save_judge(judge: LipJudge | EmotionJudge, path: Path) -> None:
    kind = "lips" if isinstance(judge, LipJudge) else "emotion"
    write_npz(path, arrays_of(judge), {"format": _KINDS[kind], "version": _VERSION, "config": asdict(judge.config)})


def load_judge(kind: str, path: Path | None = None) -> LipJudge | EmotionJudge:
    """The judge of "lips" or "emotion" in a file, strictly; the bundled one where none is given."""
    path = asset_path({"lips": "lip_judge", "emotion": "emotion_judge"}[kind]) if path is None else path
    arrays, header = read_npz(path, _KINDS[kind], _VERSION)
    config = {name: tuple(v) if isinstance(v, list) else v for name, v in header["config"].items()}
    return filled(JUDGES[kind](JudgeConfig(**config)), arrays, path)
