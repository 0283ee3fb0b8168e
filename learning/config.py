"""Configs of trainings: frozen dataclasses, and JSON files that say what differs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from flame_tools.errors import InputError

Config = TypeVar("Config")

_POSITIVE = ("width", "size", "channels", "heads", "latent", "frames")  # of a network, where there are such sizes


def read_config(default: Config, path: Path) -> Config:
    """`default`, a dataclass, with the fields that a JSON file sets; unknown ones and other kinds are refused."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    return filled(default, given, str(path))


def filled(default: Config, given: dict, where: str) -> Config:
    """`default` with the fields that `given` sets, dataclasses within it likewise."""
    if not isinstance(given, dict):
        raise InputError(f"{where} is {given!r}, wanted fields such as {{...}}")
    known = {f.name for f in dataclasses.fields(default)}
    if unknown := set(given) - known:
        raise InputError(f"{where} sets {sorted(unknown)}; known here: {', '.join(sorted(known))}")
    values = {name: _like(getattr(default, name), value, f"{where}: {name}") for name, value in given.items()}
    return dataclasses.replace(default, **values)


def sizes_of(default: Config, given: dict, *, decided: Collection[str] = ()) -> Config:
    """A network's sizes: `default` with those that a config's `network` sets.

    Raises InputError for what the head or the corpus has `decided`, and for sizes that no network has.
    """
    if wrong := sorted(set(decided) & set(given)):
        raise InputError(f"network sets {', '.join(wrong)}, which head or corpus decide; leave it out")
    for name, size in given.items():
        least = 1 if name in _POSITIVE else 0
        if any(isinstance(one, (int, float)) and one < least for one in (size if isinstance(size, list) else [size])):
            raise InputError(f"network: {name} is {size!r}; wanted {least} or more")
    return filled(default, given, "network")


def _like(now: object, value: object, where: str) -> object:
    """A value of JSON as what stands there now: of its type, an integer where a float may be, a list for a tuple."""
    if dataclasses.is_dataclass(now):
        return filled(now, value, where)
    if isinstance(now, tuple) and isinstance(value, list):
        return tuple(_like(now[0], one, where) for one in value) if now else tuple(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where} is {value}; wanted a number")
    if now is None or type(value) is type(now) or (type(now) is float and type(value) is int):
        return value
    raise InputError(f"{where} is {value!r}; wanted a value like {now!r}")
