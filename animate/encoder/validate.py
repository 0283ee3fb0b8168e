"""Figures of an encoder on voices it has not learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from animate.encoder.corpus import PHONES, Utterance
from animate.encoder.decode import phones_of
from animate.encoder.evaluate import Lips
from animate.encoder.model import FRAME_S, SpeechEncoder, listen
from animate.textgrid import intervals


@dataclass(frozen=True)
class Validation:
    """Over trusted frames and segments."""

    accuracy: float  # share of frames whose likeliest phone is the true one
    live_accuracy: float  # the same with the short look ahead of a stream
    bilabial_closure: float
    false_closure: float
    false_closure_other: float


def validate(encoder: SpeechEncoder, kept: list[Utterance], *, most: int = 30, path=None) -> Validation:
    """`path` turns log-posteriors [T, 41] into a phone a frame; the likeliest by default."""
    path = path or (lambda log_posteriors: log_posteriors.argmax(-1))
    chosen = kept[:: max(len(kept) // most, 1)][:most]
    right, live, count, lips = 0, 0, 0, Lips()
    for spoken in chosen:
        sound = torch.from_numpy(spoken.samples.astype(np.float32) / 32768)
        offline, short = (listen(encoder, sound, ahead).phones.numpy() for ahead in (None, encoder.config.live_ahead))
        times = np.minimum(np.arange(len(offline)) * FRAME_S, spoken.duration_s - 1e-6)
        which = spoken.at(times)
        trusted, true = spoken.trusted[which], spoken.phones[which]
        right += int((offline.argmax(-1) == true)[trusted].sum())
        live += int((short.argmax(-1) == true)[trusted].sum())
        count += int(trusted.sum())
        rows = zip(spoken.phones, spoken.start_s, spoken.end_s, strict=True)
        known = [(PHONES[p], a, b) for (p, a, b), sure in zip(rows, spoken.trusted, strict=True) if sure]
        lips.add(intervals(known), phones_of(path(offline), offline, spoken.duration_s))
    return Validation(right / max(count, 1), live / max(count, 1), **lips.figures())
