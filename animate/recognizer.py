"""pocketsphinx, held at one place: words and phones with times from 16 kHz speech.

Its wheel carries the acoustic model, the language model and the dictionary (US English, BSD). Three ways of
listening, all on one stretch of sound at a time: `align` (the words are known), `decode` (they are not), `loop`
(phones alone, whatever the language). Times are seconds from the start of the stretch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FRAME_S = 0.01
# A frame i covers 25.6 ms from i * 10 ms on, so its centre lies 12.8 ms in and the border before it at 7.8 ms.
SHIFT_S = 0.0128 - FRAME_S / 2
SILENCE = "SIL"
_SILENT = ("SIL", "+NSN+")
# Beams of the aligner: pocketsphinx's own, then ever wider ones.
_BEAMS = ((1e-48, 7e-29, 1e-48), (1e-80, 1e-60, 1e-80), (1e-200, 1e-160, 1e-200))
_SHORTEST = 3  # frames: the model has three states a phone
_LONG_LM = 100  # words in one line of the text's own language model


@dataclass(frozen=True)
class Heard:
    """Words and phones of one stretch, in order."""

    words: tuple[tuple[str, float, float], ...]  # word, start_s, end_s
    phones: tuple[tuple[str, float, float], ...]  # ARPAbet without stress or SIL, start_s, end_s; no gaps

    @property
    def spoken(self) -> bool:
        return any(phone != SILENCE for phone, _, _ in self.phones)


class Recognizer:
    """Decoders that are made when first needed. Not to be shared between threads."""

    def __init__(self):
        self._decoders: dict = {}
        self._added: dict[str, tuple[str, ...]] = {}

    # --- dictionary -------------------------------------------------------------------------------------------------

    def lookup(self, word: str) -> tuple[str, ...] | None:
        """Phones of a word in the dictionary (its first pronunciation)."""
        phones = self._dictionary().lookup_word(word)
        return tuple(phones.split()) if phones else None

    def add_word(self, word: str, phones: tuple[str, ...]) -> None:
        """Teach a pronunciation to every decoder made from now on."""
        self._added[word] = phones

    def _dictionary(self):
        if "dictionary" not in self._decoders:
            self._decoders["dictionary"] = _decoder(lm=None)
        return self._decoders["dictionary"]

    # --- listening --------------------------------------------------------------------------------------------------

    def align(self, samples: np.ndarray, words: list[str]) -> Heard | None:
        """Times of known words in [N] float32 at 16 kHz; None where even the widest beams lose them."""
        sound = _pcm(samples)
        for number, (beam, wbeam, pbeam) in enumerate(_BEAMS):
            key = f"align{number}"
            if key not in self._decoders:
                self._decoders[key] = self._taught(_decoder(lm=None, beam=beam, wbeam=wbeam, pbeam=pbeam))
            decoder = self._decoders[key]
            try:
                decoder.set_align_text(" ".join(words))
                _listen(decoder, sound)
                heard = _aligned(decoder, sound)
            except RuntimeError:
                continue
            if heard is not None and len(heard.words) == len(words) and not _squeezed(heard):
                return heard
        return None

    def decode(self, samples: np.ndarray) -> Heard | None:
        """Words and phones by the bundled language model; None where no word was understood."""
        if "decode" not in self._decoders:
            # One pass with bounded search: 91.4 % of bilabials at 10x real time, against 90.5 % at 5.8x with defaults.
            self._decoders["decode"] = _decoder(fwdflat=False, maxhmmpf=3000, maxwpf=10)
        return _decoded(self._decoders["decode"], _pcm(samples))

    def decode_biased(self, samples: np.ndarray, words: list[str]) -> Heard | None:
        """As `decode`, with a language model of this text alone: fast, and sure about what the text holds."""
        key = f"biased {hash(tuple(words))}"
        if key not in self._decoders:
            self._decoders[key] = self._biased(words)
        return _decoded(self._decoders[key], _pcm(samples))

    def loop(self, samples: np.ndarray) -> Heard | None:
        """Phones by a phone loop with a phone language model: any language, no words."""
        if "loop" not in self._decoders:
            import pocketsphinx

            model = pocketsphinx.get_model_path("en-us/en-us-phone.lm.bin")
            self._decoders["loop"] = _decoder(lm=None, allphone=model, lw=1.0, pip=0.1, beam=1e-30, pbeam=1e-30)
        decoder = self._decoders["loop"]
        try:
            _listen(decoder, _pcm(samples))
        except RuntimeError:
            return None
        phones = [(s.word, s.start_frame, s.end_frame + 1 - s.start_frame) for s in decoder.seg() or ()]
        return Heard((), _timed(phones)) if phones else None

    def _taught(self, decoder):
        for word, phones in self._added.items():
            if decoder.lookup_word(word) is None:
                decoder.add_word(word, " ".join(phones), False)
        return decoder

    def _biased(self, words: list[str]):
        from pocketsphinx import NGramModel
        from pocketsphinx.lm import ArpaBoLM

        # Lines overlap so that no pair of words is lost at a line's end.
        lines = [" ".join(words[at : at + _LONG_LM + 2]) for at in range(0, len(words), _LONG_LM)]
        model = ArpaBoLM(text="\n".join(lines) + "\n", add_start=True)
        model.compute()
        with tempfile.TemporaryDirectory() as folder:
            # Of the text's words alone: a model over the whole dictionary takes ten seconds to set up.
            own, path = Path(folder) / "text.dict", str(Path(folder) / "text.arpa")
            own.write_text("".join(f"{line}\n" for line in self._lines(words)), encoding="utf-8")
            model.write_file(path)
            decoder = _decoder(lm=None, dict=str(own), fwdflat=False, maxhmmpf=3000, maxwpf=10)
            decoder.add_lm("text", NGramModel(decoder.config, decoder.logmath, path))
        decoder.activate_search("text")
        return decoder

    def _lines(self, words: list[str]) -> Iterator[str]:
        """A dictionary's lines of these words, in all their pronunciations: the, the(2)."""
        for word in dict.fromkeys(words):
            if word in self._added:
                yield " ".join([word, *self._added[word]])
                continue
            number, name = 1, word
            while phones := self.lookup(name):
                yield " ".join([name, *phones])
                number += 1
                name = f"{word}({number})"


