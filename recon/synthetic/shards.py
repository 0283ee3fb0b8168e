"""Made crops on disk: numbered files of some hundred each, drawn once, learnt from often.

python -m recon.synthetic.shards FOLDER COUNT [FIRST] [--tongue SHARE]
"""

from __future__ import annotations

import os
from functools import partial

from flame_tools.head import Head
from recon.synthetic.crops import Crops, made_crops, random_faces
from recon.synthetic.numbered import parser_of, read_numbered, share, write_numbered
from recon.synthetic.random_expressions import TONGUE

SHARD = 1024  # crops a file


def write_shards(folder: str | os.PathLike, head: Head, count: int, *, first: int = 0, tongue: float = TONGUE) -> None:
    """Files `crops-00000.npz`, ... from number `first` on, each seeded by its number; those that are there stay.

    A share `tongue` of the faces has the tongue out.
    """
    faces = partial(random_faces, tongue=tongue)
    write_numbered(folder, "crops", lambda number: made_crops(head, SHARD, number, faces=faces), count, first=first)


def read_shards(folder: str | os.PathLike, *, first: int = 0, count: int | None = None) -> Crops:
    """The crops of a folder's files from the `first` on. Raises InputError where there are none."""
    return read_numbered(folder, "crops", Crops, "recon.synthetic.shards", first=first, count=count)


def main() -> None:
    from flame_tools.load import load_head

    parser = parser_of(__doc__.splitlines()[0])
    parser.add_argument("--tongue", type=share, default=TONGUE, help="share of faces with the tongue out")
    told = parser.parse_args()
    write_shards(told.folder, load_head(), told.count, first=told.first, tongue=told.tongue)


if __name__ == "__main__":
    main()
