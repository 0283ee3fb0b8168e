"""The CSV that Live Link Face records, back as a Track: weights through ARKit's names, angles of head and eyes.

Columns are found by name, whatever their order: Timecode, the 52 weights in any spelling that
`flame_tools.characters.names` knows, and yaw, pitch, roll of Head, LeftEye and RightEye in radians (see
export/livelink.py for their signs). BlendShapeCount is not needed; where it is 0 and nothing follows, the app saw no
face.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.characters.names import arkit_spelling
from flame_tools.errors import FormatError, InputError
from flame_tools.export.livelink import ANGLES, SIGNS
from flame_tools.frame_rate import MAX_FRAMES, even_rate, on_grid, rational
from flame_tools.head import Head
from flame_tools.imports.timecode import read_clock
from flame_tools.imports.untold import untold_by_names
from flame_tools.resample import at_rate
from flame_tools.rotations import axis_angle_from_matrix, matrix_from_yaw_pitch_roll
from flame_tools.types import LEFT_EYE, NECK, RIGHT_EYE, FaceParams, Track

MAX_BYTES = 2 << 30
MAX_COLUMNS = 1000
MOST_WEIGHT = 2.0  # a share of the whole expression; what is beyond was written in percent
_ANGLE = {name.lower(): i for i, name in enumerate(ANGLES)}
_TIME, _COUNT = "timecode", "blendshapecount"


def read_csv(
    path: str | os.PathLike,
    head: Head,
    *,
    fps: float | tuple[int, int] | None = None,  # sampled at this rate; None: the file's own frames
    timecode_fps: float | tuple[int, int] | None = None,  # the rate that the app was set to; None: found
    turns: str = "neck",  # the joint that takes the head's angles: "neck" or "root"
) -> Track:
    """A recording of Live Link Face as a Track on `head`, from 0 s on.

    Rows of one timecode are one frame, the last of them. Where the app saw no face all goes straight from the row
    before to the row after, and is held at the ends; `provenance["faceless"]` counts these rows. Frames that the
    recording lacks stay lacking, and the Track then has no `fps`, unless `fps` is given. An eye whose angles are 0
    throughout turns by its eyeLook weights.
    `provenance` tells the first timecode, its rate and whether that is assumed (60, where a clip ends before a second
    does), columns that were missing or not understood, parameters that it does not tell ("untold"), and the joint that
    has the turn of root and neck together ("whole_turn").
    Raises FormatError where the file is no such CSV, naming the line; InputError for options that do not fit it.
    """
    if turns not in ("neck", "root"):
        raise InputError(f"turns is {turns!r}, wanted 'neck' or 'root'")
    path = Path(path)
    codes, weights, angles, told = _table(path)
    try:
        clock = read_clock(codes, rate=None if timecode_fps is None else rational(timecode_fps))
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    kept = np.append(np.diff(clock.seconds) != 0, True)
    seconds = clock.seconds[kept] - clock.seconds[0]
    if (np.diff(seconds) <= 0).any():
        raise FormatError(f"{path}: timecode {codes[int(np.flatnonzero(np.diff(clock.seconds) < 0)[0]) + 1]} goes back")
    likely = (clock.rate, Fraction(clock.counts * 1000, 1001))
    rate = even_rate(seconds, slack_s=0.6e-3 / clock.counts, likely=likely)  # codes have thousandths of a frame
    if rate is not None:
        seconds = on_grid(0.0, len(seconds), rate)
    params = params_told(weights[kept], angles[kept], head, turns)
    told |= {"timecode": codes[0], "timecode_s": float(clock.seconds[0])}
    told |= {"timecode_fps": str(clock.rate), "rate_assumed": clock.assumed}
    told["untold"] = untold_by_names(head.arrays, missing=told["missing"], turned=_turned(told["missing"]))
    if NECK in _turned(told["missing"]):
        told["whole_turn"] = turns
    track = Track(
        head_id=head.arrays.id,
        params=params,
        time_s=seconds,
        fps=None if rate is None else (rate.numerator, rate.denominator),
        provenance={"made_by": "emberface read_csv", "file": path.name, **told},
    )
    return track if fps is None else at_rate(track, rational(fps), str(path))


def looks_like_csv(path: str | os.PathLike) -> bool:
    """Whether the first line of a text file names a timecode, as Live Link Face's does."""
    with open(path, "rb") as file:
        return _TIME in file.read(4096).decode("utf-8-sig", "replace").lower().split("\n")[0]


def params_told(weights: np.ndarray, angles: np.ndarray, head: Head, turns: str = "neck") -> FaceParams:
    """Weights [T, 52] in [0, 1] and angles [T, 9] in radians (yaw, pitch, roll of the head and of each eye) on `head`'s
    mean identity; `turns` says the joint that takes the head's angles, "neck" or "root".

    An eye whose angles no frame tells (some senders leave them at zero) follows its eyeLook weights.
    """
    params = to_params(torch.from_numpy(weights).to(head.v_template), head)
    count = len(weights)
    params = FaceParams.neutral(head, count).replace(
        **{name: getattr(params, name) for name in ("expression", "jaw", "eyes", "eyelids")},
        shape=torch.zeros(head.shape_size).to(head.v_template),
    )
    told = torch.from_numpy(angles.reshape(count, 3, 3))
    turned = axis_angle_from_matrix(matrix_from_yaw_pitch_roll(told)).to(head.v_template)
    said = told.abs().amax((0, 2)) > 0
    eyes = torch.where(said[1:, None], turned[:, 1:], params.eyes)
    return params.replace(eyes=eyes, **{"neck" if turns == "neck" else "global_rotation": turned[:, 0]})


