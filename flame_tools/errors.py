"""What can go wrong, as types: one root and few leaves.

Every message says what was found, what was wanted and what would help. The command line turns any
`FaceError` into one line and exit code 2; everything else is a bug.
"""

from assets.errors import AssetError, FaceError

__all__ = ["AssetError", "FaceError", "FormatError", "InputError", "OutputError", "ShapeError"]


class ShapeError(FaceError, ValueError):
    """An array whose shape, type or values do not fit the place it was given to."""


class FormatError(FaceError, ValueError):
    """A file that is not what its name or its header claims, or a version this release cannot read."""


class InputError(FaceError, ValueError):
    """An image, a sound or an option from which nothing can be made (no face, silence, NaN, ...)."""


class OutputError(FaceError, OSError):
    """A place that cannot be written. Nothing half-written is left behind."""
