"""Judges: what somebody who never saw the teacher reads off a performance, emotion and phones.

A track is transferred to ICT-FaceKit's head; there the lip judge sees pictures of the mouth, the emotion judge how
points of the skin move. They have learnt that head's faces alone, posed from published tables (see `units` and
`mouths`), and are kept out of every training.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.transfer.motion import motion_of, params_of
from flame_tools.transfer.retarget import transfer
from flame_tools.types import FaceParams, Track
from readers.judges.head import NAME, judge_head
from readers.judges.networks import EVERY_S, FPS, load_judge
from readers.judges.points import Points
from readers.stage import Stage
from readers.visemes import VISEMES, viseme_log_probabilities

__all__ = ["EmotionJudgement", "LipJudgement", "judge_emotion", "judge_lips", "on_judge_head"]

_TOGETHER = 4  # moments the emotion judge looks at in one go: 2 s
_CHUNK = 600  # moments that are read at once
_DRAWN = 64  # frames that are drawn at once


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
    acted = on_judge_head(track, head, judge_file=judge_file)
    points = Points(judge_head(judge_file), judge.config.points)
    with torch.no_grad():
        times = _times(acted, 1 / EVERY_S)
        parts = _at_moments(acted, times, points.head, at_once=_CHUNK)
        moved = torch.cat([points.moved(part) for part in parts])
        together = min(_TOGETHER, len(moved))
        short = -len(moved) % together
        moved = torch.cat([moved, moved[len(moved) - short :]])  # the last ones stand in for what is missing
        amount, lead = judge(moved.unflatten(0, (-1, together)))
    return EmotionJudgement(judge.config.names, amount.mean(0).numpy(), lead.softmax(-1).mean(0).numpy())


def judge_lips(track: Track, head: Head, *, judge_file: Path | None = None) -> LipJudgement:
    """What the mouth of `track`, made on `head`, says. Raises as `judge_emotion` does."""
    judge = load_judge("lips")
    stage = _stage(judge_file)
    moved = on_judge_head(track, head, judge_file=judge_file)
    with torch.no_grad():
        framing = stage.framing(moved.params.shape)
        parts = _at_moments(moved, _times(moved, FPS), stage.head, at_once=_DRAWN)
        pictures = torch.cat([stage(stage.vertices(part), framing) for part in parts])
        said = torch.cat([judge(part[None])[0] for part in pictures.split(_CHUNK)])
    return LipJudgement(judge.config.names, _times(moved, FPS), said.numpy())


@functools.cache
def _stage(judge_file: Path | None) -> Stage:
    return Stage(judge_head(judge_file), "mouth")


def _times(track: Track, rate: float) -> np.ndarray:
    """Moments of a track, from its first frame on, at `rate` a second; one at least."""
    count = int((track.time_s[-1] - track.time_s[0]) * rate) + 1
    return track.time_s[0] + np.arange(count) / rate


def _at_moments(track: Track, times: np.ndarray, head: Head, *, at_once: int) -> Iterator[FaceParams]:
    """Parameters of a track on the judges' head (whole or cut down) at `times`, some at once."""
    own = motion_of(track.params)
    rows = np.stack([np.interp(times, track.time_s, column) for column in own.T], 1)
    for at in range(0, len(rows), at_once):
        yield params_of(rows[at : at + at_once], head).replace(shape=track.params.shape.to(head.v_template))
