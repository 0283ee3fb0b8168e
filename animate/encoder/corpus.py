"""Recordings with phone times to learn from: one npz an utterance, a folder a source, nothing of it in the package.

`tools/speech_corpus` fills the folders; phones are ARPAbet without stress, SIL between, from 0 to the end.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animate.speech import RATE
from animate.visemes import SILENCE, VOWELS
from assets.locate import cache_folder
from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError, InputError
from flame_tools.types import Intervals

NOISE = "NOISE"
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
PHONES = (*sorted(VOWELS), *_CONSONANTS.split(), SILENCE, NOISE)
PHONE_INDEX = {phone: i for i, phone in enumerate(PHONES)}

# Speakers that figures are told of: nothing learns from them. slt reads for flite and for ARCTIC alike.
TEST_SPEAKERS = frozenset(("1688", "1998", "2033", "2414", "2609", "ljspeech", "arctic", "emotional_a2f", "slt"))
HELD_OUT = frozenset(("8226",))
_HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class Utterance:
    """One recording and what is said in it."""

    samples: np.ndarray  # [N] int16 mono at 16 kHz
    phones: np.ndarray  # [n] index into PHONES
    start_s: np.ndarray  # [n] seconds
    end_s: np.ndarray  # [n]
    trusted: np.ndarray  # [n] bool: the label and its times are to be learnt
    speaker: str
    name: str

    @property
    def duration_s(self) -> float:
        return len(self.samples) / RATE

    @property
    def said(self) -> Intervals:
        """The phones by name."""
        return Intervals(tuple(PHONES[i] for i in self.phones), self.start_s, self.end_s)

    def at(self, times: np.ndarray) -> np.ndarray:
        """Which of the n phones is said at times [...] seconds; before the first and after the last, that one."""
        return np.clip(np.searchsorted(self.start_s, times, "right") - 1, 0, len(self.phones) - 1)

    @property
    def held_out(self) -> bool:
        """This voice is kept from training; by speaker, so that no voice is on both sides."""
        share = zlib.crc32(self.speaker.encode()) / 2**32
        return self.speaker in HELD_OUT or (self.speaker.isdigit() and share < _HELD_OUT_SHARE)


def utterance(audio: np.ndarray, rows, *, speaker: str, name: str) -> Utterance:
    """Of samples [N] float in [-1, 1] at 16 kHz and rows (phone, start_s, end_s, trusted) in order of time."""
    if speaker in TEST_SPEAKERS:
        raise InputError(f"{name} is of {speaker!r}, who is kept for tests; leave the file out of the corpus")
    rows = list(rows)
    unknown = {row[0] for row in rows} - set(PHONES)
    if unknown:
        raise InputError(f"{name} has phones {sorted(unknown)}, wanted ARPAbet without stress or {SILENCE}")
    return Utterance(
        (np.clip(audio, -1, 1) * 32767).round().astype(np.int16),
        np.array([PHONE_INDEX[row[0]] for row in rows], np.int16),
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.float64),
        np.array([row[3] for row in rows], bool),
        speaker,
        name,
    )


_KIND, _VERSION = "emberface-utterance", 1


def corpus_folder() -> Path:
    return cache_folder() / "speech_corpus"


def save(spoken: Utterance, folder: Path) -> Path:
    path = folder / f"{spoken.name}.npz"
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {key: getattr(spoken, key) for key in ("samples", "phones", "start_s", "end_s", "trusted")}
    write_npz(path, arrays, {"format": _KIND, "version": _VERSION, "speaker": spoken.speaker, "phones": list(PHONES)})
    return path


def load(path: Path) -> Utterance:
    arrays, header = read_npz(path, _KIND, _VERSION)
    if header.get("phones") != list(PHONES):
        raise FormatError(f"{path} names other phones than this version; delete the folder and build the corpus again")
    return Utterance(**arrays, speaker=header["speaker"], name=path.stem)


def load_corpus(folders) -> tuple[list[Utterance], list[Utterance]]:
    """All utterances of the folders in order of name: (to learn from, held out)."""
    found = [load(path) for folder in folders for path in sorted(Path(folder).glob("[!.]*.npz"))]
    if not found:
        raise InputError(f"no utterance in {', '.join(map(str, folders))}; build it with python -m tools.speech_corpus")
    return [u for u in found if not u.held_out], [u for u in found if u.held_out]
