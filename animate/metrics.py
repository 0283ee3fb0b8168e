"""Do the lips tell the truth? Named figures of a track against phones with times.

Definitions, all on the signed lip gap of the central inner-lip pairs (flame_tools.lips.Lips), in the head's frame:
- closed: every central pair within [-1, +1] mm.
- `bilabial_closure`: share of P B M segments that are closed in some frame from 40 ms before to 40 ms after.
- `false_closure`: share of open vowels (AA AE AH AO AW AY, 80 ms or more) closed in some frame of their middle half;
  `false_closure_other`: the same of every segment of 60 ms or more that is no P B M F V and no silence. F and V are
  left out there because lower lip and upper teeth meet: their lips are all but closed.
- `labiodental_contact`: share of F and V segments in some frame of which the lower lip's middle is within CONTACT_MM of
  the edges of the upper incisors, in space (labiodental.Bite); None on a head without teeth.
- `open_gap_mm`: median over open vowels of the segment's widest gap.
- `silence_rest`: in silences over 0.3 s, share of frames with every central gap within 1.5 mm of the gap that the
  emotion in force has at rest.
- `open_closed_auc`: chance that a random open vowel's middle is wider open than a random P B M's narrowest moment.
- `rounded_spread_auc`: chance that the mouth is narrower in the middle of a random UW OW W than of a random IY EY IH.
- `loudness_opening_r`: Pearson correlation of loudness in dB and gap over frames outside silences. Reported, not
  maximised: a real capture gives 0.4.
- `onset_misalignment_ms`: median distance between the start of a P B M after a vowel and the moment at which the lips
  have closed half of that vowel's gap.
A figure without a segment or frame to stand on is None.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from animate.emotion import layer
from animate.labiodental import CONTACT_MM, bite_of
from animate.phones import Phones
from animate.speech import at_times, measure, prepare
from animate.visemes import BILABIAL, LABIODENTAL, OPEN_VOWELS, SILENCE, VOWELS, plain
from flame_tools.errors import FaceError, InputError
from flame_tools.head import Head
from flame_tools.lips import CLOSED_MM, Lips
from flame_tools.types import Intervals, Track

TOLERANCE_S = 0.040
REST_MM = 1.5
_ROUNDED, _SPREAD = ("UW", "OW", "W"), ("IY", "EY", "IH")


@dataclass(frozen=True)
class LipReport:
    """The figures of one track, and how many segments each stands on."""

    bilabial_closure: float | None
    false_closure: float | None
    false_closure_other: float | None
    labiodental_contact: float | None
    open_gap_mm: float | None
    silence_rest: float | None
    open_closed_auc: float | None
    rounded_spread_auc: float | None
    loudness_opening_r: float | None
    onset_misalignment_ms: float | None
    segments_used: float  # share of the spoken segments that had a trusted time; below 0.9 trust nothing above
    own_phones: bool  # the phones are those that moved this face: the figures say how it follows them, not what is true
    counts: dict[str, int]


@dataclass(frozen=True)
class _Segment:
    name: str
    start: float
    end: float
    before: _Segment | None = None

    @property
    def length(self) -> float:
        return self.end - self.start


def lip_report(track: Track, head: Head, phones: Intervals | Phones | None = None) -> LipReport:
    """Figures of `track` against `phones`: a TextGrid's tier, or what find_phones aligned (fallbacks are left out).

    Without phones the track's own are used, and `onset_misalignment_ms` is None: nothing then knows the truth.
    """
    own = track.intervals.get("phones")
    phones = own if phones is None else phones
    if phones is None:
        raise InputError("the track holds no phones; give a TextGrid or the text")
    truth = phones is not own
    trusted = ~phones.fallback if isinstance(phones, Phones) else np.ones(len(phones), bool)
    tier = phones.phones if isinstance(phones, Phones) else phones
    segments, used = _segments(tier, trusted)
    lips = Lips(head, track.params.shape)
    gaps, widths = lips.gaps_mm(track.params), lips.widths_mm(track.params)
    times, bite = np.asarray(track.time_s), bite_of(lips.person)
    bites = None if bite is None else bite.distances_mm(track.params)
    rest = _rest_gaps(track, lips)
    return _figures(track, segments, used, times, gaps, widths, bites, rest, truth, _same(tier, own))


def _same(tier: Intervals, own: Intervals | None) -> bool:
    """Whether both have the same spoken phones at the same times, but for rounding in a file."""
    if own is None:
        return False
    (names, times), (own_names, own_times) = _spoken(tier), _spoken(own)
    return names == own_names and np.allclose(times, own_times, rtol=0, atol=0.002)


def _spoken(tier: Intervals) -> tuple[list[str], np.ndarray]:
    names = list(map(plain, tier.names))
    kept = [i for i, name in enumerate(names) if name != SILENCE]
    return [names[i] for i in kept], np.stack([tier.start_s, tier.end_s])[:, kept]


def _segments(tier: Intervals, trusted: np.ndarray) -> tuple[list[_Segment], float]:
    """Segments in order, silences that touch joined; and the share of spoken ones that is trusted and known."""
    out: list[_Segment] = []
    spoken = kept = 0
    for name, start, end, trust in zip(tier.names, tier.start_s, tier.end_s, trusted, strict=True):
        name = plain(name)
        before = out[-1] if out and abs(out[-1].end - start) < 0.011 else None
        if name == SILENCE:
            if before is not None and before.name == SILENCE:
                out[-1] = dataclasses.replace(before, end=float(end))
            else:
                out.append(_Segment(SILENCE, float(start), float(end), before))
            continue
        spoken += 1
        if trust and name != "SPN":
            kept += 1
            out.append(_Segment(name, float(start), float(end), before))
    return out, kept / spoken if spoken else 0.0


def _rest_gaps(track: Track, lips: Lips) -> np.ndarray:
    """Gap [T, P] mm that the track's emotion has when nothing is said."""
    curves = track.curves.get("emotion")
    if curves is None:
        return np.zeros((1, 1))
    # One row a distinct mixture: a constant layer is posed once.
    mixtures, which = np.unique(curves.values, axis=0, return_inverse=True)
    return lips.gaps_of_weights_mm(layer(mixtures))[which.reshape(-1)]


