"""Made crops on disk: numbered files of some hundred each, drawn once, learnt from often.

python -m recon.synthetic.shards FOLDER COUNT [FIRST]
"""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.errors import InputError
from flame_tools.head import Head
from recon.synthetic.crops import Crops, made_crops

SHARD = 1024  # crops a file


def write_shards(folder: str | os.PathLike, head: Head, count: int, *, first: int = 0) -> None:
    """Files `crops-00000.npz`, ... from number `first` on, each seeded by its number; those that are there stay."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        path = Path(folder) / f"crops-{number:05d}.npz"
        if not path.exists():
            crops = made_crops(head, SHARD, number)
            with written_whole(path) as temporary:
                np.savez(temporary, **{f.name: getattr(crops, f.name) for f in fields(Crops)})


def read_shards(folder: str | os.PathLike, *, first: int = 0, count: int | None = None) -> Crops:
    """The crops of a folder's files from the `first` on. Raises InputError where there are none."""
    paths = sorted(Path(folder).glob("crops-*.npz"))[first:]
    paths = paths if count is None else paths[:count]
    if not paths:
        raise InputError(f"{folder} has no crops-*.npz; make some: python -m recon.synthetic.shards {folder} 60")
    parts = []
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            parts.append(Crops(**{f.name: file[f.name] for f in fields(Crops)}))
    return Crops.joined(parts)


if __name__ == "__main__":
    from flame_tools.load import load_head

    write_shards(sys.argv[1], load_head(), int(sys.argv[2]), first=int(sys.argv[3]) if len(sys.argv) > 3 else 0)
