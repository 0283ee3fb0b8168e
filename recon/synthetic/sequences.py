"""Films of made people, frame by frame as recon-base sees them, with the truth: what its temporal head is taught from.

A film has one person, one skin, one light, one lens and one backdrop. Of each a burst of frames is drawn as they follow
one another, at a rate by chance, and some frames more from before and after, which tell who it is. The same hair,
glasses, blur and compression are in all frames; a hand may pass; each frame has a noise of its own.

python -m recon.synthetic.sequences FOLDER COUNT [FIRST] [--performances FOLDER of NAME.face.npz]
"""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.track_file import load_track
from readers.landmarks import VIEWS, look
from readers.sampling import Square
from recon.fitting.face_vector import face_of_vector
from recon.learned.crop import CUT
from recon.learned.regressed import crop_of
from recon.synthetic.crops import WIDER
from recon.synthetic.individual import random_bumps
from recon.synthetic.numbered import parser_of, read_numbered, write_numbered
from recon.synthetic.occluders import passing
from recon.synthetic.people import look_of_person, random_person
from recon.synthetic.performed import Motion, grimacing, spoken, swaying
from recon.synthetic.scenes import random_lights
from recon.synthetic.shots import READ, YAW_FAR, Marks, Stand, random_stand, shot_at

FILMS = 8  # a file
BURST, APART = 24, 8  # frames one after another, and others of the same film
RATES = (12, 15, 24, 25, 30, 30, 50, 60)  # frames a second, by chance
FILM_S = 8.0  # from which the others are
SPOKEN = 0.5  # share of films in which somebody speaks, where performances are given
HAND = 0.3  # share of films in which something passes before the face
SHAKE, FRAME_SHAKE = 0.015, 0.004  # of the crop: a film's, and each frame's


@dataclass(frozen=True)
class Sequences:
    """N frames of films; every field has N rows. Crop units: shares of the reader's crop's side, right and down."""

    picture: np.ndarray  # uint8 [N, CUT, CUT, 3] sRGB
    read: np.ndarray  # float32 [N, 468, 3] landmarks as the reader gives them
    iris: np.ndarray  # float32 [N, 10, 2] likewise
    face: np.ndarray  # float32 [N, S + E + 8]: the truth, as Layout has it
    time_s: np.ndarray  # float64 [N] rising within a film
    film: np.ndarray  # int32 [N] from 0 on, rising

    def __len__(self) -> int:
        return len(self.picture)

    def rows(self, rows: np.ndarray | slice) -> Sequences:
        return Sequences(*(getattr(self, f.name)[rows] for f in fields(Sequences)))

    def first(self, films: int) -> Sequences:
        """The first so many films."""
        return self.rows(self.film < films)

    @staticmethod
    def joined(parts: list[Sequences]) -> Sequences:
        """Of different films, numbered anew."""
        films, found = 0, []
        for part in parts:
            found.append(dataclasses.replace(part, film=part.film + films))
            films = int(found[-1].film[-1]) + 1
        return Sequences(*(np.concatenate([getattr(part, f.name) for part in found]) for f in fields(Sequences)))


def made_sequences(head: Head, films: int, seed: int, performances: Sequence[Path] = ()) -> Sequences:
    """`films` films, less those in which no face is seen. The same seed and performances give the same bytes."""
    rng, marks = np.random.default_rng(seed), Marks(head.arrays)
    made = [_film(head, marks, rng, performances) for _ in range(films)]
    while not any(made):
        made.append(_film(head, marks, rng, performances))
    return Sequences.joined([film for film in made if film is not None])


