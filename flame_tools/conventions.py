"""What published code does differently from one another, selected by name: `Head(arrays, convention="smplx")`.

All of them pose the same surface from the same numbers. The traps are in the landmarks of the jaw line, which slide
along the face as it turns (`contour.py`), and in SMIRK's eyelids:

| name          | contour follows     | sign of yaw | order of the 68        | eyelids are added |
| ------------- | ------------------- | ----------- | ---------------------- | ----------------- |
| emberface     | root and neck       | +           | 17 of the contour, 51  | before skinning   |
| deca          | root and neck       | +           | 17 of the contour, 51  | before skinning   |
| smirk         | root and neck       | +           | 17 of the contour, 51  | after skinning    |
| flame_pytorch | root and neck       | -           | 17 of the contour, 51  | before skinning   |
| smplx         | the root alone      | -           | 51, 17 of the contour  | before skinning   |

smplx names its chain after the neck and starts it at index 0, the root: a turned neck does not move its contour. SMIRK
adds its two lid shapes to posed vertices, so they do not turn with the head. DECA, FLAME_PyTorch and smplx have none;
where a head has lids, they turn with it. Yaw is positive to the subject's left (+y), and a table that numbers its
contours by it, as ours does, wants the sign +.
"""

from __future__ import annotations

from dataclasses import dataclass

from flame_tools.errors import InputError
from flame_tools.types import JOINTS


@dataclass(frozen=True)
class Convention:
    """The choices in which published FLAME code differs."""

    yaw_joint: int = JOINTS.index("neck")
    """Whose rotation in the world the contour follows."""
    yaw_sign: int = 1
    """+1 where the contour's table is numbered by yaw to the subject's left, -1 to the right."""
    contour_first: bool = True
    """Whether the 17 contour landmarks come before the 51 static ones."""
    lids_after_skinning: bool = False
    """Whether eyelid offsets are added to posed vertices, unturned."""


CONVENTIONS = {
    "emberface": Convention(),
    "deca": Convention(),
    "smirk": Convention(lids_after_skinning=True),
    "flame_pytorch": Convention(yaw_sign=-1),
    "smplx": Convention(yaw_joint=JOINTS.index("root"), yaw_sign=-1, contour_first=False),
}


def convention_named(name: str) -> Convention:
    """The convention of that name."""
    if name not in CONVENTIONS:
        raise InputError(f"there is no convention {name!r}; choose one of {', '.join(sorted(CONVENTIONS))}")
    return CONVENTIONS[name]
