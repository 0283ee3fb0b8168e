"""Folders written whole or not at all."""

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
def folder_written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary sibling folder of `path` that takes its place only if the block succeeds.

    A folder that stands at `path` is replaced only where all it holds are files that an earlier run would have written
    (the same names, numbers aside): nobody's other files are lost.
    """
    path = Path(path)
    with writing_to(path):
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield temporary
            make_public(temporary, 0o777)
            _take_place(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def refuse_strangers(new: Path, path: Path) -> None:
    """Raise OutputError where the folder `new` cannot take the place of what stands at `path`."""
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"cannot write the folder {path}: a file stands there; move it or choose another name")
    ours = {_series(file) for file in new.iterdir()}
    strangers = [file.name for file in path.iterdir() if not (file.is_file() and _series(file) in ours)]
    if strangers:
        raise OutputError(
            f"{path} holds files of others ({', '.join(sorted(strangers)[:3])}); choose another folder or empty it"
        )


def _take_place(new: Path, path: Path) -> None:
    """Move a finished folder to `path`, replacing an earlier one."""
    refuse_strangers(new, path)
    if not path.exists():
        new.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    path.rename(old / path.name)
    try:
        new.rename(path)
    except BaseException:  # Ctrl-C too
        (old / path.name).rename(path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _series(file: Path) -> tuple[str, str]:
    """What a file's name shares with the other frames of its sequence."""
    return file.stem.rstrip("0123456789"), file.suffix
