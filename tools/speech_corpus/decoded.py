"""Words and phones of voices without a text, by the recogniser's English language model: what pseudo-labels come from.

`decode`: the bundled language model hears English words and their phones. `loop`: a phone loop, where no word is
understood. Decoded words that the phone loop does not confirm are not kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from animate.agreement import agreement
from animate.phones import Part, Phones, cut, join, rows_of
from animate.recognizer import SILENCE, Heard, Recognizer
from animate.speech import HOP_S, Prosody, Speech, pieces
from animate.textgrid import intervals
from flame_tools.types import Intervals

# English decodes agree by 0.52 to 0.90 (38 recordings), those of the noisiest reader, whose words are wrong, by 0.36 to
# 0.48; Mandarin heard as English by 0.36 to 0.42; English played backwards by 0.40 to 0.74, 23 of 41 below this. A word
# that is lost costs less than one that is invented.
TRUSTED = 0.55


def decoded(speech: Speech, prosody: Prosody) -> Phones:
    """Phones and words of a recording; `fallback` marks what no confirmed word stands for."""
    recognizer = Recognizer()
    parts = _recognise(recognizer, speech, prosody, pieces(prosody, speech.duration_s))
    used = "decode" if any(heard.words for _, heard, _ in parts) else "loop"
    return _confirmed(join(parts, prosody, speech.duration_s, used), recognizer, speech, prosody)


def looped(recognizer, speech, prosody) -> Intervals:
    """Phones of the whole recording as a phone loop hears them."""
    rows = []
    for start, end in pieces(prosody, speech.duration_s):
        heard = recognizer.loop(cut(speech, start, end))
        rows += [(name, start + a, start + b) for name, a, b in (heard.phones if heard else ())]
    return intervals(rows)


def _recognise(recognizer, speech, prosody, stretches) -> list[Part]:
    parts = []
    for start, end in stretches:
        samples = cut(speech, start, end)
        heard = recognizer.decode(samples)
        if heard is not None and heard.words:
            parts += _fill_noises(recognizer, speech, prosody, start, heard)
        else:
            heard = recognizer.loop(samples) if _voiced_share(prosody, start, end) > 0.1 else None
            parts.append((start, heard or Heard((), ((SILENCE, 0.0, end - start),)), True))
    return parts


def _fill_noises(recognizer, speech, prosody, start, heard: Heard) -> list[Part]:
    """Long stretches that the decode took for noise but that are loud and voiced go to the phone loop."""
    parts: list[Part] = [(start, heard, False)]
    for name, a, b in heard.phones:
        if name == SILENCE and b - a > 0.25 and _voiced_share(prosody, start + a, start + b) > 0.4:
            found = recognizer.loop(cut(speech, start + a, start + b))
            if found is not None and found.spoken:
                parts.append((start + a, found, True))
    return parts


def _voiced_share(prosody: Prosody, start_s: float, end_s: float) -> float:
    part = slice(int(start_s / HOP_S), max(int(end_s / HOP_S), int(start_s / HOP_S) + 1))
    voiced = np.isfinite(prosody.f0_hz[part]) & (prosody.loudness_db[part] > -20)
    return float(voiced.mean()) if len(voiced) else 0.0


def _confirmed(found: Phones, recognizer, speech, prosody) -> Phones:
    """Decoded phones without the words that the phone loop does not confirm, piece by piece."""
    heard, fallback = looped(recognizer, speech, prosody), found.fallback.copy()
    words = rows_of(found.words)
    middles = (found.phones.start_s + found.phones.end_s) / 2
    for start, end in pieces(prosody, speech.duration_s):
        share = agreement(found.phones, heard, prosody, within=(start, end))
        if share is None or share < TRUSTED:
            words = [row for row in words if not start <= (row[1] + row[2]) / 2 < end]
            fallback |= (middles >= start) & (middles < end)
    share = agreement(found.phones, heard, prosody)
    return replace(found, words=intervals(words), fallback=fallback, agreement=share)
