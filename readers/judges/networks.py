"""The judges' networks: of other architectures than the readers', so that they do not fail where those do.

The emotion judge sees no pictures. One that did, 64 pixels a side as the emotion reader, named both emotions of a mix
from its own tables in 42 %; points of the skin tell them in 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from assets.locate import asset_path
from flame_tools.errors import ShapeError
from flame_tools.weights import load_network, save_network
from readers.look import checked_pictures, standardised

FPS = 30  # of the lip judge's pictures
EVERY_S = 0.5  # between the emotion judge's looks
_KINDS = {"lips": "emberface-lip-judge", "emotion": "emberface-emotion-judge"}
_VERSION = 1
_FAR_MM = 2.0  # about the spread of the points' ways


@dataclass(frozen=True)
class LipJudgeConfig:
    """Sizes of a LipJudge."""

    names: tuple[str, ...]
    """Of its phones."""
    size: int
    """Pixels a side of its pictures."""
    width: int
    """Of its tokens."""


@dataclass(frozen=True)
class EmotionJudgeConfig:
    """Sizes of an EmotionJudge."""

    names: tuple[str, ...]
    """Of its emotions."""
    points: tuple[int, ...]
    """Vertices of ICT-FaceKit that it watches."""
    width: int
    """Of its layers."""


class LipJudge(nn.Module):
    """Pictures of a mouth [B, T, size, size] at 30 a second -> log-probabilities of phones [B, T, C]."""

    def __init__(self, config: LipJudgeConfig):
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
    """How points of a face have moved [B, T, N, 3], mm, half a second apart -> intensities and logits [B, C].

    Every moment is read by itself; what counts of a sequence is the mean and the most of what was found.
    """

    def __init__(self, config: EmotionJudgeConfig):
        super().__init__()
        self.config = config
        w = config.width
        self.read = nn.Sequential(nn.Linear(3 * len(config.points), w), nn.GELU(), nn.Linear(w, w), nn.GELU())
        self.answer = nn.Linear(2 * w, 2 * len(config.names))

    def forward(self, moved: Tensor) -> tuple[Tensor, Tensor]:
        if moved.ndim != 4 or moved.shape[2:] != (len(self.config.points), 3):
            raise ShapeError(f"points have moved {list(moved.shape)}, wanted [B, T, {len(self.config.points)}, 3]")
        found = self.read(moved.flatten(2) / _FAR_MM)
        amount, lead = self.answer(torch.cat([found.mean(1), found.amax(1)], -1)).chunk(2, -1)
        return amount.sigmoid(), lead


_JUDGES = {"lips": (LipJudge, LipJudgeConfig), "emotion": (EmotionJudge, EmotionJudgeConfig)}


def save_judge(judge: LipJudge | EmotionJudge, path: Path) -> None:
    kind = "lips" if isinstance(judge, LipJudge) else "emotion"
    save_network(judge, path, _KINDS[kind], _VERSION)


def load_judge(kind: str, path: Path | None = None) -> LipJudge | EmotionJudge:
    """The judge of "lips" or "emotion" in a file, strictly; the bundled one where none is given."""
    path = asset_path({"lips": "lip_judge", "emotion": "emotion_judge"}[kind]) if path is None else path
    return load_network(*_JUDGES[kind], path, _KINDS[kind], _VERSION)
