"""Synthesised voices, whose phone times are exact: flite reads rows of words rich in rare phones.

Words are drawn from the recogniser's dictionary so that rare phones (ZH, OY, TH, UH, ...) come about as often as common
ones; they make no sense, which keeps the network from learning English word order. slt is left out: ARCTIC tests it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from animate.audio_file import read_audio
from animate.encoder.corpus import Utterance, utterance
from animate.speech import prepare
from animate.visemes import SILENCE
from flame_tools.errors import FormatError

VOICES = ("awb", "rms")  # kal16's sound is up to 0.1 s shorter than the times it tells
_LINES = 220  # of each voice
# flite's own phones that ARPAbet without stress lacks.
_FOLDED = {"AX": "AH", "PAU": SILENCE}


def synthetic(speech: Path, done, *, seed: int = 0) -> Iterator[Utterance]:
    """flite's voices; `speech` is not needed."""
    for number, voice in enumerate(VOICES):
        lines = sentences(_LINES, np.random.default_rng((seed, number)))
        for index, line in enumerate(lines):
            name = f"{voice}-{seed}-{index:04d}"
            if not done(name):
                yield _spoken(voice, line, np.random.default_rng((seed, number, index)), name)


def sentences(count: int, rng: np.random.Generator) -> list[str]:
    """Rows of 6 to 14 words with a comma here and there."""
    words, weights = _words()
    lines = []
    for _ in range(count):
        chosen = rng.choice(len(words), rng.integers(6, 15), p=weights)
        stops = rng.random(len(chosen)) < 0.15
        lines.append(" ".join(words[w] + ("," if stop else "") for w, stop in zip(chosen, stops, strict=True)) + ".")
    return lines


def _words() -> tuple[list[str], np.ndarray]:
    """Words of the dictionary and the chance of each: the mean rarity of its phones."""
    from pocketsphinx import get_model_path

    entries = {}
    for line in Path(get_model_path("en-us/cmudict-en-us.dict")).read_text().splitlines():
        word, *phones = line.split()
        if word.isalpha() and 2 <= len(word) <= 9:
            entries.setdefault(word, phones)
    often = Counter(phone for phones in entries.values() for phone in phones)
    rarity = np.array([np.mean([often[phone] ** -0.7 for phone in phones]) for phones in entries.values()])
    return list(entries), rarity / rarity.sum()


def _spoken(voice: str, line: str, rng: np.random.Generator, name: str) -> Utterance:
    options = {"duration_stretch": rng.uniform(0.8, 1.25), "int_f0_target_mean": rng.uniform(90, 190)}
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "line.wav"
        command = ["flite", "-voice", voice, "-psdur", "-t", line, "-o", str(wav)]
        for key, value in options.items():
            command += ["--setf", f"{key}={value:.3f}"]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        audio = prepare(*read_audio(wav))
    rows, at = [], 0.0
    for entry in told.split():
        phone, _, end = entry.rpartition(":")
        phone = _FOLDED.get(phone.upper(), phone.upper())
        rows.append((phone, at, float(end), True))
        at = float(end)
    if abs(at - audio.duration_s) > 0.1:
        raise FormatError(f"flite's {voice} told {at:.2f} s of phones for {audio.duration_s:.2f} s of sound ({line!r})")
    return utterance(audio.analysis, rows, speaker=voice, name=name)
