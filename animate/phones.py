"""Speech to phones with times: forced alignment where the text is given, emberface-speech where it is not.

1. `align`: the text's words, laid onto the sound. Words that the dictionary lacks get a pronunciation by rules
   (`oov`). Long recordings, and short ones that fail, are first cut at places where a quick decode with the text's own
   language model agrees with the text.
2. `hear`: the phones that the speech encoder hears, in any language, and no words.
`fallback_share` is the share of the spoken time of a text that had to be heard, because it could not be aligned.

What the words ask for is held against what is heard without them (`agreement`): a text that is not what is said is
flagged (`fits`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from animate.agreement import FITS, agreement
from animate.hearing import Hearing, hear
from animate.letters import in_dictionary, pronounce, spoken_words
from animate.recognizer import SILENCE, Heard, Recognizer
from animate.speech import HOP_S, RATE, Prosody, Speech, pauses, pieces
from animate.textgrid import intervals
from flame_tools.errors import InputError
from flame_tools.types import Intervals

_ALIGN_WHOLE_S = 25.0  # longer recordings are cut at anchors first
_CHUNK_S = (5.0, 20.0)
_FASTEST = 30.0  # phones a second that no one speaks: fast talkers reach 20, the model's states allow 33


@dataclass(frozen=True)
class Phones:
    """What was said when, and how it was found out."""

    phones: Intervals  # ARPAbet without stress, SIL between; no gaps, from 0 to the recording's end
    words: Intervals
    method: str  # "align", "hear", or "given" (animate.phones_given)
    fallback: np.ndarray  # [n] bool per phone: found by a lower step than asked for
    oov: tuple[str, ...]  # words given a pronunciation by rules
    left_out: tuple[str, ...]  # words of the text that have no English letters
    agreement: float | None  # in [0, 1], how well what is heard confirms the words, or how sure it is without any
    fits: bool | None  # the text, or the phones given, are what is said; None where none were given

    @property
    def fallback_share(self) -> float:
        spoken = np.array([name != SILENCE for name in self.phones.names])
        length = (self.phones.end_s - self.phones.start_s) * spoken
        return float((length * self.fallback).sum() / length.sum()) if length.sum() else float(self.fallback.any())

    def report(self) -> dict:
        """For a track's provenance."""
        return {
            "method": self.method,
            "fits": self.fits,
            "agreement": None if self.agreement is None else round(self.agreement, 3),
            "fallback_share": round(self.fallback_share, 4),
            "oov": list(self.oov),
            "left_out": list(self.left_out),
        }


_LOUD_DB = -22.0  # below the loud parts of the speech: louder than this is no silence
_OVER_FLOOR_DB = 4.0  # and louder than the noise of the pauses by this
_KEPT_S = 0.03  # of a silence that is never given away
_STEP = 1
_PAUSE_S, _EDGE_S = 0.3, 0.04  # stops are silent for less, and words ring on for about the edge

_SAME_S = 0.015  # a border of a word and of its phone: gaps shorter than 0.012 are closed

Part = tuple[float, Heard, bool]  # start_s, what was heard there, by a fallback or not


def find_phones(
    speech: Speech,
    prosody: Prosody,
    *,
    text: str | None = None,
    hearing: Hearing | None = None,  # what is heard in it, where that is known
    progress: Callable[[float], None] = lambda share: None,
) -> Phones:
    """Phones of a recording, and its words where the text is given. `progress` is told the share done, in (0, 1]."""
    if text is None:
        return phones_heard(hearing or hear(speech.analysis, progress=progress), prosody)
    words = spoken_words(text)
    recognizer = Recognizer()
    pronunciations = {word: pronounce(word, recognizer.lookup) for word in dict.fromkeys(words)}
    left_out = tuple(word for word, phones in pronunciations.items() if not phones)
    oov = tuple(w for w, phones in pronunciations.items() if phones and not in_dictionary(w, recognizer.lookup))
    words = [word for word in words if pronunciations[word]]
    rate = sum(len(pronunciations[word]) for word in words) / speech.duration_s
    if rate > _FASTEST:
        raise InputError(
            f"the text has {len(words)} words for {speech.duration_s:.1f} s of sound, {rate:.0f} phones a second where "
            f"no one speaks {_FASTEST:.0f}; give the text of this recording, or leave it out"
        )
    for word, phones in pronunciations.items():
        if phones and recognizer.lookup(word) is None:
            recognizer.add_word(word, phones)
    parts = _align(recognizer, speech, prosody, words, progress)
    aligned = join(parts, prosody, speech.duration_s, "align", oov, left_out)
    # What had to be heard agrees with what is heard, but not with the text.
    asked = [row for row, lower in zip(rows_of(aligned.phones), aligned.fallback, strict=True) if not lower]
    share = agreement(intervals(asked), (hearing or hear(speech.analysis)).phones(), prosody)
    return replace(aligned, agreement=share, fits=share is not None and share >= FITS)


