"""Groups as JSON and as a Markdown table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from recon.evaluation.groups import Group, Interval

DIGITS = 5


def as_json(groups: Sequence[Group]) -> list[dict]:
    """Plain numbers, rounded, in the groups' order."""
    return [_plain(dataclasses.asdict(group)) for group in groups]


def as_markdown(groups: Sequence[Group], figures: Sequence[str]) -> str:
    """A table of the named figures: mean and, in brackets, the 95 % interval."""
    pooled = any(group.pooled for group in groups)
    names = ["group", "pictures", "missing", "people"]
    names += ["pooled median / mean / std, mm"] if pooled else []
    lines = ["| " + " | ".join([*names, *figures]) + " |", "|" + " --- |" * (len(names) + len(figures))]
    for group in groups:
        name = "all" if group.attribute == "all" else f"{group.attribute}: {group.value}"
        cells = [_text(name), str(group.pictures), str(group.missing)]
        cells.append("" if group.subjects is None else str(group.subjects))
        if pooled:
            keys = ("median_mm", "mean_mm", "std_mm")
            cells.append(" / ".join(f"{group.pooled[key]:.2f}" for key in keys) if group.pooled else "")
        cells += [_interval(group.figures.get(figure)) for figure in figures]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _interval(found: Interval | None) -> str:
    if found is None:
        return ""
    return f"{found.mean:.3g}" if found.low is None else f"{found.mean:.3g} [{found.low:.3g}, {found.high:.3g}]"


def _text(name: str) -> str:
    """One cell's text: nothing in it ends the cell or the line."""
    return " ".join(name.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value
