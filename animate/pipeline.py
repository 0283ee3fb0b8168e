"""A voice to a performance: the road from samples to a Track."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch

from animate import chance
from animate.emotion_source import Emotion, feelings_of, source_of
from animate.perform import perform
from animate.phones import find_phones
from animate.speech import at_times, measure, prepare
from animate.textgrid import intervals
from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.types import Curves, Track

_RECOGNIZER_LICENCE = "CMU Sphinx en-us models: BSD-2-Clause"


def animate(
    audio: np.ndarray,  # [N] or [C, N], float in [-1, 1] or integers
    rate: int,  # Hz
    *,
    head: Head,
    text: str | None = None,
    emotion: Emotion = None,  # "happy:0.8", {...}, [8], [T, 8], an EmotionTrack, or "voice" to hear it
    shape: torch.Tensor | None = None,  # [S] identity, the head's mean where None
    fps: Fraction | int = Fraction(30),
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Track:
    """Speech to a Track: phones, mouth, lips that meet, emotion, blinks, gaze, brows and head motion.

    The same input, seed and versions give the same Track; another recording moves otherwise under the same seed.
    `progress` is called with the share done.
    """
    seed = chance.checked(seed)
    fps = _frame_rate(fps)
    shape = torch.zeros(head.shape_size) if shape is None else torch.as_tensor(shape, dtype=torch.float32)
    if tuple(shape.shape) != (head.shape_size,):
        raise ShapeError(f"shape is {list(shape.shape)}, head {head.arrays.id!r} wants [{head.shape_size}]")
    if text is not None and not isinstance(text, str):
        raise InputError(f"text is a {type(text).__name__}, wanted the spoken words as a string, or None")
    source = source_of(emotion)
    speech = prepare(audio, rate)
    prosody = measure(speech)
    times = np.arange(max(int(np.ceil(speech.duration_s * fps)), 1)) * (fps.denominator / fps.numerator)
    felt = feelings_of(source, speech, prosody, times)
    phones = find_phones(speech, prosody, text=text, progress=lambda share: progress(0.9 * share))
    own = chance.of_recording(seed, speech.samples)
    params, blinks = perform(
        phones, prosody, times, speech.duration_s, felt.intensities, head=head, shape=shape, seed=own
    )
    progress(1.0)
    return Track(
        head_id=head.arrays.id,
        params=params,
        time_s=times,
        audio=speech.samples,
        audio_rate=speech.rate,
        intervals={
            "phones": phones.phones,
            "words": phones.words,
            "events": intervals(("blink", b.start_s, min(b.end_s, speech.duration_s)) for b in blinks),
        },
        curves={
            **felt.curves,
            "loudness_db": Curves(("loudness_db",), at_times(prosody.loudness_db, times)[:, None]),
        },
        fps=(fps.numerator, fps.denominator),
        provenance={"made_by": "emberface animate", "phones": phones.report(), "seed": seed},
        licences=tuple(dict.fromkeys((head.arrays.licence, _RECOGNIZER_LICENCE))),
    )


def _frame_rate(fps: object) -> Fraction:
    try:
        found = Fraction(fps)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise InputError(
            f"fps is {fps!r}, wanted a number from 10 to 120, such as 30 or Fraction(30000, 1001)"
        ) from None
    if not 10 <= found <= 120:
        raise InputError(f"fps is {fps}, wanted 10 to 120")
    return found
