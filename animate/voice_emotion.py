"""Emotion heard in how something is said: valence, arousal and the eight emotions from prosody, with modesty.

Features of the voice (voice_features) are compared with calm reading twice: a moment with its own recording, and the
recording with many readers. Directions are those that reviews of vocal expression agree on, in words ("high", "much",
"slow") and without sizes, so that the table below knows -1, -1/2, 0, 1/2 and 1 alone:

- anger, fear, happiness, sadness: Scherer (2003), table 3; Juslin & Laukka (2003), table 11. Where they disagree (fear:
  range, loudness and high frequencies fall in one, rise in the other) the table says 0.
- disgust: Murray & Arnott (1993), table 1. Surprise: Pell et al. (2009), highest pitch and widest range of seven.
- contempt: Banse & Scherer (1996), low pitch and energy.

How far an emotion is believed is how often listeners recognise it in a voice (Scherer 2003, table 2, Western studies);
surprise and contempt, which have no figure there, are believed as little as disgust. None of this was fitted to
recordings of emotions. Prosody tells arousal; it hardly tells valence (Russell, Bachorowski & Fernandez-Dols 2003), so
that of two emotions which fit alike each is shown at a quarter, not at a half.
"""

from __future__ import annotations

import numpy as np

from animate.affect import HeardEmotion, affect_of, with_neutral
from animate.emotion import EMOTIONS
from animate.speech import Prosody, Speech
from animate.voice_features import FEATURES, VoiceFeatures, voice_features

# Feature -> mean over readers, deviation between readers, deviation of a moment from its reader's mean: calm reading by
# 213 readers of LibriSpeech, one utterance each (tools/voice_norms.py; CC-BY 4.0, Panayotov et al. 2015). Readers'
# pitch has two heaps, 116 and 191 Hz (119 and 207 Hz: Traunmueller & Eriksson 1995), each with the deviation given.
NORMS: dict[str, tuple[float, float, float]] = {
    "pitch": (7.266, 2.29, 0.636),
    "pitch_spread": (3.151, 0.709, 0.319),
    "pitch_slope": (-4.149, 2.42, 1.76),
    "loudness": (-12.18, 2.14, 1.46),
    "loudness_spread": (10.24, 1.97, 0.881),
    "tilt": (-14.45, 4.78, 0.923),
    "rate": (3.091, 0.474, 0.321),
    "pauses": (0.1021, 0.0653, 0.0633),
    "harmonicity": (10.08, 2.3, 0.621),
}
# Emotion -> feature -> direction
DIRECTIONS: dict[str, dict[str, float]] = {
    "happy": {
        "pitch": 1, "pitch_spread": 1, "pitch_slope": 0.5, "loudness": 0.5, "loudness_spread": 0.5, "tilt": 0.5,
        "rate": 1, "pauses": -0.5, "harmonicity": 0.5,
    },
    "sad": {
        "pitch": -1, "pitch_spread": -1, "pitch_slope": -0.5, "loudness": -1, "loudness_spread": -0.5, "tilt": -1,
        "rate": -1, "pauses": 1, "harmonicity": -0.5,
    },
    "surprise": {"pitch": 1, "pitch_spread": 1, "pitch_slope": 1, "loudness": 0.5},
    "fear": {"pitch": 1, "pitch_slope": 0.5, "loudness_spread": 0.5, "rate": 1, "pauses": -0.5, "harmonicity": -1},
    "disgust": {"pitch": -1, "pitch_spread": 0.5, "pitch_slope": -0.5, "loudness": -0.5, "rate": -1, "harmonicity": -1},
    "anger": {
        "pitch": 1, "pitch_spread": 1, "pitch_slope": 0.5, "loudness": 1, "loudness_spread": 1, "tilt": 1, "rate": 1,
        "pauses": -0.5, "harmonicity": -0.5,
    },
    "contempt": {"pitch": -1, "pitch_spread": -0.5, "loudness": -0.5},
}  # fmt: skip
# Deviation of calm reading along each direction, by the same readers
CALM = {"happy": 0.92, "sad": 0.9, "surprise": 0.96, "fear": 0.78, "disgust": 1.09, "anger": 0.86, "contempt": 0.92}
AROUSAL = {
    "pitch": 1, "pitch_spread": 1, "loudness": 1, "loudness_spread": 0.5, "tilt": 1, "rate": 1, "pauses": -0.5,
}  # fmt: skip
RECOGNISED = {"happy": 0.57, "sad": 0.71, "surprise": 0.31, "fear": 0.61, "disgust": 0.31, "anger": 0.77,
              "contempt": 0.31}  # fmt: skip
