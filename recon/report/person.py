"""One person of a report: their numbers, and what their part of the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.head import Head
from flame_tools.types import Track
from recon.report.curves import Curve, thinned
from recon.report.face_map import SIZE, FaceMap, face_maps
from recon.report.figures import Residuals, part_masks
from recon.report.overlay import ERROR_LIMIT
from recon.report.spectrum import Power

MOST_POINTS = 2000  # of a curve on the page: a screen has no more
_FIRST = ("yaw", "pitch", "jaw open", "lid left", "lid right")  # curves that are shown at once
_MOVING = 3  # and so many components of expression
_FIRST_STILL = 12  # of a single picture


@dataclass(frozen=True)
class Person:
    """A track, measured."""

    track: Track
    found: Residuals
    numbers: dict  # of recon.report.summary
    plotted: dict  # JSON beside them for the page
    maps: tuple[FaceMap, ...]
    read: tuple[np.ndarray | None, ...] | None  # [468, 2] of each picture; None of a film, whose lie in its parts


def person_of(
    track: Track,
    head: Head,
    found: Residuals,
    curves: Sequence[Curve],
    powers: dict[str, Power],
    numbers: dict,
    read: tuple[np.ndarray | None, ...] | None,
) -> Person:
    """What a page needs of a person."""
    first = _first_shown(curves, len(track))
    spectra = {"landmarks read": found.read, "landmarks fitted": found.fitted} | powers
    plotted = {
        "times": _list(thinned(track.time_s, MOST_POINTS), 4),
        "curves": [
            {
                "group": c.group, "name": c.name, "unit": c.unit, "shown": c.name in first,
                "values": _list(thinned(c.values, MOST_POINTS, extremes=True), 4),
                "sd": _list(thinned(c.sd, MOST_POINTS), 4) if np.isfinite(c.sd).any() else None,
            }
            for c in curves
        ],
        "error": _list(thinned(found.per_frame, MOST_POINTS, extremes=True), 5),
        "parts": {
            name: _list(thinned(row, MOST_POINTS), 5) for name, row in zip(part_masks(), found.per_part, strict=True)
        },
        "limit": ERROR_LIMIT,
        "spectra": {
            name: {"hz": _list(p.hz, 3), "power": [float(f"{v:.3g}") for v in p.power], "segments": p.segments}
            for name, p in spectra.items() if p is not None
        },
    }  # fmt: skip
    maps = tuple(face_maps(track, head, found.per_landmark))
    places = [[_list(xy, 1) for xy in m.points] for m in maps]
    plotted["maps"] = {"size": list(SIZE), "points": places, "eye": round(maps[0].eye_px, 1)}
    return Person(track, found, numbers, plotted, maps, read)


def _first_shown(curves: Sequence[Curve], frames: int) -> set[str]:
    moving = [c for c in curves if c.group == "expression"]
    if frames == 1:  # what is surest to differ from rest
        strength = [abs(float(c.values[0])) / (float(c.sd[0]) if c.sd[0] > 0 else 1.0) for c in moving]
        others = {c.name for c in curves if c.group in ("jaw", "lids", "gaze") or c.name in _FIRST or c.name == "roll"}
        return others | {moving[k].name for k in np.argsort(-np.array(strength), kind="stable")[:_FIRST_STILL]}
    spread = np.array([np.ptp(np.quantile(c.values, (0.02, 0.98))) for c in moving])
    return {*_FIRST, *(moving[k].name for k in np.argsort(-spread, kind="stable")[:_MOVING])}


def _list(values: np.ndarray, digits: int) -> list[float | None]:
    return [round(v, digits) if np.isfinite(v) else None for v in np.asarray(values, np.float64).tolist()]
