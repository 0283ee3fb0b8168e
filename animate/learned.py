"""What a trained network makes of a voice: motion from features, emotion and style, and lips that keep their promises.

A network of any of three kinds says how the face moves: a model (animate.model), a flow (animate.takes: many ways to
say a line), key motions (animate.keys). Some things it need not learn to the last millimetre are made sure of
afterwards, on the very head that will be seen: lips meet at every P, B and M that was heard, they do not meet where
none was, the lower one is at the teeth at F and V, in silence the mouth rests as the emotion in force rests, and lids
do not blink twice: blinks are added to every performance (animate.perform.enliven), so that those a network has
learnt are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from animate import keys as key_motions
from animate import takes as flow_takes
from animate.coarticulation import grid, rest_envelope, sample
from animate.contact import closed_by, closures, led, part, seal
from animate.emotion import MOUTH, layer
from animate.encoders import EmberfaceSpeech
from animate.flow import Flow
from animate.hearing import Hearing
from animate.keys import KeysToMotion
from animate.labiodental import bite_of, bitten, holds
from animate.model import Conditions, SpeechToMotion, Stream
from animate.motion import face_of
from animate.network_file import load_network
from animate.perform import TONGUE, Spoken
from animate.style import STYLE
from animate.takes import Sampling
from assets.locate import asset_path
from flame_tools.arkit import INDEX, LID_OWNED, from_params
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.lips import Lips
from flame_tools.load import load_head
from flame_tools.types import Intervals

BUNDLED = ("motion", "flow", "keys")  # assets emberface-motion, emberface-flow, emberface-keys
_LIDS = [INDEX[name] for name in LID_OWNED]
_PIECE = 900  # frames that go through a model together


@dataclass(frozen=True)
class Performer:
    """A trained network and the head that it moves."""

    network: SpeechToMotion | Flow | KeysToMotion
    head: Head
    fps: int
    sampling: Sampling = field(default_factory=Sampling)
    """How a flow is followed."""

    @property
    def has_takes(self) -> bool:
        """Whether there are many answers to one line, as a flow has."""
        return isinstance(self.network, Flow)


def network_path(model: str | Path) -> Path:
    """The file of a bundled network, or of one of one's own. Raises InputError where it is neither."""
    path = asset_path(f"emberface-{model}") if str(model) in BUNDLED else Path(model)
    if not path.is_file():
        raise InputError(
            f"model {str(model)!r} is neither built in (rules, {', '.join(BUNDLED)}) nor a file; name one of these, or "
            "a file of `emberface train`"
        )
    return path


def load_performer(model: str | Path, *, sampling: Sampling | None = None) -> Performer:
    """A bundled network, or that of a file of `emberface train animate`, `flow` or `keys`, on the head it is for.

    Raises InputError where there is no such network, where it hears with another encoder than the bundled one, and
    where `sampling` is given for one that is no flow.
    """
    path = network_path(model)
    network, header = load_network(path)
    if header["encoder"] != EmberfaceSpeech.name:
        raise InputError(
            f"{path} hears with {header['encoder']!r}; emberface animate hears with {EmberfaceSpeech.name!r}: "
            "train it on a corpus that the bundled encoder has heard"
        )
    if sampling is not None and not isinstance(network, Flow):
        raise InputError(
            f"guidance is for a flow, which has many answers, and {path} has one; leave it out, or train a flow "
            "(emberface train flow)"
        )
    return Performer(network, load_head(header["head_id"]), header["fps"], sampling or Sampling())


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
    seed: int | tuple[int, ...] = 0,
    takes: int = 1,
) -> Iterator[Spoken]:
    """What the network makes of a voice, `takes` times, with the promises kept. As animate.perform.speak by rules.

    Takes of a flow are made as they are asked for. A network with one answer gives it every time.
    """
    own = hearing.frame_times(performer.fps)
    felt = feelings if feelings.ndim == 1 else np.stack([np.interp(own, times, f) for f in feelings.T], 1)
    motions = moved(performer, hearing, phones, felt, style, seed=seed, takes=takes)
    spoken = (kept(performer, motion, phones, times, duration_s, feelings, lips=lips) for motion in motions)
    return spoken if performer.has_takes else repeat(next(spoken), takes)


def moved(
    performer: Performer,
    hearing: Hearing,
    phones: Intervals,  # where the key moments of key motions come from
    feelings: np.ndarray,  # [8] or [T, 8] at the performer's frames
    style: np.ndarray | None = None,  # [128]; nobody's where None
    *,
    seed: int | tuple[int, ...] = 0,
    takes: int = 1,
) -> Iterator[np.ndarray]:
    """Motion rows [T, D] at the performer's frames: `takes` times of a flow, once of a network with one answer."""
    network = performer.network
    features = torch.from_numpy(hearing.at_frames(performer.fps))
    felt = torch.as_tensor(feelings, dtype=torch.float32).expand(len(features), -1)[None]
    told = torch.zeros(STYLE) if style is None else torch.as_tensor(style, dtype=torch.float32)
    conditions = Conditions(felt, told[None, None])
    if isinstance(network, Flow):
        drawn = flow_takes.perform(network, features, conditions, seed=seed, takes=takes, sampling=performer.sampling)
    elif isinstance(network, KeysToMotion):
        drawn = iter([key_motions.perform(network, features, conditions, phones, fps=performer.fps)[0]])
    else:
        drawn = iter([_streamed(network, features, conditions)])
    return (motion.numpy() for motion in drawn)


def _streamed(model: SpeechToMotion, features: Tensor, conditions: Conditions) -> Tensor:
    """Motion [T, D] piece by piece, in memory that does not grow but for the rows themselves."""
    stream, parts = Stream(model), []
    for at in range(0, len(features), _PIECE):
        part = slice(at, at + _PIECE)
        parts.append(stream.push(features[part], conditions.rows(part), last=at + _PIECE >= len(features)))
    return torch.cat(parts)


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
        names, tongue = performer.head.arrays.expression_names, np.zeros((len(motion), len(TONGUE)))
        for column, name in enumerate(TONGUE):
            if name in names:  # a head without them keeps its tongue still
                tongue[:, column] = params.expression[:, names.index(name)].numpy()
    rows = np.concatenate([weights, tongue], 1).astype(np.float64)
    rows = np.clip(sample(rows, times, step_s=1 / performer.fps), 0.0, 1.0)
    weights, tongue = rows[:, : -len(TONGUE)], rows[:, -len(TONGUE) :]

    rest = np.broadcast_to(layer(feelings), weights.shape)[:, MOUTH]
    speaking = np.clip(sample(rest_envelope(phones, grid(duration_s))[:, None], times), 0.0, 1.0)
    weights[:, MOUTH] = rest + speaking * (weights[:, MOUTH] - rest)
    weights[:, _LIDS] = layer(feelings)[..., _LIDS]
    wanted = closures(phones, times)
    closing = np.minimum(led(closed_by(weights, lips), wanted.hold), wanted.limit)
    met = part(seal(weights, closing, lips), wanted, lips)
    return Spoken(bitten(met, holds(phones, times), wanted.hold, bite_of(lips.person)), tongue)
