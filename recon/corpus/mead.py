"""MEAD as published: actors who speak with eight emotions at three levels, seen from seven sides.

Source: wywu.github.io/projects/MEAD/MEAD.html and github.com/uniBruce/Mead: a folder M003, W009, ... for each actor and
actress, with `video/VIEW/EMOTION/level_N/001.mp4`. Views: down, front, left_30, left_60, right_30, right_60, top.
Emotions: angry, contempt, disgusted, fear, happy, neutral, sad, surprised. Levels: 1 to 3 (neutral: 1). There are no
splits: people are shared out by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from recon.corpus.source import Source, files_in, folders_in

WANTED = "M003/video/front/angry/level_1/001.mp4"
_ACTOR, _LEVEL = re.compile(r"[MW]\d{3}"), re.compile(r"level_(\d)")


def recognised(folder: Path) -> bool:
    return next(sources(folder), None) is not None


def sources(folder: Path) -> Iterator[Source]:
    """Clips with emotion, level, view and the number of the sentence."""
    for actor in folders_in(folder):
        if not _ACTOR.fullmatch(actor.name):
            continue
        for view in folders_in(actor / "video"):
            for emotion in folders_in(view):
                for level in folders_in(emotion):
                    found = _LEVEL.fullmatch(level.name)
                    for path in files_in(level, (".mp4",)) if found else ():
                        labels = {"emotion": emotion.name, "level": int(found[1]), "view": view.name}
                        labels |= {"sentence": path.stem, "sex": "male" if actor.name[0] == "M" else "female"}
                        yield Source("mead", path, path.relative_to(folder).as_posix(), actor.name, labels=labels)