def phones_heard(hearing: Hearing, prosody: Prosody) -> Phones:
    """What emberface-speech heard; no words. Where nothing sounds for long, nothing was said: a breath is no phone."""
    rows = rows_of(hearing.phones())
    for start, end in pauses(prosody, shortest_s=_PAUSE_S):
        inside = (start + _EDGE_S, end - _EDGE_S)
        rows = [(*part[:3],) for row in rows for part in _outside((*row, False), *inside)]
    found = join([(0.0, Heard((), tuple(rows)), False)], prosody, hearing.duration_s, "hear")
    return replace(found, agreement=hearing.confidence())


def rows_of(tier: Intervals) -> list[tuple[str, float, float]]:
    return list(zip(tier.names, tier.start_s.tolist(), tier.end_s.tolist(), strict=True))


def cut(speech: Speech, start_s: float, end_s: float) -> np.ndarray:
    return speech.analysis[round(start_s * RATE) : round(end_s * RATE)]


# --- with text --------------------------------------------------------------------------------------------------------


def _align(recognizer, speech, prosody, words, progress) -> list[Part]:
    if speech.duration_s <= _ALIGN_WHOLE_S:
        heard = recognizer.align(speech.analysis, words)
        if heard is not None:
            progress(1.0)
            return [(0.0, heard, False)]
    parts: list[Part] = []
    for start, end, chunk in _chunks(recognizer, speech, prosody, words):
        heard = recognizer.align(cut(speech, start, end), chunk) if chunk else None
        if heard is not None:
            parts.append((start, heard, False))
        else:
            parts.append((start, Heard((), tuple(rows_of(hear(cut(speech, start, end)).phones()))), True))
        progress(min(end / speech.duration_s, 1.0))
    return parts


def _chunks(recognizer, speech, prosody, words) -> list[tuple[float, float, list[str]]]:
    """Cut sound and text together, where a decode agrees with the text: (start_s, end_s, words) without gaps."""
    heard: list[tuple[str, float, float]] = []
    for start, end in pieces(prosody, speech.duration_s):
        found = recognizer.decode_biased(cut(speech, start, end), words)
        heard += [(w, start + a, start + b) for w, a, b in (found.words if found else ())]
    matcher = difflib.SequenceMatcher(None, words, [row[0] for row in heard], autojunk=len(words) > 5000)
    candidates = [  # (time, how many words before it, pause there)
        ((heard[j + k - 1][2] + heard[j + k][1]) / 2, i + k, heard[j + k][1] - heard[j + k - 1][2])
        for i, j, size in matcher.get_matching_blocks()
        if size >= 4
        for k in range(2, size - 1)
    ]
    chunks, at, done = [], 0.0, 0
    while speech.duration_s - at > _CHUNK_S[1]:
        inside = [c for c in candidates if at + _CHUNK_S[0] <= c[0] <= at + _CHUNK_S[1]]
        later = [c for c in candidates if c[0] > at + _CHUNK_S[1]]
        if not inside and not later:
            break
        time, count, _ = max(inside, key=lambda c: (min(c[2], 0.4), c[0])) if inside else later[0]
        chunks.append((at, time, words[done:count]))
        at, done = time, count
    return [*chunks, (at, speech.duration_s, words[done:])]


# --- joining ----------------------------------------------------------------------------------------------------------