# Nothing says whose voice it is: between these two, in semitones over 100 Hz, a voice is neither high nor low.
_USUAL_PITCH = (2.6, 11.2)
_FREE = np.array([name == "loudness" for name in FEATURES])  # nor how far away a microphone stood
_HALF_KNOWN_S = 2.0  # of voice: half of what a recording's mean says is believed
_FARTHEST = 4.0  # deviations that a single feature may count
_DEAF, _FULL = 1.75, 4.0  # calm deviations along an emotion's direction at which it begins, and is felt in full
_SHARP = 2.0  # how quickly the emotion that fits best outweighs the others, per deviation
_AROUSED = 5.0  # deviations at which arousal is tanh(1) = 0.76

_MEAN, _BETWEEN, _WITHIN = (np.array([NORMS[name][i] for name in FEATURES]) for i in range(3))
_FELT = EMOTIONS[1:]


def hear(speech: Speech, prosody: Prosody) -> HeardEmotion:
    """What a recording's prosody says, ten times a second."""
    features = voice_features(speech, prosody)
    return read(features.time_s, deviations(features))


def deviations(features: VoiceFeatures) -> np.ndarray:
    """How far the voice is from calm reading [n, 9]; in calm reading each column has deviation 1, about 0.

    A moment's distance from its recording, and the recording's from that of other readers, each in deviations of its
    own kind and with half of the variance. The less voice a recording holds, the less its own distance says.
    """
    means = features.means()
    known = features.voiced_s.sum() / (features.voiced_s.sum() + _HALF_KNOWN_S)
    nearest = np.where(_FREE, means, _MEAN)
    pitch = FEATURES.index("pitch")
    nearest[pitch] = np.clip(means[pitch], *_USUAL_PITCH)
    apart = known * (means - nearest) / _BETWEEN
    away = ((features.values - means) / _WITHIN + apart) / np.sqrt(2)
    return np.clip(away, -_FARTHEST, _FARTHEST)


def read(time_s: np.ndarray, away: np.ndarray) -> HeardEmotion:
    """Emotions and affect of deviations [n, 9] at time_s [n]."""
    reach = along(away) / np.array([CALM[name] for name in _FELT])
    fit = np.exp(_SHARP * (reach - reach.max(-1, keepdims=True)))
    fit /= fit.sum(-1, keepdims=True)
    strength = np.clip((reach - _DEAF) / (_FULL - _DEAF), 0.0, 1.0)
    emotion = np.zeros((len(away), len(EMOTIONS)))
    emotion[:, 1:] = strength * fit**2 * np.array([RECOGNISED[name] for name in _FELT])
    emotion = with_neutral(emotion)
    affect = affect_of(emotion)
    affect[:, 1] = np.tanh(away @ _unit(AROUSAL) / _AROUSED)
    return HeardEmotion(time_s, emotion, affect)


def along(away: np.ndarray) -> np.ndarray:
    """How far deviations [n, 9] lie in the direction of each emotion but neutral [n, 7]."""
    return away @ np.stack([_unit(DIRECTIONS[name]) for name in _FELT], -1)


def _unit(direction: dict[str, float]) -> np.ndarray:
    """A direction [9] of length 1."""
    vector = np.array([direction.get(name, 0.0) for name in FEATURES])
    return vector / np.linalg.norm(vector)
