"""Visemes and words as subtitles: SubRip's .srt, which editors, players and engines show or read as cues.

A cue is its number, `HH:MM:SS,mmm --> HH:MM:SS,mmm`, its text, and an empty line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from flame_tools.archive import written_whole
from flame_tools.errors import InputError
from flame_tools.export.visemes import visemes_of
from flame_tools.file_clock import origin_s
from flame_tools.head import Head
from flame_tools.track_check import check_track
from flame_tools.types import Track

_SILENT = ("", "sil", "sp", "spn", "<eps>", "<sil>", "<s>", "</s>", "[noise]", "<unk>")


def write_viseme_srt(track: Track, head: Head, path: str | os.PathLike) -> None:
    """Write one cue a viseme, with the names of `write_visemes` (PP, FF, ... ou); silence has none.

    Neighbours that show the same are one cue. Raises InputError where the track has no phones, or unknown ones.
    """
    check_track(track)
    said = [(row.viseme, row.start_s, row.end_s) for row in visemes_of(track) if row.viseme != "sil"]
    joined: list[tuple[str, float, float]] = []
    for name, start_s, end_s in said:
        if joined and joined[-1][0] == name and abs(joined[-1][2] - start_s) < 5e-4:
            joined[-1] = (name, joined[-1][1], end_s)
        else:
            joined.append((name, start_s, end_s))
    _write(joined, path, origin_s(track))


def write_word_srt(track: Track, head: Head, path: str | os.PathLike) -> None:
    """Write one cue a word of `track.intervals["words"]`. Raises InputError where the track has none."""
    check_track(track)
    words = track.intervals.get("words")
    rows = [] if words is None else list(zip(words.names, words.start_s, words.end_s, strict=True))
    rows = [(" ".join(name.split()), start, end) for name, start, end in rows if name.strip().lower() not in _SILENT]
    if not rows:
        raise InputError("the track has no words to show; animate speech with its text to get some")
    _write(rows, path, origin_s(track))


def _write(rows: Iterable[tuple[str, float, float]], path: str | os.PathLike, zero_s: float) -> None:
    """`zero_s` is second 0 of the file. Cues shorter than a millisecond, which SRT cannot say, are left out."""
    cues = [(text, *(round(1000 * max(end - zero_s, 0.0)) for end in ends)) for text, *ends in rows]
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for number, (text, start, end) in enumerate((cue for cue in cues if cue[2] > cue[1]), 1):
            file.write(f"{number}\n{_clock(start)} --> {_clock(end)}\n{text}\n\n")


def _clock(milliseconds: int) -> str:
    seconds, part = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{part:03d}"
