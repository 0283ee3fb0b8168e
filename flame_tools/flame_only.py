"""What only FLAME's own heads can hold or give."""

from __future__ import annotations

from flame_tools.errors import InputError
from flame_tools.types import HeadArrays


def flame_only(arrays: HeadArrays, why: str) -> None:
    """Raise InputError, beginning with `why`, unless the head is a FLAME: joints follow expression as in no other."""
    if not arrays.joints_follow_expression:
        raise InputError(
            f"{why}, and head {arrays.id!r} is no FLAME head: add one (emberface head add FILE) and name it by "
            "--head, or by --to to carry a track over to it (emberface.transfer)"
        )
