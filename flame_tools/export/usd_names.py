"""Names of prims: what USD allows, made from any names."""

from __future__ import annotations

import re
from collections.abc import Iterable


def prim_names(names: Iterable[str]) -> list[str]:
    """An identifier for each name, all different: letters, digits and underscores of ASCII, no digit first.

    USD takes further letters of Unicode since 24.03; older programs do not.
    """
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name) or "_"
        plain = f"_{plain}" if plain[0].isdigit() else plain
        chosen, count = plain, 1
        while chosen in taken:
            count += 1
            chosen = f"{plain}_{count}"
        taken.add(chosen)
        found.append(chosen)
    return found
