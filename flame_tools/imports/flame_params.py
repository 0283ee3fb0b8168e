"""FLAME parameters that other programs saved: DECA, EMOCA, SPECTRE, SMIRK, EMOTE, smplx.

Names and sizes are those of their published code (DECA `decalib/deca.py`, EMOCA and INFERNO `save_codes`, SPECTRE
`src/spectre.py`, SMIRK `src/smirk_encoder.py`, INFERNO TalkingHead `evaluation_functions.py` with --save_flame, smplx
`FLAME.forward`). Rotations are axis-angle in radians in all of them, as ours are; a pose of six is root, then jaw.
Cameras, light, texture and detail codes are set aside.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from flame_tools.errors import FormatError, InputError, ShapeError
from flame_tools.files.data import read_data
from flame_tools.flame_only import flame_only
from flame_tools.frame_rate import MAX_FRAMES, on_grid, rational
from flame_tools.head import Head
from flame_tools.resample import at_rate
from flame_tools.types import FaceParams, Track

EMOTE_FPS = 25
MAX_FILES = 20_000  # in a folder of EMOCA's
_FIELDS = {
    "shape": ("shape", "shapecode", "shape_params", "betas"),
    "expression": ("exp", "expcode", "expression_params", "expression"),
    "pose": ("pose", "posecode"),
    "root": ("pose_params", "global_pose", "globalpose", "global_orient"),
    "jaw": ("jaw", "jawpose", "jaw_params", "jaw_pose"),
    "neck": ("neck_pose",),
    "left_eye": ("leye_pose",),
    "right_eye": ("reye_pose",),
    "lids": ("eyelid_params",),
    "translation": ("transl",),
    "fps": ("fps", "mocap_frame_rate"),
    "times": ("time_s",),
}
_MEANS = {name: field for field, names in _FIELDS.items() for name in names}
_ASIDE = {
    "tex", "texcode", "detail", "detailcode", "cam", "light", "lightcode", "images", "euler_jaw_pose", "gender",
    "original_code",
}  # fmt: skip
_SIZES = {"pose": 6, "root": 3, "jaw": 3, "neck": 3, "left_eye": 3, "right_eye": 3, "lids": 2, "translation": 3}
_SAID_BY = {  # what any of these says
    "shape": {"shape"},
    "expression": {"expression"},
    "global_rotation": {"root"},
    "jaw": {"jaw"},
    "neck": {"neck"},
    "eyes": {"left_eye", "right_eye"},
    "eyelids": {"lids"},
    "translation": {"translation"},
}
_FOLDER = ("exp.npy", "shape.npy")


@dataclass(frozen=True)
class _Found:
    """A file's arrays by what they mean."""

    rows: dict[str, np.ndarray]  # field -> [T or 1, n] float64
    aside: tuple[str, ...]  # keys that say nothing about the face
    emote: bool  # by its keys, the dict that EMOTE saves


