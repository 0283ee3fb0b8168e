"""Phones that somebody has set: of a TextGrid (Praat, MFA) or a track, in the place of those that would be found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from animate.agreement import FITS, agreement
from animate.hearing import Hearing
from animate.phone_names import arpabet_of, whole_stops
from animate.phones import Phones, rows_of
from animate.speech import Prosody
from animate.textgrid import intervals, read_textgrid
from animate.visemes import SILENCE
from flame_tools.errors import InputError
from flame_tools.track_file import load_track
from flame_tools.types import Intervals

PHONES, WORDS = ("phones", "phone", "phonemes", "mau"), ("words", "word", "ort-mau")  # what tiers are called
_NO_WORD = ("", "<eps>", "sil", "<sil>", "sp")
_SAME_S = 5e-4  # two times of one border, as files round them
_BEYOND_S = 0.1  # by which a last phone may end after its recording


Given = str | os.PathLike | Mapping[str, Intervals]  # a TextGrid or a NAME.face.npz, or tiers as track.intervals


def tiers_of(given: Given) -> tuple[Mapping[str, Intervals], str]:
    """What is given as tiers by name, and what to call it."""
    if isinstance(given, (str, os.PathLike)):
        own = str(given).endswith(".face.npz")
        return load_track(given).intervals if own else read_textgrid(given), str(given)
    if isinstance(given, Mapping) and all(isinstance(tier, Intervals) for tier in given.values()):
        return given, "what is given as phones"
    raise InputError(
        f"phones is {type(given).__name__}; wanted a TextGrid or a NAME.face.npz, or tiers by name as track.intervals"
    )


def tier_of(tiers: Mapping[str, Intervals], names: Iterable[str], source: str) -> Intervals | None:
    """The tier that has one of the names, or as MFA writes it for a speaker, "Ann - phones". None where there is none.

    Raises InputError where several have.
    """
    for name in names:
        found = [tier for tier in tiers if tier.lower() == name or tier.lower().endswith(f" - {name}")]
        if len(found) > 1:
            raise InputError(f"{source} has several tiers of {name}: {', '.join(found)}; leave that of this recording")
        if found:
            return tiers[found[0]]
    return None


def phones_tier(tiers: Mapping[str, Intervals], source: str) -> Intervals:
    """The tier of phones, by ARPAbet's names without stress. Raises InputError where there is none."""
    tier = tier_of(tiers, PHONES, source)
    if tier is None:
        raise InputError(f"{source} has no tier called phones; it has {', '.join(tiers) or 'none'}")
    tier = whole_stops(tier)
    return Intervals(tuple(arpabet_of(tier.names, source)), tier.start_s, tier.end_s)


def phones_given(given: Given, duration_s: float) -> Phones:
    """The phones as they stand there, to the last millisecond, with silence where they have gaps; the words where there
    is such a tier.

    Raises InputError for labels that are no phones, and for times that overlap or do not fit the recording.
    """
    tiers, source = tiers_of(given)
    tier = phones_tier(tiers, source)
    _check(tier, duration_s, source)
    phones = _gapless(tier, duration_s)
    words = tier_of(tiers, WORDS, source) or intervals(())
    _check(words, np.inf, source)
    said = [row for row in rows_of(words) if row[0].strip().lower() not in _NO_WORD and row[1] < duration_s]
    return Phones(
        phones,
        intervals((name, start, min(end, duration_s)) for name, start, end in said),
        "given",
        np.zeros(len(phones), bool),
        oov=(),
        left_out=(),
        agreement=None,
        fits=None,
    )


def held_against(given: Phones, hearing: Hearing, prosody: Prosody) -> Phones:
    """The same phones, and whether what is heard confirms that they are of this recording."""
    share = agreement(given.phones, hearing.phones(), prosody)
    return replace(given, agreement=share, fits=None if share is None else share >= FITS)


def _check(tier: Intervals, duration_s: float, source: str) -> None:
    start, end = (np.asarray(x, np.float64) for x in (tier.start_s, tier.end_s))
    if not (len(start) == len(end) == len(tier.names) and np.isfinite(start).all() and np.isfinite(end).all()):
        raise InputError(f"{source} has {len(tier.names)} names and other times; wanted a start and an end for each")
    wrong = (end < start) | (start < -_SAME_S) | np.append(start[1:] < end[:-1] - _SAME_S, False)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise InputError(
            f"{source}: {tier.names[i]!r} lasts from {start[i]:.3f} to {end[i]:.3f} s, which is before 0, backwards or "
            "into the next one; one after the other is wanted"
        )
    spoken = end[[name != SILENCE for name in tier.names]]
    if len(spoken) and spoken[-1] > duration_s + _BEYOND_S:
        raise InputError(
            f"{source} has phones until {spoken[-1]:.2f} s, and the recording lasts {duration_s:.2f} s; give those of "
            "this recording"
        )


def _gapless(tier: Intervals, duration_s: float) -> Intervals:
    """From 0 to the end, silence in the gaps; silences that touch are one."""
    rows: list[tuple[str, float, float]] = []
    for name, start, end in [*rows_of(tier), (SILENCE, duration_s, duration_s)]:
        at = rows[-1][2] if rows else 0.0
        start = min(start, duration_s) if start > at + _SAME_S else at
        for part, begin, stop in ((SILENCE, at, start), (name, start, min(end, duration_s))):
            if rows and part == rows[-1][0] == SILENCE:
                rows[-1] = (SILENCE, rows[-1][1], max(stop, rows[-1][2]))
            elif stop > begin:
                rows.append((part, begin, stop))
    return intervals(rows)