def _figures(track, segments, used, times, gaps, widths, bites, rest, truth, own_phones) -> LipReport:
    closed = (np.abs(gaps) <= CLOSED_MM).all(1)
    opening = gaps.mean(1)

    def rows(start: float, end: float) -> slice:
        """Frames in [start, end], at least the one nearest to the middle."""
        low, high = np.searchsorted(times, start - 1e-9), np.searchsorted(times, end + 1e-9)
        if high > low:
            return slice(low, high)
        nearest = int(np.argmin(np.abs(times - (start + end) / 2)))
        return slice(nearest, nearest + 1)

    def middle(s: _Segment) -> slice:
        return rows(s.start + s.length / 4, s.end - s.length / 4)

    covered = [s for s in segments if times[0] - 0.05 < s.end and s.start < times[-1] + 0.05]
    labial = [s for s in covered if s.name in BILABIAL]
    dental = [s for s in covered if s.name in LABIODENTAL] if bites is not None else []
    vowels = [s for s in covered if s.name in OPEN_VOWELS and s.length >= 0.0799]
    other = [s for s in covered if s.name not in BILABIAL | LABIODENTAL | {SILENCE} and s.length >= 0.0599]
    silent = [s for s in covered if s.name == SILENCE and s.length > 0.3]
    at_rest = [(np.abs(gaps - rest) <= REST_MM).all(1)[(times >= s.start) & (times < s.end)] for s in silent]
    speech = np.ones(len(times), bool)
    for s in covered:
        if s.name == SILENCE:
            speech[(times >= s.start) & (times < s.end)] = False
    rounded = [widths[middle(s)].mean() for s in covered if s.name in _ROUNDED]
    spread = [widths[middle(s)].mean() for s in covered if s.name in _SPREAD]
    return LipReport(
        bilabial_closure=_mean([closed[rows(s.start - TOLERANCE_S, s.end + TOLERANCE_S)].any() for s in labial]),
        false_closure=_mean([closed[middle(s)].any() for s in vowels]),
        false_closure_other=_mean([closed[middle(s)].any() for s in other]),
        labiodental_contact=_mean([bites[rows(s.start, s.end)].min() <= CONTACT_MM for s in dental]),
        open_gap_mm=float(np.median([gaps[rows(s.start, s.end)].max() for s in vowels])) if vowels else None,
        silence_rest=_mean(np.concatenate(at_rest)) if at_rest else None,
        open_closed_auc=_auc(
            [opening[middle(s)].mean() for s in vowels],
            [opening[rows(s.start, s.end)].min() for s in labial],
        ),
        rounded_spread_auc=_auc(spread, rounded),
        loudness_opening_r=_loudness_r(track, times, opening, speech),
        onset_misalignment_ms=_misalignment(labial, times, opening) if truth else None,
        segments_used=float(used),
        own_phones=own_phones,
        counts={
            "bilabial": len(labial),
            "labiodental": len(dental),
            "open_vowel": len(vowels),
            "other": len(other),
            "silence": len(silent),
            "silence_frames": sum(map(len, at_rest)),
        },
    )


def _mean(values) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _auc(high: list[float], low: list[float]) -> float | None:
    """Chance that a random member of `high` exceeds one of `low`; ties count half."""
    if not high or not low:
        return None
    a, b = np.asarray(high)[:, None], np.asarray(low)[None]
    return float(((a > b) + 0.5 * (a == b)).mean())


def _loudness_r(track: Track, times: np.ndarray, opening: np.ndarray, speech: np.ndarray) -> float | None:
    if track.audio is None or speech.sum() < 10:
        return None
    try:
        prosody = measure(prepare(track.audio, track.audio_rate))
    except FaceError:  # silence has no loudness to follow
        return None
    loud = at_times(prosody.loudness_db, times - track.audio_start_s)[speech]
    wide = opening[speech]
    if loud.std() < 1e-6 or wide.std() < 1e-6:
        return None
    return float(np.corrcoef(loud, wide)[0, 1])


def _misalignment(labial: list[_Segment], times: np.ndarray, opening: np.ndarray) -> float | None:
    found = []
    for s in labial:
        vowel = s.before
        if vowel is None or vowel.name not in VOWELS or vowel.length < 0.06:
            continue
        fine = np.arange((vowel.start + vowel.end) / 2, s.end + 0.08, 0.001)
        path = np.interp(fine, times, opening)
        shut = int(np.argmin(path))
        top = float(path[: shut + 1].max())
        half = (top + path[shut]) / 2
        if top - path[shut] < 1.0:
            continue  # the lips never moved: bilabial_closure counts that
        crossing = np.flatnonzero(path[: shut + 1] >= half)[-1]
        found.append(abs(fine[crossing] - s.start) * 1e3)
    return float(np.median(found)) if found else None
