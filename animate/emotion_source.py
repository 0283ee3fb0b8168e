"""What is felt, wherever it comes from: words such as "happy:0.8", numbers, an edited track, or the voice itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from animate import voice_emotion
from animate.affect import HeardEmotion, with_neutral
from animate.dynamics import lived
from animate.emotion import EMOTIONS, parse
from animate.emotion_track import EmotionTrack
from animate.speech import Prosody, Speech
from flame_tools.errors import InputError, ShapeError
from flame_tools.types import Curves, Intervals

if TYPE_CHECKING:
    from animate.emotion_classifier import EmotionClassifier

MOST_GAIN = 5.0


@dataclass(frozen=True)
class FromVoice:
    """Emotion as it is heard in the voice. Raises InputError for a gain that is out of range."""

    gain: float = 1.0  # from 0 to MOST_GAIN, multiplies the intensities, which then stop at 1
    classifier: EmotionClassifier | None = None  # who listens; prosody where None

    def __post_init__(self):
        if not 0 <= self.gain <= MOST_GAIN:
            raise InputError(f"the gain of a voice's emotion is {self.gain:g}, wanted 0 to {MOST_GAIN:g}")

    def hear(self, speech: Speech, prosody: Prosody) -> HeardEmotion:
        if self.classifier is None:
            heard = voice_emotion.hear(speech, prosody)
        else:
            heard = self.classifier.hear(speech.analysis)
        return HeardEmotion(heard.time_s, with_neutral(self.gain * heard.emotion), heard.affect)


Emotion = str | Mapping[str, float] | np.ndarray | EmotionTrack | FromVoice | None


@dataclass(frozen=True)
class Feelings:
    """What is felt at a performance's frames."""

    intensities: np.ndarray  # [8], or [T, 8]
    curves: dict[str, Curves]  # "emotion", and "affect" where a voice was heard


def source_of(emotion: Emotion) -> np.ndarray | EmotionTrack | FromVoice:
    """Check what was asked for, before any work: intensities [8] or [T, 8], or what gives them later.

    "voice" is FromVoice(), "voice:0.7" FromVoice(0.7). Raises InputError for what is unknown or out of range.
    """
    if isinstance(emotion, EmotionTrack | FromVoice):
        return emotion
    if isinstance(emotion, str) and emotion.strip().lower().partition(":")[0] == "voice":
        return FromVoice(_gain(emotion))
    return parse(emotion)


def check_length(source: np.ndarray | EmotionTrack | FromVoice, frames: int) -> None:
    """Raises ShapeError where an array [T, 8] has another number of frames than the performance."""
    if isinstance(source, np.ndarray) and source.ndim == 2 and len(source) != frames:
        raise ShapeError(f"emotion has {len(source)} frames, the recording has {frames}")


def feelings_of(
    source: np.ndarray | EmotionTrack | FromVoice,
    speech: Speech,
    prosody: Prosody,
    phones: Intervals,  # what is said
    times: np.ndarray,  # [T] seconds
) -> Feelings:
    """What is felt at `times`: one emotion for the whole comes and goes with the voice, curves are as they are given.

    Raises ShapeError where an array has another number of frames.
    """
    check_length(source, len(times))
    curves = {}
    if isinstance(source, FromVoice):
        heard = source.hear(speech, prosody).at(times)
        intensities, curves = heard.emotion, heard.curves()
    elif isinstance(source, EmotionTrack):
        intensities = source.at(times)
    elif source.ndim == 1:
        intensities = lived(source, prosody, phones, times) if source.any() else source
    else:
        intensities = source
    whole = np.broadcast_to(intensities, (len(times), len(EMOTIONS))).astype(np.float32)
    return Feelings(intensities, curves | {"emotion": Curves(EMOTIONS, whole)})


def _gain(spec: str) -> float:
    _, colon, number = spec.partition(":")
    try:
        gain = float(number) if colon else 1.0
    except ValueError:
        gain = float("nan")
    if not 0 <= gain <= MOST_GAIN:
        raise InputError(
            f"emotion {spec!r} has no gain from 0 to {MOST_GAIN:g} after voice; write voice or voice:0.7, alone"
        )
    return gain
