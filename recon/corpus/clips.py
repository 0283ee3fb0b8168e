"""Which frames of a clip a corpus takes: some, evenly; of a film that may show several people, some of each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from flame_tools.errors import FormatError
from readers.film import read_film
from recon.corpus.source import Source
from recon.film.rows import Rows, StoredParts, people_in
from recon.film.track import FEWEST_FRAMES
from render.footage import PICTURES, Footage, frames_at, number_order, open_footage
from render.image import read_image

TRUSTED = 0.5  # least trust of a followed frame


class Picture(NamedTuple):
    """What is to be read for one sample."""

    image: np.ndarray  # uint8 [H, W, 3]
    number: int  # of the frame; 0 of a picture
    time_s: float | None  # from the first frame; None of pictures
    at: tuple[float, float] | None  # pixels: a place on the face that is meant


class Shown(NamedTuple):
    """One person of a source."""

    subject: str
    pictures: Iterator[Picture]  # one in memory at a time


def people_of(source: Source, count: int) -> Iterator[Shown]:
    """The people of a source, each with at most `count` pictures. Raises FormatError or InputError for what cannot be
    read, also while pictures are drawn."""
    if not source.is_clip:
        yield Shown(source.subject, iter([Picture(read_image(source.path), 0, None, source.at)]))
    elif source.path.is_dir():
        yield Shown(source.subject, _of_folder(source, count))
    else:
        footage = open_footage(source.path)
        if source.follow and footage.count > 1:
            yield from _followed(source, footage, count)
        else:
            wanted = {int(number): source.at for number in evenly(footage.count, count)}
            yield Shown(source.subject, _drawn(footage, wanted))


def evenly(total: int, count: int) -> np.ndarray:
    """At most `count` numbers below `total`, from the middles of so many equal stretches."""
    return np.unique(((np.arange(count) + 0.5) * total / count).astype(int)) if total > count else np.arange(total)


def _of_folder(source: Source, count: int) -> Iterator[Picture]:
    files = [f for f in source.path.iterdir() if f.suffix.lower() in PICTURES and not f.name.startswith(".")]
    if not files:
        raise FormatError(f"{source.path} holds no frames")
    files.sort(key=number_order)
    for number in evenly(len(files), count):
        yield Picture(read_image(files[number]), int(number), None, source.at)


def _drawn(footage: Footage, wanted: dict[int, tuple[float, float] | None]) -> Iterator[Picture]:
    """The frames that are wanted."""
    for frame in frames_at(footage, sorted(wanted)):
        yield Picture(frame.image, frame.number, frame.time_s, wanted[frame.number])


def _followed(source: Source, footage: Footage, count: int) -> Iterator[Shown]:
    """Who is seen long enough, the longest first, in frames that can be trusted."""
    with tempfile.TemporaryDirectory() as folder:
        people = people_in(read_film(footage, folder), StoredParts(folder))
        people = [rows for rows in people if (rows.trust >= TRUSTED).sum() >= FEWEST_FRAMES]
        people.sort(key=lambda rows: (-len(rows), rows.id))
        wanted = [_places(rows, count) for rows in people]
    for number, places in enumerate(wanted):
        subject = source.subject if len(wanted) == 1 else f"{source.subject} {number}"
        yield Shown(subject, _drawn(footage, places))


def _places(rows: Rows, count: int) -> dict[int, tuple[float, float]]:
    """By frame, where the face was in it."""
    trusted = np.flatnonzero(rows.trust >= TRUSTED)
    chosen = trusted[evenly(len(trusted), count)]
    middles = rows.take(chosen).landmarks.mean(1)
    return {int(rows.frame[row]): (float(x), float(y)) for row, (x, y) in zip(chosen, middles, strict=True)}