def read_flame_params(
    path: str | os.PathLike,
    head: Head,  # the FLAME that the parameters were made for; the file does not say which
    *,
    fps: float | tuple[int, int] | None = None,  # of the frames; None: as the file says, or EMOTE's 25
) -> Track:
    """Parameters in an .npz, .pkl or .npy of a dict (or a list of dicts, one a frame), or in a folder as EMOCA saves.

    Fewer components than the head has are followed by zeros. Identity is one for the whole Track: where it differs from
    frame to frame, the mean, and `provenance` tells by how much ("shape_sd"). `fps` names the rate of frames that have
    no times of their own; a file that says its rate is resampled to it.
    Raises FormatError where the file holds anything that is not understood, naming the key; ShapeError for sizes that
    do not fit; InputError where the rate is unknown or `head` is no FLAME head.
    """
    path = Path(path)
    flame_only(head.arrays, f"{path} holds FLAME's parameters")
    found = _understood(_folder(path) if path.is_dir() else _content(path), path)
    rows = found.rows
    count = max((len(v) for field, v in rows.items() if field != "shape"), default=1)
    count = max(count, len(rows.get("shape", ())))
    wrong = {field: len(v) for field, v in rows.items() if len(v) not in (1, count)}
    if wrong or count > MAX_FRAMES:
        raise ShapeError(f"{path}: {wrong or 'it'} frames beside {count}; all must have as many, or one")
    if "pose" in rows:
        if {"root", "jaw"} & set(rows):
            raise FormatError(f"{path} says the pose twice, as one and by joints; leave one of them")
        rows = rows | {"root": rows["pose"][:, :3], "jaw": rows["pose"][:, 3:]}
    params, told = _params(rows, count, head, path)
    own, given = _rate(rows, found), None if fps is None else rational(fps)
    rate = own or given
    if rate is None and "times" not in rows and count > 1:
        raise InputError(
            f"{path} does not say how many frames a second its {count} frames are; say fps= or emberface convert --fps"
        )
    times = rows["times"][:, 0] if "times" in rows else on_grid(0.0, count, rate or rational(EMOTE_FPS))
    if len(times) != count or (np.diff(times) <= 0).any():
        raise FormatError(f"{path}: time_s does not increase from frame to frame")
    track = Track(
        head_id=head.arrays.id,
        params=params.map(lambda tensor: tensor.to(head.v_template)),
        time_s=times,
        fps=None if rate is None or ("times" in rows and own is None) else (rate.numerator, rate.denominator),
        provenance={
            "made_by": "emberface read_flame_params",
            "file": path.name,
            "aside": list(found.aside),
            "untold": [field for field, keys in _SAID_BY.items() if not keys & set(rows)],
            **told,
        },
    )
    again = given is not None and count > 1 and track.fps != (given.numerator, given.denominator)
    return at_rate(track, given, str(path)) if again else track


def looks_like_flame_params(path: Path) -> bool:
    """Whether a path is a folder of EMOCA's codes, of one frame or with a folder for each."""
    return path.is_dir() and bool(_frames_in(path))


def _rate(rows: dict[str, np.ndarray], found: _Found):
    if "fps" in rows:
        value = float(rows["fps"].ravel()[0])
        return rational(value) if value > 0 else None
    return rational(EMOTE_FPS) if found.emote else None


def _params(rows: dict[str, np.ndarray], count: int, head: Head, path: Path) -> tuple[FaceParams, dict]:
    told = {}
    shape = rows.get("shape", np.zeros((1, 0)))
    if len(shape) > 1 and np.ptp(shape, 0).max(initial=0.0) > 0:
        told["shape_sd"] = round(float(shape.std(0).max()), 6)
    shape = _padded(shape.mean(0, keepdims=True), head.shape_size, "identity", head, path)[0]
    expression = _padded(rows.get("expression", np.zeros((1, 0))), head.expression_size, "expression", head, path)

    def over_frames(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(np.broadcast_to(values, (count, values.shape[1]))))

    part = {name: over_frames(rows.get(name, np.zeros((1, size)))) for name, size in _SIZES.items()}
    if "lids" in rows and not len(head.arrays.eyelid_vertices) and rows["lids"].any():
        told["lids"] = "left out: the head has no lid shapes; add l_eyelid.npy and r_eyelid.npy to it"
        part["lids"] = torch.zeros_like(part["lids"])
    return FaceParams(
        shape=torch.from_numpy(shape),
        expression=over_frames(expression),
        global_rotation=part["root"],
        neck=part["neck"],
        jaw=part["jaw"],
        eyes=torch.stack([part["left_eye"], part["right_eye"]], 1),
        eyelids=part["lids"],
        translation=part["translation"],
    ), told


def _padded(values: np.ndarray, size: int, what: str, head: Head, path: Path) -> np.ndarray:
    found = values.shape[1]
    if found > size:
        raise ShapeError(
            f"{path} has {found} components of {what}, head {head.arrays.id!r} has {size}; "
            "load the FLAME with all of them"
        )
    return np.pad(values, ((0, 0), (0, size - found)))


# --- what the file holds ----------------------------------------------------------------------------------------------


