"""Judges: what somebody who never saw the teacher reads off a performance, emotion and phones.

A track is transferred to ICT-FaceKit's head and drawn there; the judges have learnt that head's faces alone, posed from
published tables (see `units` and `mouths`). They are kept out of every training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.transfer.motion import motion_of, params_of
from flame_tools.transfer.retarget import transfer
from flame_tools.types import Track
from readers.judges.head import NAME, judge_head
from readers.judges.networks import EVERY_S, FPS, load_judge
from readers.stage import Stage
from readers.visemes import VISEMES, viseme_log_probabilities

__all__ = ["EmotionJudgement", "LipJudgement", "judge_emotion", "judge_lips", "on_judge_head"]

_TOGETHER = 4  # pictures the emotion judge looks at in one go: 2 s
_CHUNK = 600  # frames the lip judge reads at once


@dataclass(frozen=True)
class EmotionJudgement:
    """What a face was read to feel."""

    names: tuple[str, ...]
    intensities: np.ndarray  # [8] in [0, 1], the mean over the track
    shares: np.ndarray  # [8] probability that each one leads

    @property
    def named(self) -> str:
        """The emotion that leads."""
        return self.names[int(self.shares.argmax())]

    @property
    def order(self) -> tuple[str, ...]:
        """All of them, the strongest first."""
        return tuple(self.names[i] for i in np.argsort(-self.shares, kind="stable"))


@dataclass(frozen=True)
class LipJudgement:
    """What a mouth was read to say, 30 frames a second."""

    phones: tuple[str, ...]  # names of the columns
    time_s: np.ndarray  # [T]
    log_probabilities: np.ndarray  # [T, len(phones)]

    def said(self) -> list[str]:
        """The likeliest phone of each frame."""
        return [self.phones[i] for i in self.log_probabilities.argmax(-1)]

    def visemes(self) -> list[str]:
        """The likeliest viseme of each frame."""
        of = viseme_log_probabilities(torch.as_tensor(self.log_probabilities), self.phones).argmax(-1)
        return [tuple(VISEMES)[i] for i in of]


def on_judge_head(track: Track, head: Head, *, judge_file: Path | None = None) -> Track:
    """The track as the judges see it: on ICT-FaceKit's mean face. Give this to both to transfer once."""
    if track.head_id == NAME:
        return track
    return transfer(track, head, judge_head(judge_file), identity="mean")


def judge_emotion(track: Track, head: Head, *, judge_file: Path | None = None) -> EmotionJudgement:
    """What the face of `track`, made on `head`, feels as a whole.

    Raises AssetError where ICT-FaceKit is not at hand (`judge_file`, or registered as "ict_facekit").
    """
    judge = load_judge("emotion")
    stage = _stage("face", judge_file)
    moved = on_judge_head(track, head, judge_file=judge_file)
    pictures = _drawn(stage, moved, 1 / EVERY_S)
    short = -len(pictures) % min(_TOGETHER, len(pictures))
    pictures = torch.cat([pictures, pictures[len(pictures) - short :]])  # the last ones stand in for what is missing
    with torch.no_grad():
        amount, lead = judge(pictures.unflatten(0, (-1, min(_TOGETHER, len(pictures)))))
    return EmotionJudgement(judge.config.names, amount.mean(0).numpy(), lead.softmax(-1).mean(0).numpy())


def judge_lips(track: Track, head: Head, *, judge_file: Path | None = None) -> LipJudgement:
    """What the mouth of `track`, made on `head`, says. Raises as `judge_emotion` does."""
    judge = load_judge("lips")
    stage = _stage("mouth", judge_file)
    moved = on_judge_head(track, head, judge_file=judge_file)
    pictures = _drawn(stage, moved, FPS)
    with torch.no_grad():
        said = torch.cat([judge(part[None])[0] for part in pictures.split(_CHUNK)])
    return LipJudgement(judge.config.names, _times(moved, FPS), said.numpy())


def _stage(view: str, judge_file: Path | None) -> Stage:
    key = view, str(judge_file)
    if key not in _stages:
        _stages[key] = Stage(judge_head(judge_file), view)
    return _stages[key]


_stages: dict[tuple[str, str], Stage] = {}


def _times(track: Track, rate: float) -> np.ndarray:
    """Moments of a track, from its first frame on, at `rate` a second; one at least."""
    count = int((track.time_s[-1] - track.time_s[0]) * rate) + 1
    return track.time_s[0] + np.arange(count) / rate


def _drawn(stage: Stage, track: Track, rate: float) -> torch.Tensor:
    """Canonical pictures [n, H, W] of a track on the judges' head."""
    own = motion_of(track.params)
    rows = np.stack([np.interp(_times(track, rate), track.time_s, column) for column in own.T], 1)
    with torch.no_grad():
        framing = stage.framing(track.params.shape)
        parts = []
        for part in np.array_split(rows, -(-len(rows) // 64)):
            params = params_of(part, stage.head).replace(shape=track.params.shape.to(stage.head.v_template))
            parts.append(stage(stage.vertices(params), framing))
    return torch.cat(parts)
