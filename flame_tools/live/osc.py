"""Open Sound Control 1.0 as bytes: messages of strings, int32 and float32, and bundles (opensoundcontrol.org).

Sixty lines stand here instead of a dependency: a face needs three types of argument and one time tag, and the core of
the package asks for nothing but numpy and torch. The tests read the bytes with a decoder of their own and, where it is
installed, with python-osc.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from flame_tools.errors import InputError

_IMMEDIATELY = struct.pack(">Q", 1)  # the one time tag that means: now
_BUNDLE = b"#bundle\0"


def message(address: str, *arguments: str | int | float) -> bytes:
    """One message: address, type tags, arguments, each padded with zeros to a multiple of four bytes.

    Raises InputError for an address without its "/", text that is not ASCII or holds a zero, integers beyond 32 bits,
    and numbers that are not finite.
    """
    if not address.startswith("/"):
        raise InputError(f"the OSC address {address!r} does not begin with '/'")
    tags, data = zip(*map(_argument, arguments), strict=True) if arguments else ((), ())
    return _text(address) + _text("," + "".join(tags)) + b"".join(data)


def bundle(messages: Sequence[bytes]) -> bytes:
    """Messages to be acted on together, at once when they arrive."""
    return _BUNDLE + _IMMEDIATELY + b"".join(struct.pack(">i", len(one)) + one for one in messages)


def bundles(messages: Sequence[bytes], *, most: int = 1400) -> list[bytes]:
    """As few bundles as hold the messages in order, none above `most` bytes, so that no network splits a datagram.

    A message larger than that gets a bundle of its own.
    """
    parts: list[list[bytes]] = []
    size = most + 1
    for one in messages:
        if size + 4 + len(one) > most:
            parts.append([])
            size = len(_BUNDLE) + len(_IMMEDIATELY)
        parts[-1].append(one)
        size += 4 + len(one)
    return [bundle(part) for part in parts]


def _argument(value: str | int | float) -> tuple[str, bytes]:
    if isinstance(value, str):
        return "s", _text(value)
    if isinstance(value, int):  # and bool, as 0 or 1
        if not -(2**31) <= value < 2**31:
            raise InputError(f"{value} does not fit OSC's 32 bits")
        return "i", struct.pack(">i", value)
    if not math.isfinite(value) or abs(value) > 3.4028235e38:
        raise InputError(f"{value} is no number that OSC can send")
    return "f", struct.pack(">f", value)


def _text(text: str) -> bytes:
    if not text.isascii() or "\0" in text:
        raise InputError(f"{text[:40]!r} is not plain ASCII, which OSC 1.0 asks of text")
    data = text.encode("ascii")
    return data + b"\0" * (4 - len(data) % 4)
