"""Made people seen again and again: what a network learns to tell people apart from.

ALIKE people in a row have one skin, one complexion and one pair of eyes: nothing but the shapes of their faces parts
them. Every picture has another expression, pose, light, lens and backdrop, and may be partly covered.

python -m recon.synthetic.portraits FOLDER COUNT [FIRST]
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, fields

import numpy as np
import torch

from flame_tools.arkit import to_params
from flame_tools.head import Head
from flame_tools.types import FaceParams
from readers.sampling import Square, sample_square
from recon.learned.crop import TIGHT, in_picture
from recon.losses.patch import five_points
from recon.synthetic.crops import WIDER
from recon.synthetic.individual import random_bumps
from recon.synthetic.numbered import parser_of, read_numbered, write_numbered
from recon.synthetic.people import Person, look_of_person, random_person
from recon.synthetic.random_expressions import random_weights
from recon.synthetic.shots import Marks, shot_of

READ = 128  # pixels a side of the crop that is drawn
CUT = 96  # of the picture in its middle that is kept
ALIKE = 4
GROUPS = 10  # of people alike, a file
PICTURES = 10  # of a person


@dataclass(frozen=True)
class Portraits:
    """N pictures of people; every field has N rows. A person's are together, and those of people alike."""

    picture: np.ndarray  # uint8 [N, CUT, CUT, 3] sRGB
    points: np.ndarray  # float32 [N, 5, 2] eyes, nose, corners of the mouth, from the left; crop units, where they are
    person: np.ndarray  # int32 [N] from 0 on, rising
    skin: np.ndarray  # int32 [N] alike in people who are alike
    yaw: np.ndarray  # float32 [N] radians, the head's turn to its left

    def __len__(self) -> int:
        return len(self.picture)

    def rows(self, rows: np.ndarray | slice) -> Portraits:
        return Portraits(*(getattr(self, f.name)[rows] for f in fields(Portraits)))

    def first(self, people: int) -> Portraits:
        """Those of the first so many people."""
        return self.rows(self.person < people)

    @staticmethod
    def joined(parts: list[Portraits]) -> Portraits:
        """Of different people, numbered anew."""
        people, skins, found = 0, 0, []
        for part in parts:
            found.append(dataclasses.replace(part, person=part.person + people, skin=part.skin + skins))
            people, skins = int(found[-1].person[-1]) + 1, int(found[-1].skin[-1]) + 1
        return Portraits(*(np.concatenate([getattr(part, f.name) for part in found]) for f in fields(Portraits)))


def made_portraits(head: Head, groups: int, seed: int, *, alike: int = ALIKE, pictures: int = PICTURES) -> Portraits:
    """`groups` times `alike` people. The same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    marks = Marks(head.arrays)
    rows: list[tuple] = []
    for skin in range(groups):
        first = random_person(head.arrays, rng)
        look = look_of_person(head.arrays, first)
        for which in range(alike):
            shape = (random_person(head.arrays, rng) if which else first).shape * rng.uniform(*WIDER)
            person = dataclasses.replace(first, shape=shape)
            bump = random_bumps(head.arrays, rng)
            for vertices in _faces(head, person, pictures, rng):
                shot = shot_of(look, person.complexion, marks, vertices + bump, rng, size=READ)
                middle = sample_square(shot.image, Square(READ / 2, READ / 2, READ * TIGHT), CUT)
                points = five_points(torch.as_tensor(in_picture(shot.true))).numpy()
                rows.append((np.rint(255 * middle), points, skin * alike + which, skin, shot.yaw))
    kinds = (np.uint8, np.float32, np.int32, np.int32, np.float32)
    columns = (np.stack(column) for column in zip(*rows, strict=True))
    return Portraits(*(column.astype(kind) for column, kind in zip(columns, kinds, strict=True)))


def _faces(head: Head, person: Person, count: int, rng: np.random.Generator) -> np.ndarray:
    """[count, V, 3] metres: a person with as many expressions."""
    weights = torch.as_tensor(np.stack([random_weights(rng) for _ in range(count)])).to(head.v_template)
    shape = torch.as_tensor(person.shape).to(head.v_template).expand(count, -1)
    params: FaceParams = to_params(weights, head).replace(shape=shape)
    with torch.no_grad():
        return head.vertices(params).numpy().astype(np.float64)


def write_portraits(folder: str | os.PathLike, head: Head, count: int, *, first: int = 0) -> None:
    """Files `portraits-00000.npz`, ... from number `first` on, each seeded by its number; those that are there stay."""
    write_numbered(folder, "portraits", lambda number: made_portraits(head, GROUPS, number), count, first=first)


def read_portraits(folder: str | os.PathLike, *, count: int | None = None) -> Portraits:
    """The pictures of a folder's files. Raises InputError where there are none."""
    return read_numbered(folder, "portraits", Portraits, "recon.synthetic.portraits", count=count)


def main() -> None:
    from flame_tools.load import load_head

    told = parser_of(__doc__.splitlines()[0]).parse_args()
    write_portraits(told.folder, load_head(), told.count, first=told.first)


if __name__ == "__main__":
    main()
