"""The phones of a track as visemes with their times.

Visemes are the fifteen that game avatars share (Oculus Lipsync; their order is that of XrFaceTrackingVisemeMETA in
OpenXR's XR_META_face_tracking_visemes). A diphthong is two of them, one after the other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from flame_tools.archive import written_whole
from flame_tools.errors import InputError
from flame_tools.file_clock import origin_s
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.track_check import check_track
from flame_tools.types import Track

# Viseme -> the ARPAbet phones that look so. Phones that the set's own table leaves out join those made most alike: HH
# and NG the back of the tongue, W and Y the vowels they start from, SPN (speech nobody could tell) the open mouth.
VISEMES: dict[str, tuple[str, ...]] = {
    "sil": ("SIL", "NOISE"),
    "PP": ("P", "B", "M"),
    "FF": ("F", "V"),
    "TH": ("TH", "DH"),
    "DD": ("T", "D"),
    "kk": ("K", "G", "NG", "HH"),
    "CH": ("CH", "JH", "SH", "ZH"),
    "SS": ("S", "Z"),
    "nn": ("N", "L"),
    "RR": ("R", "ER"),
    "aa": ("AA", "AE", "AH", "AX", "SPN"),
    "E": ("EH",),
    "ih": ("IH", "IY", "Y"),
    "oh": ("AO",),
    "ou": ("UH", "UW", "W"),
}
DIPHTHONGS = {"AW": ("aa", "ou"), "AY": ("aa", "ih"), "EY": ("E", "ih"), "OW": ("oh", "ou"), "OY": ("oh", "ih")}
_SILENCES = ("", "SIL", "SP", "EPS", "<EPS>", "<SIL>", "<S>", "</S>", "+NSN+")
_OF = {phone: (viseme,) for viseme, phones in VISEMES.items() for phone in phones} | DIPHTHONGS


@dataclass(frozen=True)
class Viseme:
    """One mouth shape and when it is held."""

    viseme: str
    index: int  # place among the fifteen, from 0
    start_s: float
    end_s: float
    phone: str  # as the track has it


def write_visemes(track: Track, head: Head, path: str | os.PathLike) -> None:
    """Write JSON: "visemes", a list of {viseme, index, start_s, end_s, phone} in the order of time, and licences.

    Seconds on the clock of the track's files (file_clock.py), six decimals. Raises InputError where the track has no
    phones, or names that are not ARPAbet's.
    """
    check_track(track)
    rows = [json.dumps(asdict(_moved(row, -origin_s(track)))) for row in visemes_of(track)]
    top = {"head": head.arrays.id, "licences": list(licences_of(track, head.arrays)), "set": list(VISEMES)}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in top.items()]
    with written_whole(path) as temporary, open(temporary, "w", newline="\n") as file:
        file.write("{\n" + "\n".join(lines) + '\n"visemes": [\n' + ",\n".join(rows) + "\n]\n}\n")


def visemes_of(track: Track) -> tuple[Viseme, ...]:
    """The visemes of `track.intervals["phones"]`. Raises InputError where there is none, or a name is unknown."""
    phones = track.intervals.get("phones")
    if phones is None or not len(phones):
        raise InputError("the track has no phones to make visemes of; animate speech to get some")
    if unknown := unknown_phones(track):
        raise InputError(
            f"the track's phones hold {', '.join(map(repr, unknown[:5]))}, wanted ARPAbet such as AH0 or SIL; "
            "rename them"
        )
    rows = zip(phones.names, phones.start_s, phones.end_s, strict=True)
    return tuple(part for row in rows for part in _parts(*row))


def _moved(row: Viseme, by_s: float) -> Viseme:
    return replace(row, start_s=round(row.start_s + by_s, 6), end_s=round(row.end_s + by_s, 6))


def unknown_phones(track: Track) -> tuple[str, ...]:
    """Names among the track's phones that no viseme is known for, sorted."""
    phones = track.intervals.get("phones")
    return () if phones is None else tuple(sorted({name for name in phones.names if _plain(name) not in _OF}))


def _parts(phone: str, start_s: float, end_s: float) -> Iterator[Viseme]:
    parts, order = _OF[_plain(phone)], list(VISEMES)
    edges = [float(start_s + (end_s - start_s) * i / len(parts)) for i in range(len(parts) + 1)]
    for name, start, end in zip(parts, edges[:-1], edges[1:], strict=True):
        yield Viseme(name, order.index(name), round(start, 6), round(end, 6), phone)


def _plain(phone: str) -> str:
    """Upper case without the digit of stress; SIL for every kind of silence."""
    name = phone.strip().upper().rstrip("012")
    return "SIL" if name in _SILENCES else name
