"""FLAME's parameters for other programs, as smplx and as EMOTE name them.

smplx: what `smplx.FLAME.forward` takes, one row a frame, `betas` [1, S]; `mocap_frame_rate` as AMASS has it.
EMOTE: the dict that INFERNO's TalkingHead demo saves with --save_flame (`evaluation_functions.py`): `shape` [S],
`expression`, `jaw_pose`, `global_pose`, and `fps` beside.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.errors import InputError
from flame_tools.flame_only import flame_only
from flame_tools.head import Head
from flame_tools.posing import person
from flame_tools.track_check import check_track
from flame_tools.types import Track

LAYOUTS = ("smplx", "emote")
_PROTOCOL = 3  # the lowest that keeps bytes as bytes: every Python 3 reads it


def write_flame_params(track: Track, head: Head, path: str | os.PathLike, *, layout: str | None = None) -> None:
    """Write a track on a FLAME head as .npz, or as .pkl of a dict of numpy arrays, float32, radians and metres.

    `layout` is "smplx" or "emote"; None: "emote" for NAME.emote.npz and NAME.emote.pkl, else "smplx". A head with lid
    shapes gets `eyelid_params` [T, 2] beside smplx's own (SMIRK's name; smplx ignores it). EMOTE's dict has no place
    for neck, eyes, lids and translation: they are left out. `time_s` is there where the frames come at no constant
    rate, or do not begin at 0. Neither layout has a place for licences.
    Raises InputError for a head that is no FLAME, ShapeError for a track that does not fit together.
    """
    path = Path(path)
    flame_only(head.arrays, f"{path} can hold FLAME's parameters only")
    check_track(track)
    person(track, head)  # raises where the track is another head's
    if layout is None:
        layout = "emote" if path.stem.lower().endswith(".emote") else "smplx"
    if layout not in LAYOUTS:
        raise InputError(f"layout is {layout!r}, wanted one of {', '.join(LAYOUTS)}")
    arrays = (smplx_arrays if layout == "smplx" else emote_arrays)(track, head)
    data = _pickled(arrays) if path.suffix.lower() == ".pkl" else _zipped(arrays)
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


def smplx_arrays(track: Track, head: Head) -> dict[str, np.ndarray]:
    """The keyword arguments of `smplx.FLAME.forward`, and what tells the time."""
    p = track.params.map(lambda tensor: tensor.detach().cpu().float())
    arrays = {
        "betas": p.shape[None],
        "expression": p.expression,
        "global_orient": p.global_rotation,
        "neck_pose": p.neck,
        "jaw_pose": p.jaw,
        "leye_pose": p.eyes[:, 0],
        "reye_pose": p.eyes[:, 1],
        "transl": p.translation,
    }
    if len(head.arrays.eyelid_vertices):
        arrays["eyelid_params"] = p.eyelids
    return {name: value.numpy() for name, value in arrays.items()} | _time(track, "mocap_frame_rate")


def emote_arrays(track: Track, head: Head) -> dict[str, np.ndarray]:
    """What EMOTE's demo saves, and what tells the time."""
    p = track.params.map(lambda tensor: tensor.detach().cpu().float())
    arrays = {"shape": p.shape, "expression": p.expression, "jaw_pose": p.jaw, "global_pose": p.global_rotation}
    return {name: value.numpy() for name, value in arrays.items()} | _time(track, "fps")


def _time(track: Track, rate: str) -> dict[str, np.ndarray]:
    times = np.asarray(track.time_s, np.float64)
    told = {} if track.fps is None else {rate: np.float64(track.fps[0] / track.fps[1])}
    if track.fps is None or times[0] != 0:
        told["time_s"] = times
    return {name: np.asarray(value) for name, value in told.items()}


def _zipped(arrays: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: no clock enters the file
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w") as member:
                np.lib.format.write_array(member, np.asanyarray(array, order="C"), allow_pickle=False)
    return stream.getvalue()


class _Plain(pickle._Pickler):
    """Names numpy's maker of arrays as every numpy knows it: EMOTE runs on 1.x, which has no numpy._core."""

    def save_global(self, obj: object, name: str | None = None) -> None:
        if getattr(obj, "__module__", None) == "numpy._core.multiarray":
            self.write(pickle.GLOBAL + f"numpy.core.multiarray\n{obj.__name__}\n".encode())
            self.memoize(obj)
        else:
            super().save_global(obj, name)


def _pickled(arrays: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    _Plain(stream, protocol=_PROTOCOL).dump({name: np.array(array, order="C") for name, array in arrays.items()})
    return stream.getvalue()
