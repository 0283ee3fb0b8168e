"""Praat TextGrids: named stretches of time in a text file, long or short form, read and written whole."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.errors import FormatError, InputError
from flame_tools.file_clock import origin_s
from flame_tools.types import Intervals, Track

# A quoted string (a doubled quote inside stands for one) or a number; everything else in the long form is a caption.
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(?<![\w.])(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w.\]])')

_SMALLEST_S = 5e-7  # what six decimals tell apart


def intervals(rows) -> Intervals:
    """Rows (name, start_s, end_s), in order of time, as `Intervals`."""
    rows = list(rows)
    return Intervals(
        tuple(row[0] for row in rows),
        np.array([row[1] for row in rows], dtype=np.float64),
        np.array([row[2] for row in rows], dtype=np.float64),
    )


def read_textgrid(path) -> dict[str, Intervals]:
    """Interval tiers by name, in seconds, empty intervals included. Point tiers are skipped.

    Raises FormatError where the file is none, is damaged, or has two interval tiers of one name.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FormatError(
            f"{path} cannot be read ({error.strerror}); give a TextGrid saved by Praat or an aligner"
        ) from error
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not text in UTF-8 or UTF-16; save it from Praat as a text file") from error
    head = text[:200]
    if "ooTextFile" not in head or "TextGrid" not in head:
        raise FormatError(
            f"{path} does not open as a TextGrid does (ooTextFile, TextGrid); export the tiers from Praat as text"
        )
    body = text[text.index("TextGrid") + len("TextGrid") :]
    body = re.sub(r'^\s*"', "", body) if body.lstrip().startswith('"') else body
    tokens = [float(m[2]) if m[2] is not None else m[1].replace('""', '"') for m in _TOKEN.finditer(body)]
    try:
        tiers = _tiers(tokens)
    except (IndexError, TypeError, ValueError) as error:
        raise FormatError(f"{path} ends early or has intervals out of place; export it again from Praat") from error
    names = [name for name, _ in tiers]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise FormatError(f"{path} has several tiers called {twice!r}, and one of them is meant; rename the others")
    return dict(tiers)


def _tiers(tokens) -> list[tuple[str, Intervals]]:
    tiers = []
    at, count = 3, int(tokens[2])  # after xmin, xmax, number of tiers
    for _ in range(count):
        kind, name, items = tokens[at], tokens[at + 1], int(tokens[at + 4])
        at += 5
        width = 3 if kind == "IntervalTier" else 2
        rows = [tokens[at + width * i : at + width * (i + 1)] for i in range(items)]
        at += width * items
        if kind != "IntervalTier":
            continue
        start = np.array([row[0] for row in rows], dtype=np.float64)
        end = np.array([row[1] for row in rows], dtype=np.float64)
        names = tuple(str(row[2]) for row in rows)
        if np.any(end < start) or np.any(np.diff(start) < 0):
            raise ValueError("intervals out of order")
        tiers.append((str(name), Intervals(names, start, end)))
    return tiers


def write_said(track: Track, path) -> None:
    """Write a track's words and phones, in step with its WAV and as long. Raises InputError without phones."""
    tiers = {name: track.intervals[name] for name in ("words", "phones") if len(track.intervals.get(name, ()))}
    if "phones" not in tiers:
        raise InputError(f"the track has no phones to write to {path}; animate speech to get some")
    zero_s = origin_s(track)
    ends = [float(tier.end_s[-1]) for tier in tiers.values()]
    sound = 0.0 if track.audio is None else track.audio_start_s + len(track.audio) / track.audio_rate
    tiers = {name: _from(zero_s, tier) for name, tier in tiers.items()}
    write_textgrid(tiers, path, end_s=max(*ends, sound) - zero_s)


def _from(zero_s: float, tier: Intervals) -> Intervals:
    rows = zip(tier.names, tier.start_s - zero_s, tier.end_s - zero_s, strict=True)
    return intervals((name, max(start, 0.0), end) for name, start, end in rows if end > 0)


def write_textgrid(tiers: dict[str, Intervals], path, *, end_s: float) -> None:
    """Write tiers in Praat's long form; gaps become empty intervals, as Praat wants them."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end_s:.6f}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, tier) in enumerate(tiers.items(), 1):
        rows = _without_gaps(tier, end_s)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{_quoted(name)}"']
        lines += ["        xmin = 0", f"        xmax = {end_s:.6f}", f"        intervals: size = {len(rows)}"]
        for index, (text, start, end) in enumerate(rows, 1):
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {start:.6f}",
                f"            xmax = {end:.6f}",
            ]
            lines += [f'            text = "{_quoted(text)}"']
    with written_whole(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _quoted(text: str) -> str:
    return text.replace('"', '""')


def _without_gaps(tier: Intervals, end_s: float) -> list[tuple[str, float, float]]:
    rows, at = [], 0.0
    for name, start, end in zip(tier.names, tier.start_s, tier.end_s, strict=True):
        if start > at + _SMALLEST_S:
            rows.append(("", at, float(start)))
        rows.append((name, float(start), float(end)))
        at = float(end)
    if end_s > at + _SMALLEST_S:
        rows.append(("", at, end_s))
    return rows