def join(
    parts: list[Part], prosody: Prosody, duration_s: float, method: str, oov: tuple = (), left_out: tuple = ()
) -> Phones:
    """Parts to one gapless row of phones; what a later part heard inside an earlier part's silence replaces it."""
    rows: list[tuple[str, float, float, bool]] = []
    words: list[tuple[str, float, float]] = []
    for start, heard, fallback in parts:
        new = [(name, start + a, start + b, fallback) for name, a, b in heard.phones]
        if new and rows and new[0][1] < rows[-1][2] - 0.05:
            rows = [part for row in rows for part in _outside(row, new[0][1], new[-1][2])]
        rows += new
        words += [(word, start + a, start + b) for word, a, b in heard.words]
    rows.sort(key=lambda row: row[1])
    gapless = _gapless(rows, duration_s)
    tidy = _sounding(gapless, prosody)
    names, *edges = zip(*words, strict=True) if words else ((), (), ())
    edges = [_moved(at, gapless, tidy, edge) for edge, at in enumerate(edges, 1)]
    return Phones(
        intervals(row[:3] for row in tidy),
        Intervals(tuple(names), *edges),
        method,
        np.array([r[3] for r in tidy], bool),
        oov,
        left_out,
        agreement=None,
        fits=None,
    )


def _outside(row, start_s: float, end_s: float) -> list:
    """What is left of a row when [start_s, end_s] is taken from it."""
    name, a, b, fallback = row
    if b <= start_s or a >= end_s:
        return [row]
    left = [(name, a, start_s, fallback)] if a < start_s else []
    return left + ([(name, end_s, b, fallback)] if b > end_s else [])


def _gapless(rows, duration_s: float) -> list[tuple[str, float, float, bool]]:
    tidy: list[tuple[str, float, float, bool]] = []

    def put(name, start, end, fallback):
        if end - start <= 1e-4:
            return
        if tidy and tidy[-1][0] == name == SILENCE:
            tidy[-1] = (name, tidy[-1][1], end, tidy[-1][3] or fallback)
        else:
            tidy.append((name, start, end, fallback))

    at = 0.0
    for name, start, end, fallback in rows:
        if start > at + 0.012:
            put(SILENCE, at, start, fallback)
            at = start
        end = min(max(end, at), duration_s)
        put(name, at, end, fallback)
        at = max(at, end)
    put(SILENCE, at, duration_s, False)
    return tidy or [(SILENCE, 0.0, duration_s, True)]


def _sounding(rows, prosody: Prosody) -> list[tuple[str, float, float, bool]]:
    """Give back to phones what is loud at the edges of a silence: the model starts phrases late and ends them early."""
    rows, loud_db = list(rows), max(_LOUD_DB, prosody.floor_db + _OVER_FLOOR_DB)
    for i, (name, start, end, fallback) in enumerate(rows):
        if name != SILENCE:
            continue
        if i + 1 < len(rows):
            end = _reach(prosody, end, max(start + _KEPT_S, end - 0.25), -_STEP, loud_db)
            rows[i + 1] = (rows[i + 1][0], end, *rows[i + 1][2:])
        if i > 0:
            start = _reach(prosody, start, min(end - _KEPT_S, start + 0.12), _STEP, loud_db + 3)
            rows[i - 1] = (*rows[i - 1][:2], start, rows[i - 1][3])
        rows[i] = (name, start, end, fallback)
    return rows


def _moved(words_s: tuple, before: list, after: list, edge: int) -> np.ndarray:
    """Starts (`edge` 1) or ends (2) of words, where the phones are now that they stood at."""
    at, old = np.array(words_s, np.float64), np.array([row[edge] for row in before])
    right = np.clip(np.searchsorted(old, at), 1, max(len(old) - 1, 1)) if len(old) > 1 else np.zeros(len(at), int)
    nearest = np.where(at - old[right - 1] < old[right] - at, right - 1, right)
    new = np.array([row[edge] for row in after])[nearest]
    return np.where(np.abs(old[nearest] - at) < _SAME_S, new, np.minimum(at, after[-1][2]))


def _reach(prosody: Prosody, at: float, limit: float, step: int, loud_db: float) -> float:
    """Walk from `at` towards `limit` while the sound stays loud."""
    frame, last = round(at / HOP_S), round(limit / HOP_S)
    reached = frame
    while (last - reached) * step > 0 and 0 <= reached + step < len(prosody):
        if prosody.loudness_db[reached + step] < loud_db:
            break
        reached += step
    return at if reached == frame else reached * HOP_S
