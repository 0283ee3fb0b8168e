"""A reconstruction's report: NAME.report.json and NAME.report.html."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.posing import posed_frames
from flame_tools.types import Track
from recon.learned.regressed import NetworkCorrector
from recon.learned.regressor import Regressor
from recon.report.curves import curves_of
from recon.report.face_map import webp
from recon.report.figures import powers_of, residuals_of
from recon.report.fitted import FittedTrack
from recon.report.overlay import Shown, cut_of, film_panels, of_picture, panels, tinted
from recon.report.page import Moving, Still, write_page
from recon.report.person import Person, person_of
from recon.report.source import Pictured, Source, check_fits, first_frame, network_of, read_landmarks, source_of
from recon.report.summary import summary
from render.camera import at_frame
from render.film import frame_rate
from render.footage import Footage, is_film, open_footage

FORMAT, VERSION = "emberface.report", 1
FILM_PANEL, STILL_PANEL = (480, 480), (720, 720)  # most pixels, width and height
_CRF = 22  # of x264: lines of a mesh stay crisp
_STILL_QUALITY = 88


def write_report(
    tracks: Track | Sequence[Track],  # of one source: several faces of a picture or of a film
    head: Head,
    source: Pictured | Sequence[Pictured] | Footage,  # what emberface.recon was given
    path: str | os.PathLike,  # of the page, NAME.report.html
    *,
    numbers: bool = True,  # write NAME.report.json beside it, too
    parts: str | os.PathLike | None = None,  # of a film: the folder with what was read of it; else it is read again
    title: str | None = None,
    names: Sequence[str] | None = None,  # of the tracks
    progress: Callable[[float], None] = lambda share: None,
) -> dict:
    """Write the page, and return the numbers that NAME.report.json holds (docs/report.md).

    The page needs nothing else, but for a film whose overlay is large: that lies beside it as NAME.report.html.mp4.
    The same tracks and source give the same bytes. Frames and landmarks are drawn from the film and its readings one
    after the other: memory grows by a few hundred bytes a frame, as the track itself does.

    Raises InputError where a track was not made of this source.
    """
    path, tracks = Path(path), [tracks] if isinstance(tracks, Track) else list(tracks)
    if not tracks:
        raise InputError("there is no track to report of; give what emberface.recon returned")
    if names is None:
        names = ["face"] if len(tracks) == 1 else [f"face {i}" for i in range(1, len(tracks) + 1)]
    with tempfile.TemporaryDirectory() as scratch:
        opened = _opened(source, parts, Path(scratch), network_of(tracks[0]), progress)
        people = []
        for name, track in zip(names, tracks, strict=True):
            check_fits(track, opened)
            people.append(_person(track, head, name, opened))
        content = {
            "format": FORMAT,
            "version": VERSION,
            "title": title or opened.name,
            "source": opened.name,
            "kind": "film" if opened.film is not None else "picture" if len(opened.pictures) == 1 else "pictures",
            "head": head.arrays.id,
            "people": [person.numbers for person in people],
            "licences": sorted({licence for track in tracks for licence in licences_of(track, head.arrays)}),
        }
        if opened.film is None:
            shown = _stills(people, head, opened)
        else:
            shown = _film(people, head, opened, Path(scratch) / "overlay.mp4", lambda s: progress(0.5 + 0.5 * s))
        write_page(path, content, people, shown)
    if numbers:
        with written_whole(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    progress(1.0)
    return content


def _opened(source, parts, scratch: Path, net: Regressor | None, progress: Callable[[float], None]) -> Source:
    if isinstance(source, (str, os.PathLike)) and is_film(source):
        source = open_footage(source)
    if isinstance(source, Sequence) and not isinstance(source, (str, np.ndarray)) and len(source) == 1:
        return _opened(source[0], parts, scratch, net, progress)
    film = not isinstance(source, (str, os.PathLike, np.ndarray, Sequence))
    if not film:
        return source_of(source)
    from readers.film import read_film

    folder = Path(parts) if parts is not None else scratch / "parts"
    correct = None if net is None else NetworkCorrector(net)
    for _ in read_film(source, folder, correct=correct, progress=lambda n: progress(0.4 * n / max(source.count, 1))):
        pass  # what is there already is not read again
    return source_of(source, folder)


def _person(track: Track, head: Head, name: str, source: Source) -> Person:
    fitted = FittedTrack(track, head)
    film = source.film is not None
    sizes = [tuple(track.camera.size)] if film else [source.picture(i).shape[1::-1] for i in range(len(track))]
    read = None if film else tuple(read_landmarks(track, source, fitted))
    seen = iter(read) if read is not None else read_landmarks(track, source, fitted)
    found = residuals_of(track, fitted, seen, sizes, film=film)
    curves = list(curves_of(track, head))
    powers = powers_of(track, curves) if film else {}
    return person_of(track, head, found, curves, powers, summary(track, head, name, found, curves, powers), read)


def _shown(person: Person, head: Head, source: Source) -> Iterator[Shown]:
    track, fitted = person.track, FittedTrack(person.track, head)
    seen = person.read if person.read is not None else read_landmarks(track, source, fitted)
    for i, (vertices, mine, read) in enumerate(zip(posed_frames(track, head), fitted, seen, strict=True)):
        error = None if read is None else mine.error(read)
        yield Shown(vertices, at_frame(track.camera, i), read, error, bool(person.found.bridged[i]))


def _stills(people: Sequence[Person], head: Head, source: Source) -> Still:
    look, pictures = tinted(head), []
    streams = [_shown(person, head, source) for person in people]
    for number in range(len(source.pictures)):
        image = source.picture(number)
        faces = [next(stream) for stream in streams]
        faces = [Shown(f.vertices, of_picture(f.camera, image), f.read, f.error, f.bridged) for f in faces]
        boxes = [person.found.boxes[number] for person in people]
        where = cut_of(boxes, image.shape[1::-1], width=STILL_PANEL[0], height=STILL_PANEL[1])
        pictures.append(webp(panels(image, faces, look, where), _STILL_QUALITY))
    return Still(tuple(pictures))


def _film(
    people: Sequence[Person], head: Head, source: Source, place: Path, progress: Callable[[float], None]
) -> Moving:
    from render.video import write_video

    tracks = [person.track for person in people]
    spans = [range(first_frame(t), first_frame(t) + len(t)) for t in tracks]
    span = range(min(s.start for s in spans), max(s.stop for s in spans))
    where = cut_of([_hull(person.found.boxes) for person in people], source.film.size, width=FILM_PANEL[0],
                   height=FILM_PANEL[1])  # fmt: skip
    faces = [(s, _shown(person, head, source)) for s, person in zip(spans, people, strict=True)]
    times_s = source.film.times_s[span.start : span.stop]
    rate = source.film.fps or frame_rate(tracks[0])
    drawn = film_panels(source.film.frames(span.start), span, faces, tinted(head), where)
    sound = next((t for t in tracks if t.audio is not None), None)
    heard = {} if sound is None else {
        "audio": sound.audio, "audio_rate": sound.audio_rate, "audio_start_s": sound.audio_start_s - times_s[0],
    }  # fmt: skip
    uneven = None if source.film.fps else times_s
    write_video(place, _counted(drawn, len(span), progress), rate, times_s=uneven, quality=_CRF, **heard)
    return Moving(place, span.start, times_s - times_s[0], where.size)


def _hull(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])


def _counted(frames: Iterator[np.ndarray], count: int, progress: Callable[[float], None]) -> Iterator[np.ndarray]:
    for done, frame in enumerate(frames, 1):
        yield frame
        progress(done / count)
