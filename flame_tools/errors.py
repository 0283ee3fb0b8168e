"""What can go wrong, as types: one root and few leaves.

Every message says what was found, what was wanted and what would help. The command line turns any
`FaceError` into one line and exit code 2; everything else is a bug.
"""

import contextlib
import errno
import os
from collections.abc import Iterator

from assets.errors import AssetError, FaceError

__all__ = [
    "AssetError",
    "FaceError",
    "FormatError",
    "InputError",
    "OutputError",
    "ShapeError",
    "cannot_write",
    "writing_to",
]


class ShapeError(FaceError, ValueError):
    """An array whose shape, type or values do not fit the place it was given to."""


class FormatError(FaceError, ValueError):
    """A file that is not what its name or its header claims, or a version this release cannot read."""


class InputError(FaceError, ValueError):
    """An image, a sound or an option from which nothing can be made (no face, silence, NaN, ...)."""


class OutputError(FaceError, OSError):
    """A place that cannot be written. Nothing half-written is left behind."""


def cannot_write(path: str | os.PathLike, error: OSError) -> OutputError:
    """The refusal that an operating system's error at `path` becomes."""
    ways_out = {
        errno.ENOSPC: "free some space there, or choose another disk",
        errno.EDQUOT: "free some space there, or choose another disk",
        errno.EFBIG: "choose a disk that takes larger files, or lift the limit on those of this process (ulimit -f)",
        errno.ENAMETOOLONG: "choose a shorter name",
    }
    way_out = ways_out.get(error.errno, "choose a folder that exists and can be written")
    return OutputError(f"cannot write {path}: {error.strerror or error}; {way_out}")


@contextlib.contextmanager
def writing_to(path: str | os.PathLike) -> Iterator[None]:
    """Turn an operating system's error in the block into the refusal that it is at `path`."""
    try:
        yield
    except FaceError:  # some are OSErrors too, and say already what is wrong
        raise
    except OSError as error:
        raise cannot_write(path, error) from error