def _film(head: Head, marks: Marks, rng: np.random.Generator, performances: Sequence[Path]) -> Sequences | None:
    """One film, or None where the landmark network seldom sees a face."""
    person = random_person(head.arrays, rng)
    look_, bump = look_of_person(head.arrays, person), random_bumps(head.arrays, rng)
    shape = person.shape * rng.uniform(*WIDER)
    start, rate = rng.uniform(1, FILM_S - 3), float(rng.choice(RATES))
    times = np.concatenate([start + np.arange(BURST) / rate, _apart(rng, start, start + BURST / rate)])
    order = np.argsort(times)
    times, burst = times[order], order < BURST
    vectors = _motion(head, rng, performances)(times)
    vectors[:, : head.shape_size] = shape
    with torch.no_grad():
        params = face_of_vector(torch.as_tensor(vectors).to(head.v_template), head)
        vertices = head.vertices(params).numpy().astype(np.float64) + bump
    stands = _stands(rng, times)
    lights, photo, shake = random_lights(rng), int(rng.integers(1 << 31)), rng.normal(0, SHAKE, 4)
    hand = _hand(rng, times[burst])
    noise, quality = rng.uniform(0, 4), int(rng.integers(40, 95))
    rows = []
    for i, stand in enumerate(stands):
        if i == 4 and not rows:
            return None
        moved = tuple(shake + rng.normal(0, FRAME_SHAKE, 4))
        # the photo's chances are the film's: the same hair, glasses, focus and compression in every frame
        shot = shot_at(stand, moved, look_, person.complexion, marks, vertices[i], lights, np.random.default_rng(photo))
        image = shot.image if hand is None else hand(shot.image, shot.true * READ, times[i])
        image = _filmed(image, noise, quality, rng)
        seen = look(image, Square(READ / 2, READ / 2, READ), VIEWS[2])
        if seen.score < 0.5:
            continue
        roi, picture, _ = crop_of(image, seen.landmarks, seen.iris, CUT)
        read = np.concatenate([roi.from_image(seen.landmarks[:, :2]), seen.landmarks[:, 2:] / roi.size], 1)
        iris = roi.from_image(seen.iris)
        rows.append((np.rint(255 * picture), read, iris, vectors[i], times[i], 0))
    if len(rows) < (BURST + APART) // 2:
        return None
    kinds = (np.uint8, *[np.float32] * 3, np.float64, np.int32)
    columns = zip(zip(*rows, strict=True), kinds, strict=True)
    return Sequences(*(np.stack(column).astype(kind) for column, kind in columns))


def _apart(rng: np.random.Generator, start: float, stop: float) -> np.ndarray:
    """[APART] seconds of a film, outside its burst."""
    free = rng.uniform(0, FILM_S - (stop - start), APART)
    return np.where(free < start, free, free + (stop - start))


def _motion(head: Head, rng: np.random.Generator, performances: Sequence[Path]) -> Motion:
    if len(performances) and rng.uniform() < SPOKEN:
        return spoken(load_track(performances[int(rng.integers(len(performances)))]), rng.uniform(0, 30))
    return grimacing(head, rng, (0.0, FILM_S))


def _stands(rng: np.random.Generator, times: np.ndarray) -> list[Stand]:
    """Where a head stands that sways about a pose by chance."""
    first, sway = random_stand(rng), swaying(rng)(times)
    angles = np.array(first.angles) + sway[:, :3]
    angles[:, 0] = np.clip(angles[:, 0], -np.radians(YAW_FAR), np.radians(YAW_FAR))
    return [Stand(first.focal, first.away + move, tuple(a)) for a, move in zip(angles, sway[:, 3:], strict=True)]


def _hand(rng: np.random.Generator, times: np.ndarray):
    """What passes before the face during some of the times: image, landmarks, time -> image; None for nothing."""
    if rng.uniform() > HAND:
        return None
    seed, begin = int(rng.integers(1 << 31)), rng.uniform(times[0], times[-1])
    length, way = rng.uniform(0.1, 0.8) * (times[-1] - times[0]), rng.normal(0, 0.4, 2)

    def before(image: np.ndarray, landmarks: np.ndarray, time_s: float) -> np.ndarray:
        share = (time_s - begin) / length
        if not 0 <= share <= 1:
            return image
        return passing(image, landmarks, way * (share - 0.5), np.random.default_rng(seed))

    return before


def _filmed(image: np.ndarray, noise: float, quality: int, rng: np.random.Generator) -> np.ndarray:
    """A frame's own noise, compressed."""
    from PIL import Image

    noisy = image + np.float32(noise) * rng.standard_normal(image.shape, np.float32)
    packed = io.BytesIO()
    Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed))


def write_sequences(
    folder: str | os.PathLike, head: Head, count: int, *, first: int = 0, performances: Sequence[Path] = ()
) -> None:
    """Files `sequences-00000.npz`, ... from number `first` on, each seeded by its number; those there stay."""
    write_numbered(
        folder, "sequences", lambda number: made_sequences(head, FILMS, number, performances), count, first=first
    )


def read_sequences(folder: str | os.PathLike, *, count: int | None = None) -> Sequences:
    """The films of a folder's files. Raises InputError where there are none."""
    return read_numbered(folder, "sequences", Sequences, "recon.synthetic.sequences", count=count)


def main() -> None:
    from flame_tools.load import load_head

    parser = parser_of(__doc__.splitlines()[0])
    parser.add_argument("--performances", type=Path, help="a folder of NAME.face.npz of the default head, to be said")
    options = parser.parse_args()
    said = sorted(options.performances.glob("*.face.npz")) if options.performances else ()
    if options.performances and not said:
        parser.error(f"{options.performances} holds no NAME.face.npz to be said")
    write_sequences(options.folder, load_head(), options.count, first=options.first, performances=said)


if __name__ == "__main__":
    main()
