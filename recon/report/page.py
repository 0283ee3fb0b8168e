"""One HTML file out of a report: markup, style, script, pictures and film, with no way out to a network."""

from __future__ import annotations

import base64
import html
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from flame_tools.archive import written_whole
from recon.report.person import Person
from render.heat import HEAT
from render.page import as_json, one_script, policy

MOST_INSIDE = 48 << 20  # bytes of a film that a page holds itself; a larger one lies beside it
SCRIPTS = ("facts", "player", "plots", "curves", "residuals", "spectrum", "report")
_SOURCES = Path(__file__).parent
_BLOCK = 3 << 18  # a multiple of three bytes is base64 without padding


@dataclass(frozen=True)
class Still:
    """Pictures as recon.report.overlay.panels draws them, as WebP."""

    pictures: tuple[bytes, ...]


@dataclass(frozen=True)
class Moving:
    """The same as a film."""

    file: Path  # MP4
    start: int  # number of the source's frame that is the first
    times_s: np.ndarray  # [T] from when each frame is shown
    panel: tuple[int, int]  # width, height


def write_page(path: Path, content: dict, people: Sequence[Person], shown: Still | Moving) -> None:
    """Write the page whole; a large film beside it as `path`.mp4."""
    beside = None
    if isinstance(shown, Moving) and shown.file.stat().st_size > MOST_INSIDE:
        beside = path.with_name(f"{path.name}.mp4")
        with written_whole(beside) as temporary:
            shutil.copyfile(shown.file, temporary)
    facts = content | {
        "people": [_numbers(p) | {"plotted": p.plotted} for p in people],
        "heat": HEAT,
        "shown": _facts(shown, beside),
    }
    script, style = own_script(), _source("report.css")
    parts = {
        "title": html.escape(content["title"]),
        "policy": html.escape(policy([script], style, media="blob: 'self' file:")),
        "style": style,
        "facts": as_json(facts),
        "script": script,
    }
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        # one pass: what is put in is never searched for marks itself
        for piece in re.split(r"(\{\{\w+\}\})", _source("report.html")):
            mark = re.fullmatch(r"\{\{(\w+)\}\}", piece)
            if mark is None:
                file.write(piece.encode())
            elif mark[1] == "blobs":
                _write_blobs(file, people, shown, inside=beside is None)
            else:
                file.write(parts[mark[1]].encode())


def _numbers(person: Person) -> dict:
    """A person's numbers but for the errors of all frames, which are there thinned."""
    error = {k: v for k, v in person.numbers["error"].items() if k != "per_frame"}
    return person.numbers | {"error": error}


def own_script() -> str:
    return one_script(_SOURCES, SCRIPTS)


def _source(name: str) -> str:
    return (_SOURCES / name).read_text("utf-8")


def _facts(shown: Still | Moving, beside: Path | None) -> dict:
    if isinstance(shown, Still):
        return {"pictures": len(shown.pictures)}
    return {
        "start": shown.start, "times": np.round(shown.times_s, 5).tolist(), "panel": list(shown.panel),
        "beside": None if beside is None else beside.name,
    }  # fmt: skip


def _write_blobs(file: BinaryIO, people: Sequence[Person], shown: Still | Moving, *, inside: bool) -> None:
    for p, person in enumerate(people):
        for k, one in enumerate(person.maps):
            _write_blob(file, f"map{p}-{k}", "image/webp", [one.picture])
    if isinstance(shown, Still):
        for k, picture in enumerate(shown.pictures):
            _write_blob(file, f"picture{k}", "image/webp", [picture])
    elif inside:
        with open(shown.file, "rb") as film:
            _write_blob(file, "film", "video/mp4", iter(lambda: film.read(_BLOCK), b""))


def _write_blob(file: BinaryIO, name: str, kind: str, blocks: Iterator[bytes] | list[bytes]) -> None:
    """An element that holds bytes as base64. All blocks but the last are a multiple of three bytes long."""
    file.write(f'<script type="application/octet-stream" id="{name}" data-type="{kind}">'.encode())
    for block in blocks:
        file.write(base64.b64encode(block))
    file.write(b"</script>\n")
