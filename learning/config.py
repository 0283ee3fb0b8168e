"""Configs of trainings: frozen dataclasses, and JSON files that say what differs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TypeVar

from flame_tools.errors import InputError

Config = TypeVar("Config")


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


def _like(now: object, value: object, where: str) -> object:
    """A value of JSON as what stands there now: of its type, an integer where a float may be, a list for a tuple."""
    if dataclasses.is_dataclass(now):
        return filled(now, value, where)
    if isinstance(now, tuple) and isinstance(value, list):
        return tuple(value)
    if now is None or type(value) is type(now) or (type(now) is float and type(value) is int):
        return value
    raise InputError(f"{where} is {value!r}; wanted a value like {now!r}")