def _content(path: Path) -> Mapping:
    content = read_data(path)
    if isinstance(content, list | tuple) and content and all(isinstance(frame, Mapping) for frame in content):
        if len(content) > MAX_FRAMES or any(frame.keys() != content[0].keys() for frame in content):
            raise FormatError(f"{path} is a list of {len(content)} dicts that do not hold the same")
        content = {key: _stacked([frame[key] for frame in content], key, path) for key in content[0]}
    if not isinstance(content, Mapping):
        raise FormatError(f"{path} holds a {type(content).__name__}, wanted a dict of FLAME's parameters")
    return content


def _stacked(values: list, key: object, path: Path) -> object:
    """One array of a key's values over frames, [T, n]."""
    if _MEANS.get(key) is None:
        return values[0]
    rows = [_numbers(value, key, path) for value in values]
    if any(row.size != rows[0].size for row in rows):
        raise ShapeError(f"{path}: {key} has not the same size in all frames")
    return np.stack([row.ravel() for row in rows])


def _frames_in(folder: Path) -> list[Path]:
    """The folder itself, or those in it, that hold EMOCA's codes; by name."""
    if all((folder / name).is_file() for name in _FOLDER):
        return [folder]
    inside = sorted(p for p, _ in zip(folder.iterdir(), range(MAX_FILES + 1), strict=False))
    return [p for p in inside if p.is_dir() and all((p / name).is_file() for name in _FOLDER)]


def _folder(path: Path) -> Mapping:
    """A folder for each frame, with exp.npy, shape.npy, pose.npy (or jawpose.npy and globalpose.npy) in it."""
    frames = _frames_in(path)
    if not frames or len(frames) > MAX_FILES:
        raise FormatError(f"{path} holds {len(frames)} folders with {' and '.join(_FOLDER)}, wanted 1 to {MAX_FILES:,}")
    names = sorted(file.name for file in frames[0].glob("*.npy") if file.stem in _MEANS)
    content = {}
    for name in names:
        missing = next((frame for frame in frames if not (frame / name).is_file()), None)
        if missing is not None:
            raise FormatError(f"{missing} has no {name}, which {frames[0].name} has")
        content[name.removesuffix(".npy")] = _stacked([read_data(f / name) for f in frames], Path(name).stem, path)
    return content


def _understood(content: Mapping, path: Path) -> _Found:
    rows: dict[str, np.ndarray] = {}
    aside = []
    for key, value in content.items():
        field = _MEANS.get(key)
        if key in _ASIDE:
            aside.append(str(key))
            continue
        if field is None:
            known = ", ".join(sorted(_MEANS))
            raise FormatError(
                f"{path}: {str(key)[:40]!r} is not understood; take it out, or rename it to one of {known}"
            )
        if field in rows:
            raise FormatError(
                f"{path} has {field} twice, under {' and '.join(k for k in _FIELDS[field] if k in content)}"
            )
        rows[field] = _rows(_numbers(value, key, path), field, key, path)
    if not {"expression", "pose", "jaw"} & set(rows):
        raise FormatError(f"{path} holds no expression and no pose of FLAME's; it has {sorted(map(str, content))[:6]}")
    return _Found(rows, tuple(aside), {"expression", "jaw_pose", "global_pose"} <= set(content))


def _numbers(value: object, key: object, path: Path) -> np.ndarray:
    array = np.asarray(value) if isinstance(value, np.ndarray | np.generic | int | float | list) else np.array(None)
    if array.dtype.kind not in "fiu":
        raise FormatError(f"{path}: {key} is a {type(value).__name__} of {array.dtype}, wanted numbers")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise FormatError(f"{path}: {key} holds NaN or infinite values")
    return array


def _rows(array: np.ndarray, field: str, key: object, path: Path) -> np.ndarray:
    """[T, n] of [n], [T, n] or [1, T, n]."""
    if field in ("fps", "times"):
        return array.reshape(-1, 1)
    if array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1:
        array = array[None]
    size = _SIZES.get(field, array.shape[-1])
    if array.ndim != 2 or not len(array) or array.shape[1] != size:
        raise ShapeError(f"{path}: {key} is {list(array.shape)}, wanted [frames, {size}]")
    return array
