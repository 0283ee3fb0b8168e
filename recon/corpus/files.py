"""Any folder of pictures and films: those in SUBJECT/... are of one person, those beside them of one each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from recon.corpus.source import Source
from render.footage import FILMS, PICTURES

WANTED = "SUBJECT/.../*.jpg, .png, .mp4, ... or such files alone"
_ENDINGS = (*PICTURES, *FILMS, ".gif")


def recognised(folder: Path) -> bool:
    return next(sources(folder), None) is not None


def sources(folder: Path) -> Iterator[Source]:
    """Pictures, and films whose people are to be followed. Links to folders are not gone through."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(names):
            ending = os.path.splitext(file)[1].lower()
            if ending in _ENDINGS and not file.startswith("."):
                path = Path(parent, file)
                name = path.relative_to(folder)
                subject = name.parts[0] if len(name.parts) > 1 else name.stem
                yield Source("files", path, name.as_posix(), subject, follow=ending not in PICTURES)