def _decoder(**options):
    from pocketsphinx import Decoder

    # Batch normalisation of the cepstra: a stretch is heard the same whatever was heard before it. The lattice's best
    # path gives times that the second pass cannot keep (silences of one frame), and finds no more bilabials.
    return Decoder(loglevel="FATAL", cmn="batch", bestpath=False, **options)


def _pcm(samples: np.ndarray) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def _listen(decoder, sound: bytes) -> None:
    decoder.start_utt()
    try:
        decoder.process_raw(sound, full_utt=True)
    finally:
        decoder.end_utt()


def _decoded(decoder, sound: bytes) -> Heard | None:
    search = decoder.current_search()
    try:
        _listen(decoder, sound)
        return _aligned(decoder, sound)
    except RuntimeError:
        return None
    finally:
        decoder.activate_search(search)


def _aligned(decoder, sound: bytes) -> Heard | None:
    """Second pass: the states of the words just found."""
    if decoder.seg() is None:
        return None
    decoder.set_alignment()
    _listen(decoder, sound)
    words, phones = [], []
    for entry in decoder.get_alignment():
        start, end = entry.start, entry.start + entry.duration
        if _is_word(entry.name):
            words.append((entry.name.split("(")[0], *_seconds(start, end)))
        phones += [(phone.name, phone.start, phone.duration) for phone in entry]
    return Heard(tuple(words), _timed(phones)) if words else None


def _is_word(name: str) -> bool:
    return name[0] not in "<[+"


def _seconds(start: int, end: int) -> tuple[float, float]:
    return (start * FRAME_S + SHIFT_S if start else 0.0), end * FRAME_S + SHIFT_S


def _timed(phones: list[tuple[str, int, int]]) -> tuple[tuple[str, float, float], ...]:
    """Frames to seconds; noises and silences that touch become one silence."""
    rows: list[tuple[str, float, float]] = []
    for name, start, duration in phones:
        name = SILENCE if name in _SILENT else name
        start_s, end_s = _seconds(start, start + duration)
        if rows and name == SILENCE == rows[-1][0]:
            rows[-1] = (SILENCE, rows[-1][1], end_s)
        else:
            rows.append((name, start_s, end_s))
    return tuple(rows)


def _squeezed(heard: Heard) -> bool:
    """Most phones at the shortest the model allows: these words are not what is said."""
    lengths = [round((end - start) / FRAME_S) for phone, start, end in heard.phones if phone != SILENCE]
    return bool(lengths) and np.mean([length <= _SHORTEST for length in lengths]) > 0.6
