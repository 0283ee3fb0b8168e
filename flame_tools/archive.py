"""The one file format of our own: arrays and a JSON header in an npz, written whole, read without trust.

A file is a zip of .npy members plus the member `header`, a string array that holds JSON with the keys `format`
and `version`. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from flame_tools.errors import FormatError, writing_to
from flame_tools.files.npy import read_npy

MAX_BYTES = 16 << 30  # a file that unpacks to more is refused before it is unpacked
MAX_MEMBERS = 10_000
PNG_LEVEL = 4  # zlib's, of pictures: a third of level 6's time for a twentieth more bytes


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that takes its place only if the block succeeds."""
    path = Path(path)
    with writing_to(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            make_public(temporary, 0o666)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def make_public(path: Path, mode: int) -> None:
    """Give a temporary file or folder, which is private, the mode that a new one would have."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(mode & ~umask)


def write_npz(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], header: Mapping) -> None:
    """Write arrays and header to `path`: the same content gives the same bytes."""
    members = {"header": np.array(json.dumps(header, sort_keys=True, ensure_ascii=True)), **arrays}
    with (
        written_whole(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        for name, array in members.items():
            # A ZipInfo made from a name alone carries the fixed date 1980-01-01: no clock enters the file.
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array, order="C"), allow_pickle=False)


def read_npz(
    path: str | os.PathLike, kind: str, version: int, *, max_bytes: int = MAX_BYTES
) -> tuple[dict[str, np.ndarray], dict]:
    """Read a file of format `kind`, at most `version`. Returns its arrays and its header.

    Raises FormatError for anything else: not a zip, no header, another format, a newer version, object arrays.
    """
    path = _there(path)
    with opened_zip(path, f"{kind} file", max_bytes) as archive:
        header = _read_header(archive, path)
        if header.get("format") != kind:
            raise FormatError(f"{path} holds {header.get('format')!r}, wanted {kind!r}")
        found = header.get("version")
        if not isinstance(found, int) or found < 1:
            raise FormatError(f"{path} says version {found!r} of {kind}, and there is none; it was damaged")
        if found > version:
            raise FormatError(
                f"{path} has version {found} of {kind}, this release reads up to {version}; upgrade emberface"
            )
        arrays = {
            info.filename.removesuffix(".npy"): read_member(archive, info, path)
            for info in archive.infolist()
            if info.filename != "header.npy"
        }
    return arrays, header


def read_kind(path: str | os.PathLike, *, max_bytes: int = MAX_BYTES) -> str:
    """The format that a file of ours says it has, its arrays unread. Raises FormatError where it is no such file."""
    path = _there(path)
    with opened_zip(path, "file of emberface", max_bytes, only=("header",)) as archive:
        return str(_read_header(archive, path).get("format"))


def _there(path: str | os.PathLike) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path} is not a file; check the name")
    return path


@contextlib.contextmanager
def opened_zip(path: Path, what: str, max_bytes: int, only: tuple[str, ...] | None = None) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose members (those of the arrays `only`, if given) fit in `max_bytes`.

    All are named once each, and share no bytes.

    Whatever goes wrong with it in the block becomes a FormatError that calls it a `what`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            read = [info for info in members if only is None or info.filename.removesuffix(".npy") in only]
            unpacked = sum(info.file_size for info in read)
            if unpacked > max_bytes:
                raise FormatError(f"{path} would unpack to {unpacked >> 20} MiB; the limit is {max_bytes >> 20} MiB")
            if len(members) > MAX_MEMBERS or len({info.filename for info in members}) < len(members):
                raise FormatError(f"{path} has {len(members)} members, too many or some of one name")
            if sum(info.compress_size for info in members) > path.stat().st_size:
                raise FormatError(f"{path} has members that overlap; it was made to mislead")
            if not {info.compress_type for info in members} <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise FormatError(f"{path} is packed in a way that NumPy does not use; save it with numpy.savez")
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        EOFError,
        KeyError,
        OSError,
        MemoryError,
        RuntimeError,
    ) as error:
        if isinstance(error, FormatError):
            raise error if str(error).startswith(str(path)) else FormatError(f"{path}: {error}") from None
        raise FormatError(
            f"{path} is not a readable {what} ({error}); it may be truncated or of another kind"
        ) from error


def member_names(path: str | os.PathLike) -> frozenset[str]:
    """Names of a zip's members; none where the file is no zip that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(archive.namelist())
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, RuntimeError):
        return frozenset()


def read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, *, objects: Callable[[bytes], object] | None = None
) -> np.ndarray | object:
    """One .npy member, as `npy.read_npy` reads it."""
    with archive.open(info) as member:
        try:
            return read_npy(member, info.file_size, objects=objects)
        except FormatError as error:
            raise FormatError(f"{path}: {info.filename} holds {error}") from None


def _read_header(archive: zipfile.ZipFile, path: Path) -> dict:
    if "header.npy" not in archive.namelist():
        raise FormatError(f"{path} has no emberface header; it was written by another program")
    header = json.loads(str(read_member(archive, archive.getinfo("header.npy"), path)))
    if not isinstance(header, dict):
        raise FormatError(f"{path} has a header that is no JSON object; it was written by another program")
    return header
