"""What judges that never saw a teacher read in a performance (readers.judges): its emotion, and what its mouth says.

Phones and visemes are read 30 times a second, and figures are over frames:

- accuracy: share of the frames within the phones' tier at which the likeliest phone, or viseme, is the one that is
  said. One answer for all frames would have that of the commonest class.
- leakage of emotion into content, OTHER against NEUTRAL, two performances of one line: the share of frames at which
  another class is read (`changed`), and the mean Jensen-Shannon divergence (Eq. 4.1, Lin 1991) of what is read at a
  frame, in bits:

      JSD(p, q) = H((p + q) / 2) - (H(p) + H(q)) / 2,    0 where a face leaks nothing, 1 at the most,

  and by how much accuracy falls from NEUTRAL to OTHER.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from animate.emotion import EMOTIONS, parse
from animate.visemes import plain
from flame_tools.errors import InputError
from flame_tools.types import Intervals
from readers.judges import EmotionJudgement, LipJudgement
from readers.visemes import viseme_log_probabilities, viseme_table


@dataclass(frozen=True)
class EmotionReading:
    """What a face is read to feel, against what it was asked to feel."""

    named: str
    """The emotion that leads."""
    top_two: tuple[str, str]
    """The two that lead, the first one first."""
    intensities: dict[str, float]
    """Of each emotion, in [0, 1]."""
    shares: dict[str, float]
    """Probability that each one leads."""
    asked: str | None = None
    """The strongest that was asked for; None where nothing was said."""
    named_right: bool | None = None
    """Whether it is the one that is named."""
    in_top_two: bool | None = None
    """Whether what was asked for, its two strongest where it is a mix, is among the two that lead."""
    intensity_asked: float | None = None
    """How strongly `asked` was asked for."""
    intensity_read: float | None = None
    """How strongly it is read."""


def emotion_reading(judgement: EmotionJudgement, said: str | np.ndarray | None = None) -> EmotionReading:
    """What a judge found, held against the emotion `said`, as animate takes it ("happy:0.7"); None: nothing is held.

    Asked for nothing at all, or for neutral, a face is to be read as neutral.
    """
    found = EmotionReading(
        judgement.named,
        judgement.order[:2],
        {name: float(value) for name, value in zip(judgement.names, judgement.intensities, strict=True)},
        {name: float(value) for name, value in zip(judgement.names, judgement.shares, strict=True)},
    )
    if said is None:
        return found
    wanted = parse(said)
    if wanted.ndim != 1:
        raise InputError(f"said is {list(wanted.shape)}, wanted one emotion for the whole track, such as happy:0.7")
    amounts = {name: float(value) for name, value in zip(EMOTIONS, wanted, strict=True) if value > 0} or {
        "neutral": 1.0
    }
    strongest = sorted(amounts, key=lambda name: -amounts[name])[:2]
    asked = strongest[0]
    return EmotionReading(
        found.named, found.top_two, found.intensities, found.shares,
        asked=asked,
        named_right=found.named == asked,
        in_top_two=set(strongest) <= set(found.top_two),
        intensity_asked=amounts[asked],
        intensity_read=found.intensities[asked],
    )  # fmt: skip


def intensity_rank(asked: Sequence[float], read: Sequence[float]) -> float | None:
    """Spearman's rank correlation of intensities [n] asked for and read; None where either is the same throughout."""
    if len(set(asked)) < 2 or len(set(read)) < 2:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(asked, read).statistic)


@dataclass(frozen=True)
class ReadingAccuracy:
    """Shares of frames that a lip reader reads right, in [0, 1]; None where there is no truth."""

    phones: float | None
    visemes: float | None
    frames: int
    """That they stand on."""


def reading_accuracy(
    log_probabilities: np.ndarray,  # [T, C] of phones
    names: tuple[str, ...],  # [C] phones of the columns
    truth: np.ndarray,  # [T] index into `names`, -1 where it is unknown
) -> ReadingAccuracy:
    """How much of what is said is read, frame by frame."""
    known = truth >= 0
    if not known.any():
        return ReadingAccuracy(None, None, 0)
    scores, right = torch.as_tensor(log_probabilities)[torch.as_tensor(known)], torch.as_tensor(truth[known]).long()
    visemes = viseme_log_probabilities(scores, names).argmax(-1)
    return ReadingAccuracy(
        (scores.argmax(-1) == right).double().mean().item(),
        (visemes == viseme_table(names)[right]).double().mean().item(),
        int(known.sum()),
    )


