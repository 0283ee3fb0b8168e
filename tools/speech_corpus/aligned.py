"""LibriSpeech speakers that have phone times in TextGrids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from animate.audio_file import read_audio
from animate.encoder.corpus import Utterance, utterance
from animate.speech import prepare
from animate.textgrid import read_textgrid
from animate.visemes import SILENCE, plain

SPEAKERS = ("4088", "4406", "5652", "8226")


def aligned(speech: Path, done) -> Iterator[Utterance]:
    """Of `speech`/librispeech and `speech`/librispeech_alignments; `done(name)` says what is there already."""
    for speaker in SPEAKERS:
        for grid in sorted((speech / "librispeech_alignments" / speaker).glob("*.TextGrid")):
            if done(grid.stem):
                continue
            audio = prepare(*read_audio(speech / "librispeech" / speaker / f"{grid.stem}.flac"))
            yield utterance(audio.analysis, _rows(grid, audio.duration_s), speaker=speaker, name=grid.stem)


def _rows(grid: Path, duration_s: float) -> list[tuple[str, float, float, bool]]:
    tier = read_textgrid(grid)["phones"]
    rows = []
    for name, start, end in zip(tier.names, tier.start_s, tier.end_s, strict=True):
        name = plain(name)
        known = name != "SPN"  # spoken, but not by the dictionary
        rows.append((name if known else SILENCE, float(start), float(end), known))
    if rows[-1][2] < duration_s - 0.01:
        rows.append((SILENCE, rows[-1][2], duration_s, False))
    return rows
