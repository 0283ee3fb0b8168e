"""What aligners and people call phones: ARPAbet in any case, with or without stress, and IPA as MFA writes it.

Each becomes the ARPAbet phone that looks most like it: what is said stays what the lips do, not what the ear would tell
apart. Names are read by whichever of the two alphabets knows all of a tier's labels.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import numpy as np

from animate.visemes import SILENCE, VISEMES, plain
from flame_tools.errors import InputError
from flame_tools.types import Intervals

_ARPABET = {name: name for name in (*VISEMES, SILENCE)} | {  # and what TIMIT and MFA's ARPAbet have beside
    "AXR": "ER", "IX": "IH", "UX": "UW", "DX": "D", "NX": "N", "EL": "L", "EM": "M", "EN": "N", "ENG": "NG",
    "WH": "W", "HV": "HH", "Q": "HH", "AX-H": "AH", "PAU": SILENCE, "EPI": SILENCE, "H#": SILENCE, "#": SILENCE,
}  # fmt: skip
_CLOSURES = {f"{stop}CL": stop for stop in "PBTDKG"}  # of stops, whose bursts TIMIT writes apart
_ARPABET |= _CLOSURES
_BURSTS = {*_CLOSURES.items(), ("TCL", "CH"), ("DCL", "JH")}
# A glottal stop asks nothing of the lips, as HH. Lips of a bilabial fricative do not shut: they are nearest to F and V.
_IPA = {
    symbol: phone
    for phone, symbols in {
        "IY": "i", "IH": "ɪ ɨ ɯ", "EH": "e ɛ", "AE": "æ", "AA": "a ɑ", "AO": "ɒ ɔ ɶ", "OW": "o ow oʊ ou əw əʊ",
        "UH": "ʊ ʏ ø œ ɵ", "UW": "u ʉ y", "AH": "ʌ ə ɐ ɘ ɤ", "ER": "ɜ ɝ ɚ ɞ", "AY": "aj aɪ ai", "AW": "aw aʊ au",
        "EY": "ej eɪ ei", "OY": "ɔj ɔɪ ɔi oj oɪ",
        "P": "p kp", "B": "b gb", "M": "m", "F": "f ɸ pf", "V": "v ʋ β ɱ", "TH": "θ", "DH": "ð",
        "T": "t ʈ", "D": "d ɖ ɾ", "N": "n ɳ ɲ", "L": "l ɫ ɭ ʎ ɬ", "S": "s ts", "Z": "z dz",
        "SH": "ʃ ʂ ɕ", "ZH": "ʒ ʐ ʑ", "CH": "tʃ tɕ ʈʂ", "JH": "dʒ dʑ ɖʐ", "K": "k c q", "G": "g ɟ ɢ ɣ ɰ", "NG": "ŋ ɴ",
        "HH": "h ɦ x χ ħ ʕ ç ʔ ʁ ʀ", "R": "ɹ ɻ r ɺ", "W": "w ʍ ɥ", "Y": "j ʝ",
    }.items()
    for symbol in symbols.split()
}  # fmt: skip


def arpabet_of(labels: Iterable[str], source: str) -> list[str]:
    """The ARPAbet phone, without stress, of each label; SIL for "", sp, sil and the like, SPN for spn.

    Raises InputError, naming `source` and the labels, where neither ARPAbet nor IPA knows them all.
    """
    labels = list(labels)
    alphabets = [{label: known(label) for label in dict.fromkeys(labels)} for known in (_by_arpabet, _by_ipa)]
    strange = [[label for label, phone in alphabet.items() if phone is None] for alphabet in alphabets]
    best = 0 if len(strange[0]) <= len(strange[1]) else 1
    if strange[best]:
        some = ", ".join(map(repr, strange[best][:5])) + (", ..." if len(strange[best]) > 5 else "")
        raise InputError(
            f"{source} names phones that are no {('ARPAbet', 'IPA')[best]}: {some}; wanted ARPAbet such as AH1, or IPA "
            'such as ə, and sil, sp or "" for silence: rename them'
        )
    return [alphabets[best][label] for label in labels]


def whole_stops(tier: Intervals) -> Intervals:
    """The tier with one interval a stop where TIMIT writes two, its closure and its burst: pcl and p are one p."""
    if _CLOSURES.keys().isdisjoint(map(plain, tier.names)):
        return tier
    rows: list[tuple[str, float, float]] = []
    for name, start, end in zip(tier.names, tier.start_s, tier.end_s, strict=True):
        if rows and (plain(rows[-1][0]), plain(name)) in _BURSTS:
            start = rows.pop()[1]
        rows.append((name, start, end))
    names, start_s, end_s = zip(*rows, strict=True) if rows else ((), (), ())
    return Intervals(names, np.array(start_s, np.float64), np.array(end_s, np.float64))


def _by_arpabet(label: str) -> str | None:
    return None if label.strip().isdigit() else _ARPABET.get(plain(label))


def _by_ipa(label: str) -> str | None:
    if (silent := _by_arpabet(label)) in (SILENCE, "SPN"):
        return silent
    whole = unicodedata.normalize("NFC", label.strip()).replace("ɡ", "g")
    for form in ("NFC", "NFD"):  # ç is a letter; ã is an a
        bare = "".join(
            c for c in unicodedata.normalize(form, whole) if unicodedata.category(c) not in ("Mn", "Lm", "Sk")
        )
        if bare in _IPA:
            return "ER" if "˞" in whole and _IPA[bare] == "AH" else _IPA[bare]
    return None