def said_at_times(phones: Intervals, times: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Index [T] into `names` of the phone at times [T] in seconds; -1 outside the tier and at unknown names."""
    index = {name: i for i, name in enumerate(names)}
    each = np.array([index.get(plain(phone), -1) for phone in phones.names])
    if not len(phones):
        return np.full(len(times), -1)
    at = np.clip(np.searchsorted(phones.start_s, times, side="right") - 1, 0, len(phones) - 1)
    within = (times >= phones.start_s[at] - 1e-9) & (times < phones.end_s[at])
    return np.where(within, each[at], -1)


@dataclass(frozen=True)
class Leakage:
    """What emotion does to what a mouth is read to say: one performance against a neutral one of the same line."""

    phones_changed: float
    """Share of frames at which another phone is read."""
    visemes_changed: float
    phone_divergence_bits: float
    """Mean Jensen-Shannon divergence of a frame's phones, in [0, 1]."""
    viseme_divergence_bits: float
    phone_accuracy: float | None
    """Of the other performance against its own phones."""
    viseme_accuracy: float | None
    phone_accuracy_fall: float | None
    """From the neutral one's; positive where emotion costs phones. 0.05 is five points."""
    viseme_accuracy_fall: float | None
    frames: int


def leakage(
    neutral: LipJudgement,
    other: LipJudgement,
    *,
    neutral_phones: Intervals | None = None,
    other_phones: Intervals | None = None,
) -> Leakage:
    """How far the content that is read in `other` leaves that in `neutral`, at the moments that both have.

    A frame of `neutral` is held against the nearest of `other`. Raises InputError where they have no moment in common.
    """
    step = 1 / 30 if len(other.time_s) < 2 else float(other.time_s[1] - other.time_s[0])
    at = np.rint((neutral.time_s - other.time_s[0]) / step).astype(int)
    both = (at >= 0) & (at < len(other.time_s))
    if not both.any():
        (start, end), (begin, stop) = ((read.time_s[0], read.time_s[-1]) for read in (neutral, other))
        raise InputError(
            f"the tracks have no moment in common: one lasts from {start:.2f} to {end:.2f} s, the other from "
            f"{begin:.2f} to {stop:.2f} s; give performances of one line"
        )
    pair = [torch.as_tensor(neutral.log_probabilities[both]), torch.as_tensor(other.log_probabilities[at[both]])]
    pair_of_visemes = [viseme_log_probabilities(part, neutral.phones) for part in pair]
    before, after = (
        accuracy_of(judgement, phones) for judgement, phones in ((neutral, neutral_phones), (other, other_phones))
    )
    return Leakage(
        _changed(*pair), _changed(*pair_of_visemes), _divergence_bits(*pair), _divergence_bits(*pair_of_visemes),
        phone_accuracy=after.phones,
        viseme_accuracy=after.visemes,
        phone_accuracy_fall=_fall(before.phones, after.phones),
        viseme_accuracy_fall=_fall(before.visemes, after.visemes),
        frames=int(both.sum()),
    )  # fmt: skip


def accuracy_of(judgement: LipJudgement, phones: Intervals | None) -> ReadingAccuracy:
    """How much of a tier is read in a performance."""
    if phones is None:
        return ReadingAccuracy(None, None, 0)
    truth = said_at_times(phones, judgement.time_s, judgement.phones)
    return reading_accuracy(judgement.log_probabilities, judgement.phones, truth)


def _changed(one: torch.Tensor, other: torch.Tensor) -> float:
    return (one.argmax(-1) != other.argmax(-1)).double().mean().item()


def _divergence_bits(one: torch.Tensor, other: torch.Tensor) -> float:
    p, q = one.double().exp(), other.double().exp()
    apart = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
    return max(apart.mean().item() / math.log(2), 0.0)


def _entropy(p: torch.Tensor) -> torch.Tensor:
    return -torch.xlogy(p, p).sum(-1)


def _fall(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after
