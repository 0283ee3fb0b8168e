"""What the learnt model makes of a voice: motion from features, emotion and style, and lips that keep their promises.

The network (animate.model) says how the face moves. Three things it need not learn to the last millimetre are made sure
of afterwards, on the very head that will be seen: lips meet at every P, B and M that was heard, they do not meet where
none was, and in silence the mouth rests as the emotion in force rests.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from animate.coarticulation import grid, rest_envelope, sample
from animate.contact import Lips, closed_by, closures, seal
from animate.emotion import MOUTH, layer
from animate.encoders import EmberfaceSpeech
from animate.hearing import Hearing
from animate.model import Conditions, SpeechToMotion, Stream
from animate.motion import face_of
from animate.network_file import load_model
from animate.perform import TONGUE, Spoken
from animate.style import STYLE
from flame_tools.arkit import from_params
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.load import load_head
from flame_tools.types import Intervals

_PIECE = 900  # frames that go through the network together


@dataclass(frozen=True)
class Performer:
    """A trained model and the head that it moves."""

    model: SpeechToMotion
    head: Head
    fps: int


def load_performer(path: Path) -> Performer:
    """The model of a file that `emberface train animate` made, on the head that it was trained for.

    Raises InputError where it hears with another encoder than the bundled one.
    """
    model, header = load_model(path)
    if header["encoder"] != EmberfaceSpeech.name:
        raise InputError(
            f"{path} hears with {header['encoder']!r}; emberface animate hears with {EmberfaceSpeech.name!r}: "
            "train it on a corpus that the bundled encoder has heard"
        )
    return Performer(model, load_head(header["head_id"]), header["fps"])


def speak(
    performer: Performer,
    hearing: Hearing,
    phones: Intervals,  # what is said
    times: np.ndarray,  # [T] seconds
    duration_s: float,
    feelings: np.ndarray,  # [8] or [T, 8] in [0, 1]
    *,
    lips: Lips,
    style: np.ndarray | None = None,  # [128]; nobody's where None
) -> Spoken:
    """What the model makes of a voice, with the promises kept. As animate.perform.speak by rules."""
    own = np.arange(len(hearing.at_frames(performer.fps))) / performer.fps
    felt = feelings if feelings.ndim == 1 else np.stack([np.interp(own, times, f) for f in feelings.T], 1)
    motion = moved(performer, hearing, felt, style)
    return kept(performer, motion, phones, times, duration_s, feelings, lips=lips)


def moved(
    performer: Performer,
    hearing: Hearing,
    feelings: np.ndarray,  # [8] or [T, 8] at the performer's frames
    style: np.ndarray | None = None,  # [128]; nobody's where None
) -> np.ndarray:
    """Motion rows [T, D] at the performer's frames, in memory that does not grow but for the rows themselves."""
    features = torch.from_numpy(hearing.at_frames(performer.fps))
    felt = torch.as_tensor(feelings, dtype=torch.float32).expand(len(features), -1)
    told = torch.zeros(STYLE) if style is None else torch.as_tensor(style, dtype=torch.float32)
    stream, parts = Stream(performer.model), []
    for at in range(0, len(features), _PIECE):
        part = slice(at, at + _PIECE)
        conditions = Conditions(felt[None, part], told[None, None])
        parts.append(stream.push(features[part], conditions, last=at + _PIECE >= len(features)).numpy())
    return np.concatenate(parts)


def kept(
    performer: Performer,
    motion: np.ndarray,  # [F, D] at the performer's frames
    phones: Intervals,  # what was heard
    times: np.ndarray,  # [T] seconds
    duration_s: float,
    feelings: np.ndarray,  # [8] or [T, 8] in [0, 1]
    *,
    lips: Lips,
) -> Spoken:
    """The face at frame times, with the promises kept."""
    with torch.no_grad():
        params = face_of(torch.from_numpy(motion), performer.head)
        weights = from_params(params, performer.head).numpy()
        names = performer.head.arrays.expression_names
        tongue = params.expression[:, [names.index(name) for name in TONGUE]].numpy()
    rows = np.concatenate([weights, tongue], 1).astype(np.float64)
    rows = np.clip(sample(rows, times, step_s=1 / performer.fps), 0.0, 1.0)
    weights, tongue = rows[:, : -len(TONGUE)], rows[:, -len(TONGUE) :]

    rest = np.broadcast_to(layer(feelings), weights.shape)[:, MOUTH]
    speaking = np.clip(sample(rest_envelope(phones, grid(duration_s))[:, None], times), 0.0, 1.0)
    weights[:, MOUTH] = rest + speaking * (weights[:, MOUTH] - rest)
    wanted = closures(phones, times)
    closing = np.minimum(np.maximum(closed_by(weights, lips), wanted.hold), wanted.limit)
    return Spoken(seal(weights, closing, lips), tongue)
