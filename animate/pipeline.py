"""A voice to a performance: the road from samples to a Track."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

import numpy as np
import torch

from animate import chance, learned
from animate.coarticulation import EARLY_S
from animate.emotion_source import Emotion, FromVoice, check_length, feelings_of, source_of
from animate.emotion_track import EmotionTrack
from animate.hearing import Hearing, hear
from animate.learned import Performer
from animate.letters import spoken_words
from animate.life import USUAL, Life, life_of
from animate.manner import manner_of_chance
from animate.perform import Spoken, enliven, speak
from animate.phones import Phones, find_phones
from animate.phones_given import Given, held_against, phones_given
from animate.speech import Prosody, Speech, at_times, measure, prepare
from animate.textgrid import intervals
from flame_tools.errors import InputError
from flame_tools.frame_rate import rational
from flame_tools.head import Head
from flame_tools.identity import checked_identity
from flame_tools.lips import Lips
from flame_tools.types import Curves, Intervals, Track

# The encoder hears a vowel begin some 30 ms before the aligner does.
_EARLY_S = {"hear": 0.02, "align": EARLY_S, "given": EARLY_S}
# Of who found the phones: emberface-speech is our own.
_LICENCES = {"hear": (), "given": (), "align": ("CMU Sphinx en-us models: BSD-2-Clause",)}


def animate(
    audio: np.ndarray,  # [N] or [C, N], float in [-1, 1] or integers
    rate: int,  # Hz
    *,
    head: Head,
    text: str | None = None,
    phones: Given | None = None,  # a TextGrid or a NAME.face.npz, or its tiers by name; None: they are found
    emotion: Emotion = None,  # "happy:0.8", {...}, [8], [T, 8], an EmotionTrack, or "voice" to hear it
    shape: torch.Tensor | None = None,  # [S] identity, the head's mean where None
    fps: Fraction | int = Fraction(30),
    seed: int = 0,
    takes: int | None = None,  # how many ways to say it; None: one, and it is the result
    performer: Performer | None = None,  # a network that moves mouth and emotion; rules do where None
    life: str | Mapping[str, float] | Life | None = None,  # "head:0.5,blinks:0": see animate.life
    progress: Callable[[float], None] = lambda share: None,
) -> Track | Iterator[Track]:
    """Speech to a Track: phones, mouth, lips that meet, emotion, blinks, gaze, brows and head motion.

    The same input, seed and versions give the same Track; another recording moves otherwise under the same seed.
    With `takes` it is heard once, and the result is an iterator of Tracks (see `performances`). `progress` is called
    with the share of the listening done.
    """
    seed, count = chance.checked(seed), _take_count(takes)
    chance.checked(seed + count - 1)
    fps = _frame_rate(fps)
    shape = checked_identity(shape, head)
    if text is not None and not isinstance(text, str):
        raise InputError(f"text is a {type(text).__name__}, wanted the spoken words as a string, or None")
    if text is not None:
        spoken_words(text)
    if text is not None and phones is not None:
        raise InputError("the phones that are given say what is said, and when; leave out the text")
    source, life = source_of(emotion), life_of(life)
    speech = prepare(audio, rate)
    check_length(source, len(_frame_times(speech.duration_s, fps)))
    given = None if phones is None else phones_given(phones, speech.duration_s)
    prosody = measure(speech)
    listened = 0.9 if text is None else 0.1  # of what there is to do: aligning takes longer than hearing
    hearing = None
    if text is None or performer is not None:
        hearing = hear(speech.analysis, progress=lambda share: progress(listened * share))
    if given is not None:
        said = held_against(given, hearing, prosody)
    else:
        said = find_phones(
            speech, prosody, text=text, hearing=hearing, progress=lambda share: progress(0.1 + 0.8 * share)
        )
    learnt = None if performer is None else (performer, hearing)
    made = performances(
        speech, prosody, said, source, head=head, shape=shape, fps=fps, seed=seed, takes=count, learnt=learnt,
        life=life,
    )  # fmt: skip
    track = next(made) if takes is None else None
    progress(1.0)
    return made if track is None else track


def performances(
    speech: Speech,
    prosody: Prosody,
    phones: Phones,
    source: np.ndarray | EmotionTrack | FromVoice,  # of what is felt, see emotion_source.source_of
    *,
    head: Head,
    shape: torch.Tensor,  # [S]
    fps: Fraction,
    seed: int = 0,
    takes: int = 1,
    learnt: tuple[Performer, Hearing] | None = None,  # a network and what it hears; rules move the mouth where None
    life: Life = USUAL,
) -> Iterator[Track]:
    """Takes of a line whose phones are known, made as they are asked for: the second half of `animate`.

    Blinks, gaze, brows, head motion and the rules' mouth of take k (from 1) are those of seed + k - 1. A flow's takes
    move the whole face otherwise; a network with one answer has the same mouth in all of them. The first takes are the
    same however many there are.
    """
    times = _frame_times(speech.duration_s, fps)
    felt = feelings_of(source, speech, prosody, phones.phones, times)
    duration_s, lips = speech.duration_s, Lips(head, shape)
    said, when = phones.phones, (times, duration_s, felt.intensities)
    _, recording = chance.of_recording(seed, speech.samples)

    def own(take: int) -> tuple[int, int]:  # seed of this recording
        return seed + take, recording

    if learnt is None:
        early_s = _EARLY_S[phones.method]
        mouths = (_by_rules(said, *when, prosody, lips=lips, own=own(take), early_s=early_s) for take in range(takes))
    else:
        performer, hearing = learnt
        mouths = learned.speak(performer, hearing, said, *when, lips=lips, seed=own(0), takes=takes)

    def made(take: int, spoken: Spoken) -> Track:
        params, blinks = enliven(spoken, said, prosody, *when, head=head, shape=shape, life=life, seed=own(take))
        # What gives this take again: a flow's needs its number, all others are the first of a seed of their own.
        again = {"seed": seed, "take": 1 + take} if _has_takes(learnt) else {"seed": seed + take}
        return Track(
            head_id=head.arrays.id,
            params=params,
            time_s=times,
            audio=speech.samples,
            audio_rate=speech.rate,
            intervals={
                "phones": phones.phones,
                "words": phones.words,
                "events": intervals(("blink", b.start_s, min(b.end_s, duration_s)) for b in blinks),
            },
            curves={
                **felt.curves,
                "loudness_db": Curves(("loudness_db",), at_times(prosody.loudness_db, times)[:, None]),
            },
            fps=(fps.numerator, fps.denominator),
            provenance={
                "made_by": "emberface animate",
                "method": "rules" if learnt is None else "learned",
                "phones": phones.report(),
                **again,
            },
            licences=tuple(dict.fromkeys((head.arrays.licence, *_LICENCES[phones.method]))),
        )

    return (made(take, spoken) for take, spoken in enumerate(mouths))


def _by_rules(
    phones: Intervals,
    times: np.ndarray,
    duration_s: float,
    feelings: np.ndarray,
    prosody: Prosody,
    *,
    lips: Lips,
    own: tuple[int, int],  # seed of this recording
    early_s: float,
) -> Spoken:
    manner = manner_of_chance(own)
    return speak(phones, prosody, times, duration_s, feelings, lips=lips, manner=manner, early_s=early_s)


def _has_takes(learnt: tuple[Performer, Hearing] | None) -> bool:
    return learnt is not None and learnt[0].has_takes


def _take_count(takes: object) -> int:
    if takes is None:
        return 1
    if isinstance(takes, bool) or not isinstance(takes, (int, np.integer)) or takes < 1:
        raise InputError(f"takes is {takes!r}, wanted a whole number from 1 up, such as 5; or None for one Track")
    return int(takes)


def _frame_times(duration_s: float, fps: Fraction) -> np.ndarray:
    """Seconds [T] of the frames of a recording, one at least."""
    return np.arange(max(int(np.ceil(duration_s * fps)), 1)) * (fps.denominator / fps.numerator)


def _frame_rate(fps: object) -> Fraction:
    try:
        found = rational(fps)
    except InputError:
        raise InputError(
            f"fps is {fps!r}, wanted a number from 10 to 120, such as 30 or Fraction(30000, 1001)"
        ) from None
    if not 10 <= found <= 120:
        raise InputError(f"fps is {fps}, wanted 10 to 120")
    return found
