"""One HTML file out of a track: markup, style, scripts, GLB and sound, all inside, with no way out to a network."""

from __future__ import annotations

import base64
import html
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from assets.locate import asset_path
from flame_tools.archive import written_whole
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import Track
from render.page import as_json, one_script, policy
from render.viewer.clip import Clip, clip_of, end_s
from render.viewer.poses import emotion_poses

_SOURCES = Path(__file__).parent
# our scripts, each after those that it imports
SCRIPTS = ("blobs", "rig", "light", "face", "stage", "clock", "timeline", "panel", "viewer")


def write_viewer(
    track: Track,
    head: Head,
    path: str | os.PathLike,
    *,
    compare: Track | None = None,  # shown beside it, at the same times
    compare_head: Head | None = None,  # of the other track, where it is another one
    title: str | None = None,  # the file's name where None
    names: tuple[str, str] = ("first", "second"),  # what the two are called
    emotions: Mapping[str, np.ndarray] | None = None,  # name -> ARKit pose [52]; None: those of render.viewer.poses
) -> None:
    """Write `track` as one web page that needs nothing else. The same track gives the same bytes."""
    title = title or Path(path).stem
    page = viewer_page(
        track, head, compare=compare, compare_head=compare_head, title=title, names=names, emotions=emotions
    )
    with written_whole(path) as temporary:
        temporary.write_bytes(page.encode())


def viewer_page(
    track: Track,
    head: Head,
    *,
    compare: Track | None = None,
    compare_head: Head | None = None,
    title: str | None = None,
    names: tuple[str, str] = ("first", "second"),
    emotions: Mapping[str, np.ndarray] | None = None,
) -> str:
    """The page that `write_viewer` writes."""
    if compare is None and compare_head is not None:
        raise InputError("a head to compare is given but no track; give `compare` too")
    shown = [(track, head)] if compare is None else [(track, head), (compare, compare_head or head)]
    until_s = max(end_s(track) for track, _ in shown)  # either sound is the clock of both
    clips = [clip_of(*one, name, until_s=until_s) for one, name in zip(shown, names, strict=False)]
    title = title or "emberface"
    facts = {
        "title": title,
        "clips": [clip.facts | {"look": clip.dressing.facts} for clip in clips],
        "emotions": emotion_poses(emotions),
        "credits": _credits(clips),
    }
    engine, ours = asset_path("three").read_text("utf-8"), own_script()
    style = _source("viewer.css")
    parts = {
        "title": html.escape(title),
        "policy": html.escape(policy([engine, ours], style)),
        "style": style,
        "facts": as_json(facts),
        "blobs": "\n".join(_blobs(clips)),
        "engine": engine,
        "script": ours,
    }
    # one pass: what is put in is never searched for marks itself
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], _source("viewer.html"))


def own_script() -> str:
    return one_script(_SOURCES, SCRIPTS)


def _source(name: str) -> str:
    return (_SOURCES / name).read_text("utf-8")


def _blobs(clips: list[Clip]) -> list[str]:
    """Elements that hold the clips' bytes as base64; what is not packed yet is deflated (zlib's format)."""
    elements = []
    for i, clip in enumerate(clips):
        packed = {"glb": clip.glb, "vertices": clip.dressing.vertices}
        plain = {"sound": clip.sound, "skin": clip.dressing.skin, "eye": clip.dressing.eye}
        elements += [_blob(f"{name}{i}", "deflate", zlib.compress(data, 9)) for name, data in packed.items()]
        elements += [_blob(f"{name}{i}", "identity", data) for name, data in plain.items()]
    return elements


def _blob(name: str, coding: str, data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return f'<script type="application/octet-stream" id="{name}" data-coding="{coding}">{text}</script>'


def _credits(clips: list[Clip]) -> list[str]:
    """Whose work the page shows, one line each."""
    licences = sorted({licence for clip in clips for licence in clip.facts["licences"]})
    return ["Made with emberface (Apache-2.0)", "Drawn by three.js (MIT, three.js authors)", *licences]
