"""How much of a performance is life rather than speech: amounts of head motion, gaze, brow flashes and blinks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real

from flame_tools.errors import InputError

MOST = 2.0


@dataclass(frozen=True)
class Life:
    """Each from 0, none, over 1, a calm talker's, to 2, twice as much."""

    head: float = 1.0
    """Nods, sway, drift and posture."""
    gaze: float = 1.0
    """How far the eyes look away. At 0 they hold the camera."""
    brows: float = 1.0
    """Brow flashes on accents; what an emotion does to brows is not among them."""
    blinks: float = 1.0
    """How often the lids blink."""

    def __post_init__(self):
        for name, amount in vars(self).items():
            if isinstance(amount, bool) or not isinstance(amount, Real) or not 0 <= amount <= MOST:
                raise InputError(f"life's {name} is {amount!r}, wanted a number from 0 to {MOST:g}, such as {name}:0.5")


USUAL = Life()


def life_of(spec: str | Mapping[str, float] | Life | None) -> Life:
    """Amounts from words such as "head:0.5,blinks:0", a dict, or None for 1 of all. Raises InputError."""
    if spec is None or isinstance(spec, Life):
        return spec or USUAL
    if isinstance(spec, str):
        named = [_pair(part) for part in spec.split(",") if part.strip()]
        pairs = dict(named)
        if len(pairs) < len(named):
            raise InputError(f"life {spec!r} names one of them twice; write each once, as in head:0.5,blinks:0")
    elif isinstance(spec, Mapping):
        pairs = dict(spec)
    else:
        raise InputError(f"life is a {type(spec).__name__}, wanted words such as head:0.5,blinks:0, or a dict")
    known = [field.name for field in fields(Life)]
    unknown = [name for name in pairs if name not in known]
    if unknown:
        raise InputError(f"life has no {unknown[0]!r}; there are: {', '.join(known)}")
    return Life(**pairs)


def _pair(part: str) -> tuple[str, float]:
    name, _, number = part.partition(":")
    try:
        return name.strip().lower(), float(number)
    except ValueError:
        asked = part.strip()
        raise InputError(f"life {asked!r} has no amount after a colon; write it like head:0.5,blinks:0") from None
