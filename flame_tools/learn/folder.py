"""Registered meshes from a folder: PERSON/EXPRESSION.obj, each person with a neutral.obj."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from flame_tools.errors import FormatError, InputError
from flame_tools.export.axes import UNITS
from flame_tools.files.obj import read_obj
from flame_tools.learn.head import NEUTRAL, Scans

TALL_M = (0.1, 1.0)  # of a head, with or without its neck and shoulders


def read_scans(folder: str | os.PathLike, *, unit: str = "m") -> Scans:
    """Every mesh of the folder in metres; neutral.obj, NEUTRAL.obj or neutral_2.obj are people at rest."""
    folder = Path(folder)
    if unit not in UNITS:
        raise InputError(f"unit {unit!r} is not known; wanted {', '.join(UNITS)}")
    files = sorted(path for path in folder.glob("*/*") if path.suffix.lower() == ".obj")
    if not files:
        raise InputError(f"{folder} holds no PERSON/EXPRESSION.obj; put each person's meshes into their own folder")
    meshes: list[np.ndarray] = []
    for file in files:
        vertices = read_obj(file).vertices * UNITS[unit]
        if meshes and len(vertices) != len(meshes[0]):
            raise FormatError(
                f"{file} has {len(vertices)} vertices, {files[0]} has {len(meshes[0])}; wanted one topology for all"
            )
        tall = float(np.ptp(vertices[:, 1]))
        if not TALL_M[0] < tall < TALL_M[1]:
            raise FormatError(f"{file} is {tall:.3g} m tall in unit {unit!r}; wanted a head, y up: say another unit")
        meshes.append(vertices.astype(np.float32))
    names = [NEUTRAL if file.stem.lower().startswith(NEUTRAL) else file.stem for file in files]
    return Scans(np.stack(meshes), [file.parent.name for file in files], names)
