"""A .usdz package: files in a zip as they are, the data of each at a multiple of 64 bytes.

https://openusd.org/release/spec_usdz.html. OpenUSD's own packer takes the dates of the files that it packs, so two
runs differ; here every date is the zip format's first.
"""

from __future__ import annotations

import shutil
import struct
import zipfile
from pathlib import Path

from flame_tools.errors import OutputError

_ALIGNMENT = 64
_LOCAL_HEADER = 30  # bytes before a member's name (APPNOTE.TXT 4.3.7)
_PADDING_ID = 0x1986  # the extra field that OpenUSD pads with; readers of zips skip what they do not know
_LARGEST = (1 << 31) - (1 << 27)  # beyond, zipfile writes fields of zip64, which the specification does not know


def write_package(path: Path, files: list[Path]) -> None:
    """Pack `files` under their own names, which must be ASCII; the first is the layer that programs open.

    Raises OutputError where they are more than a package can hold.
    """
    size = sum(file.stat().st_size for file in files)
    if size > _LARGEST:
        raise OutputError(f"{path.name} would take {size / 1e9:.1f} GB and a usdz holds 2; write .usdc instead")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=False) as package:
        for file in files:
            info = zipfile.ZipInfo(file.name)  # made from a name alone, it is dated 1980-01-01
            info.create_system = 3
            info.external_attr = 0o644 << 16
            info.file_size = file.stat().st_size
            info.extra = padding(package.fp.tell() + _LOCAL_HEADER + len(file.name))
            with open(file, "rb") as source, package.open(info, "w") as member:
                shutil.copyfileobj(source, member, 1 << 20)


def padding(offset: int) -> bytes:
    """An extra field after which `offset` has grown to a multiple of 64; it has a head of four bytes of its own."""
    missing = -offset % _ALIGNMENT
    if missing == 0:
        return b""
    if missing < 4:
        missing += _ALIGNMENT
    return struct.pack("<HH", _PADDING_ID, missing - 4) + b"\0" * (missing - 4)
