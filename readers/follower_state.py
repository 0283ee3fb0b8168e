"""All that a Follower knows, as plain arrays and JSON, so that a run can stop and go on to the same bits."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from flame_tools.errors import FormatError
from readers.appearance import LENGTH, VIEWS_KEPT
from readers.cuts import COLUMNS
from readers.followed import Followed
from readers.following import Follower, FollowOptions

_ARRAYS = {
    "landmarks": (468, 3),
    "trusted": (468, 3),
    "motion": (4,),
    "seen": (VIEWS_KEPT, LENGTH),
    "weights": (VIEWS_KEPT,),
    "latest": (LENGTH,),
}
_NUMBERS = {
    "id": int,
    "seen_s": float,
    "trusted_s": float,
    "remembered_s": float,
    "latest_yaw": float,
    "latest_s": float,
    "contested": bool,
}
_TIMES = ("time_s", "looked_s", "searched_s", "cut_s")


def state_of(follower: Follower) -> tuple[dict, dict[str, np.ndarray]]:
    """A JSON object, and arrays of float64 by name: some 30 KB a face."""
    faces = [*follower.faces, *follower.away]
    arrays = {
        name: np.array([getattr(face, name) for face in faces], np.float64).reshape(-1, *shape)
        for name, shape in _ARRAYS.items()
    }
    arrays["thumbnail"] = follower.cuts.last
    return {
        "options": dataclasses.asdict(follower.options),
        "followed": len(follower.faces),
        "faces": [{name: kind(getattr(face, name)) for name, kind in _NUMBERS.items()} for face in faces],
        "next_id": follower.next_id,
        "usual_change": follower.cuts.usual,
        # JSON has no infinity; before the first frame there is no time
        "times": {t: getattr(follower, t) for t in _TIMES if math.isfinite(getattr(follower, t))},
    }, arrays


def follower_from(header: dict, arrays: dict[str, np.ndarray]) -> Follower:
    """The Follower that `state_of` described. Raises FormatError where that is not what it is."""
    try:
        follower = Follower(FollowOptions(**header["options"]))
        count = len(header["faces"])
        for name, shape in _ARRAYS.items():
            if arrays[name].shape != (count, *shape) or arrays[name].dtype != np.float64:
                raise ValueError(f"{name} is {arrays[name].dtype} {list(arrays[name].shape)}")
        faces = [
            Followed(
                **{name: kind(one[name]) for name, kind in _NUMBERS.items()},
                **{name: arrays[name][i].copy() for name in _ARRAYS},
            )
            for i, one in enumerate(header["faces"])
        ]
        followed = int(header["followed"])
        follower.faces, follower.away = faces[:followed], faces[followed:]
        thumbnail = arrays["thumbnail"]
        if thumbnail.dtype != np.float64 or thumbnail.ndim != 2 or thumbnail.shape[1] != COLUMNS:
            raise ValueError(f"thumbnail is {thumbnail.dtype} {list(thumbnail.shape)}")
        follower.cuts.last, follower.cuts.usual = thumbnail, float(header["usual_change"])
        follower.next_id = int(header["next_id"])
        for name, value in header["times"].items():
            if name not in _TIMES:
                raise ValueError(f"no time is called {name}")
            setattr(follower, name, float(value))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            f"the state of following is not what this release keeps ({error}); remove the parts and read the film again"
        ) from None
    return follower