def _table(path: Path) -> tuple[list[str], np.ndarray, np.ndarray, dict]:
    """Timecodes [T], weights [T, 52] in ARKIT_NAMES' order, our angles [T, 9] in the order of ANGLES, what was found.

    Columns that are not there are 0.
    """
    if not path.is_file():
        raise FormatError(f"{path} is not a file; check the name")
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(f"{path} has over {MAX_BYTES >> 30} GiB; cut the recording")
    codes, rows, faces = [], [], []
    lines = _lines(path)
    line, header = next(lines, (1, []))
    time, count, targets, told = _columns(header, path)
    sources, places = (np.array(list(x), int) for x in (targets.keys(), targets.values()))
    for line, row in lines:
        faces.append(not _faceless(row, time, count))
        if len(row) != len(header) and faces[-1]:
            raise FormatError(f"{path}: line {line} has {len(row)} cells, the first line {len(header)}")
        values = np.zeros(len(ARKIT_NAMES) + len(ANGLES), np.float32)
        try:
            if faces[-1]:
                values[places] = [float(row[i]) for i in sources]
        except (ValueError, OverflowError):
            bad = next(i for i in sources if not _number(row[i]))
            raise FormatError(f"{path}: line {line}: {header[bad]} is {row[bad][:40]!r}, wanted a number") from None
        _check(values, line, path)
        codes.append(row[time].strip())
        rows.append(values)
        if len(rows) > MAX_FRAMES:
            raise FormatError(f"{path} has over {MAX_FRAMES:,} rows; cut the recording")
    if not any(faces):
        raise FormatError(f"{path} has a header but no frame" + " in which the app saw a face" * bool(rows))
    table = _bridged(np.stack(rows).astype(np.float64), np.array(faces))
    told["faceless"] = faces.count(False)
    return codes, table[:, : len(ARKIT_NAMES)], table[:, len(ARKIT_NAMES) :] * SIGNS, told


def _faceless(row: list[str], time: int, count: int | None) -> bool:
    """Whether the app saw no face in this row: it counts 0 shapes, and leaves them away, empty or 0."""
    if count is None or max(time, count) >= len(row) or row[count].strip() != "0":
        return False
    return all(i == time or cell.strip() == "" or (_number(cell) and float(cell) == 0) for i, cell in enumerate(row))


def _bridged(table: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Rows [T, n] that are not `known` [T] on straight lines between those that are; the ends are held."""
    if known.all():
        return table
    rows, at = np.arange(len(table)), np.flatnonzero(known)
    return np.stack([np.interp(rows, at, column[at]) for column in table.T], -1)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The file's lines by number, without those that are blank."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is no text in UTF-8 ({error.reason}); save it as CSV UTF-8") from None
    except csv.Error as error:
        raise FormatError(f"{path} is no CSV ({error})") from None


def _columns(header: list[str], path: Path) -> tuple[int, int | None, dict[int, int], dict]:
    """Where the timecode and the count of shapes stand, which column (of those that are weights or angles) goes where,
    and a report."""
    plain = [cell.strip().lower() for cell in header]
    if len(header) > MAX_COLUMNS or plain.count(_TIME) != 1:
        found = ", ".join(cell.strip()[:20] for cell in header[:4])
        raise FormatError(f"{path} is no CSV of Live Link Face: its first line is {found!r}..., wanted Timecode, ...")
    targets: dict[int, int] = {}
    ignored = []
    for i, name in enumerate(plain):
        spelling = arkit_spelling(header[i].strip())
        if spelling in INDEX:
            place = INDEX[spelling]
        elif name in _ANGLE:
            place = len(ARKIT_NAMES) + _ANGLE[name]
        else:
            ignored += [] if name in (_TIME, _COUNT) else [header[i].strip()[:40]]
            continue
        if place in targets.values():
            raise FormatError(f"{path} has two columns {header[i].strip()}; leave one")
        targets[i] = place
    missing = [name for i, name in enumerate((*ARKIT_NAMES, *ANGLES)) if i not in targets.values()]
    if not any(place < len(ARKIT_NAMES) for place in targets.values()):
        raise FormatError(f"{path} has none of ARKit's 52 columns, such as JawOpen; is it another program's?")
    count = plain.index(_COUNT) if _COUNT in plain else None
    return plain.index(_TIME), count, targets, {"missing": missing, "ignored": ignored}


def _turned(missing: list[str]) -> list[int]:
    """The joints that a table's angles can turn."""
    joints = {"Head": NECK, "LeftEye": LEFT_EYE, "RightEye": RIGHT_EYE}
    return [joint for what, joint in joints.items() if any(a.startswith(what) and a not in missing for a in ANGLES)]


def _check(values: np.ndarray, line: int, path: Path) -> None:
    if not np.isfinite(values).all():
        raise FormatError(f"{path}: line {line} holds NaN or infinite values")
    weights = values[: len(ARKIT_NAMES)]
    if np.abs(weights).max() > MOST_WEIGHT:
        worst = int(np.abs(weights).argmax())
        raise FormatError(
            f"{path}: line {line}: {ARKIT_NAMES[worst]} is {weights[worst]:g}, wanted weights in [0, 1]; "
            "divide percent by 100"
        )
    angles = values[len(ARKIT_NAMES) :]
    if np.abs(angles).max() > 2 * np.pi:
        worst = int(np.abs(angles).argmax())
        raise FormatError(f"{path}: line {line}: {ANGLES[worst]} is {angles[worst]:g}, wanted radians")


def _number(cell: str) -> bool:
    try:
        float(cell)
    except (ValueError, OverflowError):
        return False
    return True
