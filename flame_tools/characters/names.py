"""What people call ARKit's 52 shapes and a head's bones, and which of ours they mean.

Case, separators and prefixes do not matter (mouthSmileLeft, Mouth_Smile_L, blendShape1.mouthSmile_L, head_mouthSmileL).
"""

from __future__ import annotations

import re

from flame_tools.arkit import ARKIT_NAMES
from flame_tools.types import JAW, LEFT_EYE, NECK, RIGHT_EYE

_SIDES = {"l": "Left", "left": "Left", "r": "Right", "right": "Right"}
# jawLeft and mouthLeft are ways to go; every other Left is a side of the face.
_DIRECTIONS = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
SIDED = tuple(n.removesuffix("Left") for n in ARKIT_NAMES if n.endswith("Left") and n not in _DIRECTIONS)
CENTRAL = tuple(n for n in ARKIT_NAMES if not n.endswith(("Left", "Right")))
# Kept besides the 52: ours for speech, and ICT-FaceKit's.
EXTRA = (
    "tongueUp", "tongueBack", "tongueBetweenTeeth", "cheekRaiserLeft", "cheekRaiserRight", "pupilDilateLeft",
    "pupilDilateRight",
)  # fmt: skip
# Character Creator's words for some of them.
_OTHER_WORDS = {
    "browdrop": "browDown", "browraiseinner": "browInnerUp", "browraiseouter": "browOuterUp",
    "cheekraise": "cheekSquint", "mouthupupper": "mouthUpperUp", "mouthdownlower": "mouthLowerDown",
    "mouthrollinupper": "mouthRollUpper", "mouthrollinlower": "mouthRollLower",
}  # fmt: skip
_STEMS = {name.lower(): name for name in (*SIDED, *CENTRAL)} | _OTHER_WORDS
_HALVES = tuple(name + side for name in CENTRAL for side in ("Left", "Right"))
_WHOLE = {name.lower(): name for name in (*_HALVES, *ARKIT_NAMES, *EXTRA)}

_NO_BONE = {"end", "nub", "top", "tip", "target", "aim", "ctrl", "control", "ik", "pole", "site"}
_NO_EYE = {"lid", "eyelid", "brow", "eyebrow", "lash", "eyelash", "socket", "bag", "corner", "upper", "lower", "blink"}


def arkit_spelling(name: str) -> str | None:
    """ARKit's spelling of a shape's name, or None.

    A sided shape without its side (mouthSmile) keeps its stem; a central one with a side (browInnerUp_L) gets it added.
    """
    words = _words(name)
    for start in range(len(words)):
        found = _spelling(words[start:])
        if found is not None:
            return found
    return None


def _spelling(words: list[str]) -> str | None:
    plain = "".join(words)
    if plain in _WHOLE or plain in _STEMS:
        return _WHOLE.get(plain) or _STEMS[plain]
    sides = [i for i, word in enumerate(words) if word in _SIDES]
    if len(sides) != 1:
        return None
    side = _SIDES[words[sides[0]]]
    rest = "".join(word for i, word in enumerate(words) if i != sides[0])
    return _WHOLE.get(rest + side.lower()) or (_STEMS[rest] + side if rest in _STEMS else None)


def joint_named(name: str) -> tuple[int, bool] | None:
    """The joint that a bone's name means, and whether the name says so exactly; None where it means none.

    A bone called head turns about FLAME's neck joint; so does one called neck in rigs without a head bone.
    """
    words = _words(name)
    kept = set(words)
    if kept & _NO_BONE:
        return None
    side = {_SIDES[w] for w in words if w in _SIDES}
    if kept & {"eye", "eyeball"} and len(side) == 1 and not kept & _NO_EYE:
        return (LEFT_EYE if side == {"Left"} else RIGHT_EYE), True
    if kept & {"jaw", "mandible"} and "upper" not in kept and not side:
        return JAW, True
    if kept & {"head", "skull"} and not side:
        return NECK, True
    if "neck" in kept and not side:
        return NECK, False
    return None


def _words(name: str) -> list[str]:
    """The words of a name in lower case, without what stands before its last dot, colon or bar."""
    last = re.split(r"[.:|/](?=[^.:|/]*[A-Za-z]{2})", name)[-1]
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", last)
    return [word.lower() for word in words]
