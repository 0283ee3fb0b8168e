"""LRS3-TED as published: clips of one speaker's face with what is said.

Source: Afouras, Chung, Zisserman 2018 (arXiv 1809.00496) and robots.ox.ac.uk/~vgg/data/lip_reading/lrs3.html; lines of
the text as facebookresearch/av_hubert reads them. `pretrain`, `trainval` and `test` hold VIDEO/50001.mp4, a face track,
and VIDEO/50001.txt: "Text:  WORDS", "Conf:  N"; in pretrain a table "WORD START END ASDSCORE" in seconds. pretrain and
trainval share speakers, test has none of theirs. VIDEO stands for the speaker.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recon.corpus.source import Source, files_in, folders_in

WANTED = "pretrain, trainval or test, each with VIDEO/50001.mp4 and VIDEO/50001.txt"
_SPLITS = {"pretrain": "train", "trainval": "train", "test": "test"}
_LONGEST = 1 << 20  # bytes of a text


def recognised(folder: Path) -> bool:
    return any(next(_clips(folder / part), None) for part in ("pretrain", "trainval"))


def sources(folder: Path) -> Iterator[Source]:
    """Clips with their words, and words with their times where they are told."""
    for part, split in _SPLITS.items():
        for path in _clips(folder / part):
            labels = {"part": part} | _said(path.with_suffix(".txt"))
            yield Source("lrs3", path, path.relative_to(folder).as_posix(), path.parent.name, split, labels)


def _clips(folder: Path) -> Iterator[Path]:
    for video in folders_in(folder):
        yield from files_in(video, (".mp4",))


def _said(path: Path) -> dict:
    """{"text": ..., "words": [[word, start, end], ...]}; what cannot be read is left out."""
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read(_LONGEST).splitlines()
    found: dict = {}
    if lines and lines[0].startswith("Text:"):
        found["text"] = lines[0].removeprefix("Text:").strip()
    begins = next((i for i, line in enumerate(lines, 1) if line.startswith("WORD ")), len(lines))
    rows = [line.split() for line in lines[begins:]]
    try:
        words = [[row[0], float(row[1]), float(row[2])] for row in rows if len(row) >= 3]
    except ValueError:
        return found
    return found | ({"words": words} if words else {})
