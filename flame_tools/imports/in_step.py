"""Sound and what is said, kept in step with frames: where an edit lies in the time of what it was made from."""

from __future__ import annotations

import numpy as np

from flame_tools.errors import InputError
from flame_tools.file_clock import origin_s
from flame_tools.types import Intervals, Track

_SLIVER_S = 1e-3  # of a stretch that is no part of it: files round their times
LONGER, AND_S = 1.5, 1.0  # an edit may last this many times as long, and these seconds


def span(track: Track) -> tuple[float, float]:
    """Seconds at which the first frame begins and the last one ends; a single frame without a rate lasts 0 s."""
    return float(track.time_s[0]), float(track.time_s[-1]) + _frame_s(track)


def _frame_s(track: Track) -> float:
    if track.fps is not None:
        return track.fps[1] / track.fps[0]
    return float(np.median(np.diff(track.time_s))) if len(track) > 1 else 0.0


def placed(edited: Track, original: Track, source: str) -> Track:
    """`edited` on the clock of `original`, both of more than one frame.

    The times in its file are those of the original's files, but for an edit that is as long: that begins where the
    original does, as programs move all by a frame. So does a table, unless its timecode lies within the original.
    Raises InputError, naming `source`, where it cannot be an edit of this track: the same frames at another rate,
    much longer, or none of them while the original lasts.
    """
    (start, end), (first, last) = span(edited), span(original)
    length, lasted, half = end - start, last - first, _frame_s(original) / 2
    if len(edited) == len(original) > 2 and abs(length - lasted) > half:
        raise InputError(
            f"{source} has the {len(edited)} frames of the track that it should be an edit of, but they last "
            f"{length:.3f} s there and {lasted:.3f} s here: nothing would be in step with them; export it again at "
            f"the track's rate, {1 / _frame_s(original):.6g} frames a second"
        )
    _refuse_longer(length, lasted, f"{source} lasts {length:.1f} s, and the track that it should be an edit of")
    if (code_s := edited.provenance.get("timecode_s")) is not None:
        began = original.provenance.get("timecode_s")
        counted = [code_s + origin_s(original)] if began is None else [code_s - began, code_s]
        begins = next((at for at in counted if first - half <= at < last), first)
    else:
        on_ours = start + (origin_s(original) if start >= 0 else 0.0)  # a track of ours has its own clock
        begins = first if abs(length - lasted) <= half else on_ours
    if not (begins < last and begins + length > first):
        raise InputError(
            f"{source} lasts from {begins:.2f} to {begins + length:.2f} s, and the track that it should be an edit of "
            f"from {first:.2f} to {last:.2f} s; export it with the times that it had"
        )
    return edited if begins == start else edited.replace(time_s=np.asarray(edited.time_s) + (begins - start))


def _refuse_longer(length: float, lasted: float, what: str) -> None:
    if length > LONGER * lasted + AND_S:
        raise InputError(f"{what} {lasted:.1f} s; give the one that belongs to it")


def covered(edited: Track, original: Track) -> tuple[float, float]:
    """The seconds of `original` that `edited` covers; infinite at an end that it reaches. Both on one clock."""
    (start, end), (first, last) = span(edited), span(original)
    frame = 1.001 * max(_frame_s(original), _frame_s(edited))  # by which another rate may fall short
    return start if start > first + frame else -np.inf, end if end < last - frame else np.inf


def heard_and_said(edited: Track, original: Track) -> Track:
    """`edited`, with the sound and the stretches of `original` that fall on its frames; both on one clock.

    Sound and stretches that an edit has are its own. Where it covers the original, all is kept as it is; where it is
    shorter, what lies before or after it is cut away.
    """
    start, end = covered(edited, original)
    said = {name: _between(tier, start, end) for name, tier in original.intervals.items() if name != "events"}
    edited = edited.replace(intervals=said | edited.intervals)
    if edited.audio is None and original.audio is not None:
        kept, begins = _cut(original.audio, original.audio_rate, original.audio_start_s, start, end)
        if len(kept):
            edited = edited.replace(audio=kept, audio_rate=original.audio_rate, audio_start_s=begins)
    return edited


def with_sound(track: Track, samples: np.ndarray, rate: int, source: str) -> Track:
    """`track` with a sound [N] from its time 0 on, cut where the last frame ends.

    Raises InputError, naming `source`, where the frames go on much longer, or begin when it is over.
    """
    (first, last), lasts = span(track), len(samples) / rate
    _refuse_longer(last - first, lasts, f"the performance lasts {last - first:.1f} s, and {source}")
    if first >= lasts:
        raise InputError(f"{source} is over after {lasts:.1f} s, when the performance begins, at {first:.1f} s")
    kept, begins = _cut(samples, rate, 0.0, -np.inf, last)
    return track.replace(audio=kept, audio_rate=rate, audio_start_s=begins)


def _cut(samples: np.ndarray, rate: int, at_s: float, start: float, end: float) -> tuple[np.ndarray, float]:
    """The samples between two moments, and when the first of them sounds."""
    low = 0 if start == -np.inf else min(max(round((start - at_s) * rate), 0), len(samples))
    high = len(samples) if end == np.inf else min(max(round((end - at_s) * rate), low), len(samples))
    return samples[low:high], at_s + low / rate


def _between(tier: Intervals, start: float, end: float) -> Intervals:
    kept = (tier.end_s > start + _SLIVER_S) & (tier.start_s < end - _SLIVER_S)
    names = tuple(name for name, keep in zip(tier.names, kept, strict=True) if keep)
    return Intervals(names, np.maximum(tier.start_s[kept], start), np.minimum(tier.end_s[kept], end))
