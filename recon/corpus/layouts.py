"""The layouts of published datasets by name, and which of them a folder has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from flame_tools.errors import InputError
from recon.corpus import celeba, ffhq, files, lrs3, mead, voxceleb
from recon.corpus.source import Source


@dataclass(frozen=True)
class Layout:
    """How a dataset's folder is arranged."""

    name: str
    recognised: Callable[[Path], bool]
    sources: Callable[[Path], Iterator[Source]]  # in an order that does not change
    wanted: str  # in words


def _of(module: ModuleType) -> Layout:
    return Layout(module.__name__.rpartition(".")[2], module.recognised, module.sources, module.WANTED)


LAYOUTS = {layout.name: layout for layout in map(_of, (ffhq, celeba, lrs3, mead, voxceleb, files))}


def layout_of(folder: Path, name: str = "auto") -> Layout:
    """The layout called `name`, or the first that a folder has. Raises InputError where it has none, or not that."""
    if name != "auto" and name not in LAYOUTS:
        raise InputError(f"there is no layout {name!r}; choose auto, {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; wanted one with a dataset or with pictures and films")
    if name != "auto" and not LAYOUTS[name].recognised(folder):
        raise InputError(f"{folder} is not laid out as {name}; wanted {LAYOUTS[name].wanted}; --layout auto finds out")
    found = next((layout for layout in LAYOUTS.values() if layout.recognised(folder)), None)
    if found is None:
        raise InputError(f"{folder} holds no pictures and no films; wanted {files.WANTED}, or a published dataset")
    return found if name == "auto" else LAYOUTS[name]
