"""One person's numbers as plain JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from flame_tools.head import Head
from flame_tools.types import Track
from recon.fitting.certainty import vertex_std
from recon.report.curves import GROUPS, Curve
from recon.report.figures import Residuals, part_masks, ranges
from recon.report.source import first_frame
from recon.report.spectrum import Power
from recon.report.warnings import figures_in, warnings_of

_COMPONENTS = 6  # of the identity, that are named
_FRAMES = 5  # in which it is asked how sure a fit is


def summary(
    track: Track, head: Head, name: str, found: Residuals, curves: Sequence[Curve], powers: dict[str, Power]
) -> dict:
    """What NAME.report.json says of a person; no NaN in it, but None."""
    yaw = next(c for c in curves if c.name == "yaw")
    masks = part_masks()
    known = found.per_frame[np.isfinite(found.per_frame)]
    parts = {part: _mean(found.per_landmark[mask]) for part, mask in masks.items()}
    return {
        "name": name,
        "made_by": _text(track, "made_by"),
        "fitted": (_text(track, "made_by") or "").startswith("recon."),  # and not told by a network at a glance
        "frames": len(track),
        "first_frame": first_frame(track),
        "seconds": [_plain(track.time_s[0]), _plain(track.time_s[-1])],
        "fps": None if track.fps is None else list(track.fps),
        "quality": figures_in(track, "quality"),
        "bridged": ranges(found.bridged),
        "unread": ranges(np.isnan(found.per_frame)),
        "error": {
            "mean": _mean(found.per_frame[~found.bridged]),
            "median": _plain(np.median(known)) if len(known) else None,
            "p95": _plain(np.quantile(known, 0.95)) if len(known) else None,
            "worst": _plain(known.max()) if len(known) else None,
            "worst_frame": int(np.nanargmax(found.per_frame)) if len(known) else None,
            "parts": parts,
            "per_frame": [_plain(v) for v in found.per_frame],
            "per_landmark": [_plain(v) for v in found.per_landmark],
            "offset": [[_plain(v) for v in row] for row in found.offset],
        },
        "face_px": {"median": _plain(np.median(found.size_px), 1), "least": _plain(found.size_px.min(), 1)},
        "sd": {c.name: {"group": c.group, "unit": c.unit, "mean": _mean(c.sd)} for c in curves if c.group in GROUPS},
        "jitter": {
            "acceleration_mm_s2": {k: None if v is None else round(v, 1) for k, v in found.jitter_mm_s2.items()},
            "bands": _bands(found, powers),
        },
        "focal_px": None if track.camera.orthographic else _focal(track),
        "pixels_per_m": _focal(track) if track.camera.orthographic else None,
        "metric_scale": _text(track, "metric_scale"),
        "identity": _identity(track, head),
        "face_sd_mm": _face_sd_mm(track, head, np.flatnonzero(~found.bridged)),
        "warnings": [vars(one) for one in warnings_of(track, found, yaw.values, yaw.sd)],
    }


def _bands(found: Residuals, powers: dict[str, Power]) -> dict[str, list[dict]]:
    """RMS by band: of landmarks in shares of the distance between the eyes, of angles in degrees, of weights."""
    named = {"landmarks read": found.read, "landmarks fitted": found.fitted} | powers
    return {
        name: [band | {"rms": _plain(band["rms"], 6)} for band in power.bands()]
        for name, power in named.items()
        if power is not None
    }


def _focal(track: Track) -> dict:
    """In pixels, or pixels a metre; `known` where it was given, None where nobody says."""
    focal = np.atleast_1d(np.asarray(track.camera.focal, np.float64)[..., 0])
    known = figures_in(track, "focal_px").get("known")
    return {
        "value": _plain(focal.mean(), 1), "least": _plain(focal.min(), 1), "most": _plain(focal.max(), 1),
        "known": None if known is None else bool(known),
    }  # fmt: skip


def _identity(track: Track, head: Head) -> dict:
    shape = track.params.shape.double().numpy()
    sd = np.full(len(shape), np.nan) if track.std is None else track.std.shape.double().numpy()
    order = np.argsort(-np.abs(shape), kind="stable")[:_COMPONENTS]
    names = head.arrays.shape_names
    return {
        "components": len(shape),
        "rms": _plain(np.sqrt((shape**2).mean())) if len(shape) else None,  # 1 of a usual person
        "told": _mean(1 - np.clip(sd, 0, 1) ** 2),  # share of the prior's variance that the pictures took away
        "largest": [{"name": names[k], "value": _plain(shape[k], 3), "sd": _plain(sd[k], 3)} for k in order],
    }


def _face_sd_mm(track: Track, head: Head, seen: np.ndarray) -> float | None:
    """How far a place on the face may be off, RMS over the face in some of the frames that were seen."""
    if track.std is None or not len(seen) or "face" not in head.arrays.regions:
        return None
    frames = seen[np.unique(np.linspace(0, len(seen) - 1, _FRAMES).round().astype(int))]
    sds = [vertex_std(track, head, int(frame)) for frame in frames]
    return _plain(1000 * np.sqrt(np.nanmean(np.square(sds).sum(-1))), 2)


def _plain(value: float, digits: int = 5) -> float | None:
    value = float(value)
    return round(value, digits) if math.isfinite(value) else None


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return _plain(known.mean()) if len(known) else None


def _text(track: Track, name: str) -> str | None:
    found = track.provenance.get(name)
    return None if found is None else str(found)
