"""Made crops on disk: numbered files of some hundred each, drawn once, learnt from often.

python -m recon.synthetic.shards FOLDER COUNT [FIRST]
"""

from __future__ import annotations

import os
import sys

from flame_tools.head import Head
from recon.synthetic.crops import Crops, made_crops
from recon.synthetic.numbered import read_numbered, write_numbered

SHARD = 1024  # crops a file


def write_shards(folder: str | os.PathLike, head: Head, count: int, *, first: int = 0) -> None:
    """Files `crops-00000.npz`, ... from number `first` on, each seeded by its number; those that are there stay."""
    write_numbered(folder, "crops", lambda number: made_crops(head, SHARD, number), count, first=first)


def read_shards(folder: str | os.PathLike, *, first: int = 0, count: int | None = None) -> Crops:
    """The crops of a folder's files from the `first` on. Raises InputError where there are none."""
    return read_numbered(folder, "crops", Crops, "recon.synthetic.shards", first=first, count=count)


if __name__ == "__main__":
    from flame_tools.load import load_head

    write_shards(sys.argv[1], load_head(), int(sys.argv[2]), first=int(sys.argv[3]) if len(sys.argv) > 3 else 0)
