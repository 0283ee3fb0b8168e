"""A file and those that stand beside it, written together or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flame_tools.archive import make_public
from flame_tools.errors import OutputError, writing_to


@contextlib.contextmanager
def written_together(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder whose files take their places beside `path` only if the block succeeds.

    The block leaves there a file of the name of `path`, and those that it refers to. They replace files of the same
    names; where one of them cannot, all are put back as they were. Raises OutputError where the place cannot be
    written.
    """
    path = Path(path)
    with writing_to(path):
        folder = Path(tempfile.mkdtemp(prefix=".emberface.", dir=path.parent))
        try:
            yield folder
            others = sorted(file.name for file in folder.iterdir() if file.name != path.name)
            _take_places(folder, path.parent, [*others, path.name])
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _take_places(folder: Path, place: Path, names: list[str]) -> None:
    before = Path(tempfile.mkdtemp(dir=folder))  # whose name is none of the new ones
    moved: list[str] = []
    placed: list[str] = []
    try:
        for name in names:
            new, old = folder / name, place / name
            if old.is_dir():
                raise OutputError(f"cannot write {old}: a folder stands there; move it or choose another name")
            make_public(new, 0o666)
            if len(names) > 1 and os.path.lexists(old):  # a file alone is replaced in one step
                old.replace(before / name)
                moved.append(name)
            new.replace(old)
            placed.append(name)
    except BaseException:  # Ctrl-C too
        for name in placed:
            (place / name).unlink(missing_ok=True)
        for name in moved:
            (before / name).replace(place / name)
        raise
