"""Performances of the teacher with exact phones and feelings, that readers of faces learn from.

Every utterance of the speech corpus is performed with emotions drawn at random, each time by another person with
habits of their own, and kept as motion rows in the user's cache: pictures are drawn from them while a network trains.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from animate.emotion import EMOTIONS
from animate.encoder.corpus import PHONES, Utterance
from animate.manner import manner_of
from animate.perform import enliven, speak
from animate.speech import RATE, Prosody, measure, prepare
from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError
from flame_tools.head import Head
from flame_tools.identity import random_identities
from flame_tools.lips import Lips
from flame_tools.transfer.motion import motion_of

FPS = 30
_KIND, _VERSION = "emberface-readers-performances", 1
_NEUTRAL, _SINGLE = 0.2, 0.75  # shares of takes that feel nothing, and that feel at most one emotion
_FAINTEST = 0.15  # intensity of an emotion that is there


@dataclass(frozen=True)
class Performances:
    """Takes end to end, at FPS."""

    motion: np.ndarray  # [N, E + 11] float16, see flame_tools.transfer.motion
    phones: np.ndarray  # [N] int8 into PHONES
    start: np.ndarray  # [takes + 1] first frame of each take; the last entry is N
    felt: np.ndarray  # [takes, 8] in [0, 1], in the order of EMOTIONS; neutral is what the others leave
    shape: np.ndarray  # [takes, S] identities in SD

    def __len__(self) -> int:
        return len(self.felt)


def drawn_feelings(random: np.random.Generator) -> np.ndarray:
    """Intensities [8]: nothing, one emotion, or two."""
    felt = np.zeros(len(EMOTIONS))
    draw = random.random()
    if draw >= _NEUTRAL:
        count = 1 if draw < _SINGLE else 2
        chosen = random.choice(np.arange(1, len(EMOTIONS)), count, replace=False)
        felt[chosen] = random.uniform(_FAINTEST, 1.0 if count == 1 else 0.8, count)
    felt[0] = 1 - felt[1:].max()
    return felt


def phones_at(spoken: Utterance, times: np.ndarray) -> np.ndarray:
    """Index into PHONES of what is said at times [T] seconds."""
    return spoken.phones[spoken.at(times)].astype(np.int8)


def performed(
    spoken: Utterance, prosody: Prosody, felt: np.ndarray, head: Head, shape: torch.Tensor, seed: int
) -> np.ndarray:
    """Motion [T, E + 11] of one take at FPS."""
    times = np.arange(0, spoken.duration_s, 1 / FPS)
    feelings = felt.copy()
    feelings[0] = 0.0  # neutral adds nothing to a face
    lips, manner = Lips(head, shape), manner_of(f"take {seed}")
    when = times, spoken.duration_s, feelings
    mouth = speak(spoken.said, prosody, *when, lips=lips, manner=manner)
    params, _ = enliven(mouth, spoken.said, prosody, *when, head=head, shape=shape, seed=seed)
    return motion_of(params)


def make(utterances: Iterable[Utterance], head: Head, *, takes: int = 2, seed: int = 0) -> Performances:
    """`takes` performances of every utterance, each of other feelings and another person."""
    utterances = list(utterances)
    random = np.random.default_rng(seed)
    shapes = random_identities(head, takes * len(utterances), seed)
    motion, phones, felt = [], [], []
    for spoken in utterances:
        prosody = measure(prepare(spoken.samples, RATE))
        for _ in range(takes):
            number = len(felt)
            felt.append(drawn_feelings(random))
            motion.append(performed(spoken, prosody, felt[-1], head, shapes[number], number).astype(np.float16))
            phones.append(phones_at(spoken, np.arange(len(motion[-1])) / FPS))
    start = np.cumsum([0, *map(len, motion)])
    return Performances(np.concatenate(motion), np.concatenate(phones), start, np.stack(felt), shapes.numpy())


def kept(path: Path, head: Head, utterances: Iterable[Utterance], *, takes: int = 2, seed: int = 0) -> Performances:
    """What `make` gives, kept in a file."""
    if path.is_file():
        arrays, header = read_npz(path, _KIND, _VERSION)
        if (header["head_id"], header["phones"]) != (head.arrays.id, list(PHONES)):
            raise FormatError(f"{path} is of head {header['head_id']!r} or of other phones; delete it to make it again")
        return Performances(**arrays)
    found = make(utterances, head, takes=takes, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_npz(path, vars(found), {"format": _KIND, "version": _VERSION, "head_id": head.arrays.id, "phones": PHONES})
    return found
