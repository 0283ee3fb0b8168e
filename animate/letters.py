"""Text to words, and words to pronunciations where no dictionary has them: word parts first, then letters.

Phones are ARPAbet without stress. `spell_out` turns what a page holds (numbers, ordinals, money, abbreviations)
into the words that a reader says.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable

from animate.letter_rules import RULES
from flame_tools.errors import InputError

_VOWELS, _CONSONANTS = "[aeiouy]", "[^aeiouy']"

Lookup = Callable[[str], tuple[str, ...] | None]  # word -> phones, None where it is unknown


@functools.cache
def _table() -> dict[str, list[tuple[str, re.Pattern | None, re.Pattern | None, tuple[str, ...]]]]:
    table: dict = {}
    for line in RULES.strip().splitlines():
        letters, left, right, phones = (field.strip() for field in line.split(";"))
        left, right = (side.replace("V", _VOWELS).replace("C", _CONSONANTS) for side in (left, right))
        rule = (
            letters,
            re.compile(f"(?:{left})$") if left else None,
            re.compile(right) if right else None,
            tuple(phones.split()),
        )
        table.setdefault(letters[0], []).append(rule)
    return table


def by_rules(word: str) -> tuple[str, ...]:
    """Phones of a word by letter-to-sound rules alone."""
    # A French ending keeps its sound when its accent goes.
    word, at, phones = _latin(re.sub("[éè]e?$", "ay", word.lower())), 0, []
    while at < len(word):
        for letters, left, right, sounds in _table().get(word[at], ()):
            if (
                word.startswith(letters, at)
                and (left is None or left.search(word[:at]))
                and (right is None or right.match(word, at + len(letters)))
            ):
                phones += sounds
                at += len(letters)
                break
        else:
            at += 1
    return tuple(phones)


def pronounce(word: str, lookup: Lookup) -> tuple[str, ...]:
    """Phones of any word: the dictionary's, else those of its parts (ending, compound), else by rules.

    Empty where the word holds no letter that English knows.
    """
    written, word = word, _latin(word)
    known = lookup(word) or _drawn_out(word, lookup)
    if known:
        return known
    if word and not re.search(_VOWELS, word.replace("'", "")):
        return _initials(word, lookup)
    return _with_ending(word, lookup) or _compound(word, lookup) or by_rules(written)


def in_dictionary(word: str, lookup: Lookup) -> bool:
    """Whether the dictionary has a word, however it is written, as café."""
    return lookup(_latin(word)) is not None


# Sounds that no dictionary has, and that are no initials; letters that go on are written twice.
_SOUNDS = {"brr": "B ER", "grr": "G ER", "psst": "P S T", "pst": "P S T", "pff": "P F", "pfft": "P F T", "tsk": "T S K",
           "zz": "Z"}  # fmt: skip


def _drawn_out(word: str, lookup: Lookup) -> tuple[str, ...] | None:
    """A word or a sound of which somebody draws out a letter: hmmm, shhh, noooo, brrr."""
    twice, once = (re.sub(r"(.)\1{2,}", letters, word) for letters in (r"\1\1", r"\1"))
    known = (lookup(form) for form in (twice, once) if form != word and len(form) > 1)
    return next(filter(None, known), None) or tuple(_SOUNDS.get(twice, "").split()) or None


def _with_ending(word: str, lookup: Lookup) -> tuple[str, ...] | None:
    for ending in ("'s", "s'", "es", "s", "ed", "ing", "ly", "ness", "less", "ful", "er", "est"):
        if not word.endswith(ending) or len(word) - len(ending) < 3:
            continue
        stem = word[: -len(ending)]
        for base in (
            stem,
            stem + "e",
            stem[:-1] if stem[-1] == stem[-2] else "",
            stem[:-1] + "y" if stem[-1] == "i" else "",
        ):
            phones = lookup(base) if base else None
            if phones:
                return phones + _ending(ending, phones[-1])
    return None


def _ending(ending: str, last: str) -> tuple[str, ...]:
    if ending in ("'s", "s'", "es", "s"):
        return ("IH", "Z") if last in ("S", "Z", "SH", "ZH", "CH", "JH") else (("S",) if last in _VOICELESS else ("Z",))
    if ending == "ed":
        return ("IH", "D") if last in ("T", "D") else (("T",) if last in _VOICELESS else ("D",))
    plain = {
        "ing": "IH NG",
        "ly": "L IY",
        "ness": "N AH S",
        "less": "L AH S",
        "ful": "F AH L",
        "er": "ER",
        "est": "AH S T",
    }
    return tuple(plain[ending].split())


_VOICELESS = frozenset(("P", "T", "K", "F", "TH", "S", "SH", "CH", "HH"))


def _compound(word: str, lookup: Lookup) -> tuple[str, ...] | None:
    for cut in range(len(word) - 3, 2, -1):
        if word[cut] == "h" and word[cut - 1] in "cgpst":
            continue  # one sound in two letters
        left, right = lookup(word[:cut]), lookup(word[cut:])
        if left and right:
            return left + (right[1:] if left[-1] == right[0] else right)
    return None


def _initials(word: str, lookup: Lookup) -> tuple[str, ...]:
    return tuple(
        phone for letter in word if letter.isalpha() for phone in (lookup(letter + ".") or lookup(letter) or ())
    )


def _latin(word: str) -> str:
    """Lower case a-z and apostrophes: accents go, ligatures open."""
    word = word.lower().replace("’", "'").replace("æ", "ae").replace("œ", "oe").replace("ß", "ss").replace("ø", "o")
    plain = unicodedata.normalize("NFKD", word)
    return re.sub("[^a-z']", "", plain).strip("'") if "'" in (word[:1], word[-1:]) else re.sub("[^a-z']", "", plain)


# --- text -------------------------------------------------------------------------------------------------------------

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_SHORT = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "st": "saint", "prof": "professor", "vs": "versus",
    "etc": "et cetera", "jr": "junior", "sr": "senior", "&": "and", "%": "percent", "+": "plus", "=": "equals",
    "@": "at", "no.": "number",
}  # fmt: skip
_MONEY = {"$": "dollar", "€": "euro", "£": "pound"}
_LARGE = "hundred|thousand|million|billion|trillion"
_TOKEN = re.compile(
    r"No\.(?=\s*[0-9])"
    rf"|[$€£][0-9]+(?:,[0-9]{{3}})*(?:\.[0-9]+)?(?:\s+(?i:{_LARGE})\b)?"
    r"|[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:(?:st|nd|rd|th|['’]?s)(?![^\W\d_]))?%?"
    r"|[^\W\d_]+(?:['’][^\W\d_]+)*(?:(?<=[sS])['’])?|[&%+=@]"
)


_NOT_SAID = re.compile(r"</?[A-Za-z][^<>]*>|\[[^\[\]]*\]")  # tags, and what is in brackets: [laughs]


def words_of(text: str) -> list[str]:
    """The words a reader of `text` says, in lower case; apostrophes inside words stay, tags and brackets go."""
    words: list[str] = []
    for token in _TOKEN.findall(_NOT_SAID.sub(" ", unicodedata.normalize("NFC", text))):
        token = token.replace("’", "'").lower()
        if token[0] in "0123456789" or token[0] in _MONEY:
            words += _number(token)
        else:
            words += _SHORT.get(token, token).split()
    return words


def spoken_words(text: str) -> list[str]:
    """`words_of` a text. Raises InputError where none of them has an English letter, and none can be said."""
    words = words_of(text)
    if not any(_latin(word) for word in words):
        raise InputError(
            f"the text {text[:40]!r} holds no word in English letters; leave it out and phones are found by ear"
        )
    return words


def _number(token: str, *, years: bool = True) -> list[str]:
    if token[0] in _MONEY:
        amount, *large = token[1:].split()
        words = _number(amount, years=False) + large
        return [*words, _MONEY[token[0]] + ("" if words == ["one"] else "s")]
    percent, token = token.endswith("%"), token.rstrip("%")
    ordinal, several = token[-2:] in ("st", "nd", "rd", "th"), token.endswith("s")
    whole, _, decimals = token.rstrip("stndrh'").replace(",", "").partition(".")
    year = years and len(whole) == 4 and "," not in token and not (decimals or ordinal) and "1100" <= whole < "2100"
    if len(whole) > 15 or (len(whole) > 1 and whole[0] == "0"):
        words = [_ONES[int(digit)] for digit in whole]
    elif year and whole[2:] != "00" and whole[1:3] != "00":
        words = cardinal(int(whole[:2])) + ((["oh"] if whole[2] == "0" else []) + cardinal(int(whole[2:])))
    elif year and several and whole[1:] != "000":
        words = [*cardinal(int(whole[:2])), "hundred"]
    else:
        words = cardinal(int(whole))
    if decimals:
        words += ["point", *(_ONES[int(digit)] for digit in decimals)]
    last = words[-1]
    if ordinal:
        words[-1] = _ORDINALS.get(last, last[:-1] + "ieth" if last.endswith("y") else last + "th")
    elif several:
        words[-1] = last[:-1] + "ies" if last.endswith("y") else last + ("es" if last.endswith("x") else "s")
    return words + (["percent"] if percent else [])


def cardinal(number: int) -> list[str]:
    """The words of a whole number: 1984 -> one thousand nine hundred eighty four."""
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        return [_TENS[number // 10], *([_ONES[number % 10]] if number % 10 else [])]
    for size, name in (
        (10**12, "trillion"),
        (10**9, "billion"),
        (10**6, "million"),
        (1000, "thousand"),
        (100, "hundred"),
    ):
        if number >= size:
            rest = number % size
            return [*cardinal(number // size), name, *(cardinal(rest) if rest else [])]
    raise AssertionError(number)
