"""The seven landmarks by which the NoW challenge aligns faces, from the files that it publishes and takes.

Their order (Sanyal et al. 2019): outer and inner corner of the right eye, inner and outer corner of the left eye, the
base of the nose, right and left corner of the mouth; points 36, 39, 42, 45, 33, 48 and 54 of iBUG's 68. Those of a scan
are MeshLab's picked points (.pp, XML), those of a predicted mesh seven rows of three numbers (.txt, or .npy). Nothing
in a file is executed: neither pickles nor entities of XML are followed.
"""

from __future__ import annotations

import os
from pathlib import Path
from xml.parsers import expat

import numpy as np

from flame_tools.errors import FormatError, InputError
from flame_tools.files.npy import read_npy

SEVEN_OF_68 = (36, 39, 42, 45, 33, 48, 54)
SEVEN_OF_468 = (33, 133, 362, 263, 2, 61, 291)  # of MediaPipe's
RIGHT_OUTER, RIGHT_INNER, LEFT_INNER, LEFT_OUTER, NOSE, RIGHT_MOUTH, LEFT_MOUTH = range(7)
FORMATS = (".pp", ".txt", ".npy")
MAX_BYTES = 1 << 20
_WAY_OUT = "wanted seven points: right eye outer, inner, left eye inner, outer, base of the nose, mouth right, left"


def read_seven(path: str | os.PathLike) -> np.ndarray:
    """Landmarks [7, 3] in the file's own unit from a .pp, .txt or .npy; sets of 51 or 68 give their seven.

    Raises FormatError for what is no such file, InputError where there is none.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path} is no landmark file that can be read; wanted one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        raise FormatError(f"{path} has {size:,} bytes, which landmarks do not; {_WAY_OUT}")
    kind = path.suffix.lower()
    if kind == ".npy":
        with open(path, "rb") as file:
            try:
                points = read_npy(file, size)
            except FormatError as error:
                raise FormatError(f"{path}: {error}") from None
        if points.dtype.kind not in "fiu":
            raise FormatError(f"{path} holds {points.dtype}, wanted numbers")
        points = points.astype(np.float64)
    else:
        text = path.read_bytes()
        points = _picked(text, path) if kind == ".pp" else _rows(text, path)
    return _seven(points, path)


def _seven(points: np.ndarray, path: Path) -> np.ndarray:
    if points.ndim == 3 and len(points) == 1:  # a batch of one
        points = points[0]
    chosen = {7: range(7), 51: [i - 17 for i in SEVEN_OF_68], 68: SEVEN_OF_68}
    if points.ndim != 2 or points.shape[1] != 3 or len(points) not in chosen:
        raise FormatError(f"{path} holds numbers {list(points.shape)}; {_WAY_OUT}")
    points = points[list(chosen[len(points)])]
    if not np.isfinite(points).all():
        raise FormatError(f"{path} holds NaN or infinite values; pick the points again")
    apart = np.linalg.norm(points[:, None] - points, axis=-1) + np.eye(7)
    if apart.min() <= 1e-6 * apart.max():
        raise FormatError(f"{path} has the same point twice; {_WAY_OUT}")
    return points


def _rows(text: bytes, path: Path) -> np.ndarray:
    rows = [line.replace(b",", b" ").split() for line in text.splitlines() if line.strip()]
    try:
        points = np.array([[float(value) for value in row] for row in rows])
    except ValueError:
        raise FormatError(f"{path} has a line that is not three numbers; {_WAY_OUT}") from None
    return points


def _picked(text: bytes, path: Path) -> np.ndarray:
    """The `point` elements of MeshLab's PickedPoints [n, 3], in the file's order as NoW's own reader takes them."""
    points: list[list[float]] = []
    root: list[str] = []

    def start(name: str, found: dict[str, str]) -> None:
        root[:] = root or [name]
        if name != "point":
            return
        if found.get("active", "1") == "0":
            raise FormatError(f"{path}: point {found.get('name', len(points))!r:.40} was not picked; pick all seven")
        try:
            points.append([float(found[axis]) for axis in "xyz"])
        except (KeyError, ValueError):
            raise FormatError(f"{path}: a point lacks a number in x, y or z; pick the points again") from None

    def entity(*_) -> None:
        raise FormatError(f"{path} declares entities, which picked points do not need; it is refused")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EntityDeclHandler = start, entity
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise FormatError(f"{path} is no XML that can be read ({error}); save it from MeshLab again") from None
    if root != ["PickedPoints"]:
        raise FormatError(f"{path} holds {root[0]!r:.40}, wanted MeshLab's PickedPoints")
    return np.array(points).reshape(-1, 3)
