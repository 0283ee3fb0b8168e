"""Crops of made faces without end, read as photos are read, with the truth: what recon-base is taught from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch

from flame_tools.arkit import to_params
from flame_tools.head import Head
from flame_tools.types import FaceParams
from readers.landmarks import VIEWS, look
from readers.sampling import Square, sample_square
from recon.fitting.face_vector import face_vector
from recon.learned.crop import CUT, TIGHT, CropCamera
from recon.synthetic.features import random_features
from recon.synthetic.individual import random_bumps, random_manner, turn_tongue
from recon.synthetic.mouth_corners import creased
from recon.synthetic.people import look_of_person, random_person
from recon.synthetic.random_expressions import TONGUE, random_weights
from recon.synthetic.shots import READ, Marks, shot_of

SKINS = 24  # people whose skins are painted for a shard; every crop is of another shape
PICTURES = 16  # of an expression each, posed at once
PEOPLE = 4  # among them
WIDER = (0.8, 1.3)  # times the components of an identity
AVERAGE = (0.4, 1.4)  # of the way to the identity that people have on average (`HeadArrays.people_mean`)
FARTHER = (1.0, 1.6)  # times what the head's motions do, in every other face: people pucker and sneer farther
NOT_FARTHER = ("mouthClose", "tongue")  # how these stand to the jaw is no matter of measure


@dataclass(frozen=True)
class Crops:
    """N crops; every field has N rows. Crop units: shares of the side of the reader's crop, right and down."""

    picture: np.ndarray  # uint8 [N, CUT, CUT, 3] sRGB, the middle TIGHT of the reader's crop
    read: np.ndarray  # float32 [N, 468, 3] landmarks as the reader gives them, crop units
    iris: np.ndarray  # float32 [N, 10, 2] likewise
    true: np.ndarray  # float32 [N, 468, 2] where they are
    face: np.ndarray  # float32 [N, S + E + 8]: shape, expression, jaw, eyes, lids, as Layout has them
    neutral: np.ndarray  # float32 [N, 468, 3] metres, head frame: the person at rest
    expressed: np.ndarray  # float32 [N, 468, 3] with the expression
    rotation: np.ndarray  # float32 [N, 3, 3] in the crop's own camera
    place: np.ndarray  # float32 [N, 3], see recon.learned.crop
    distance: np.ndarray  # float32 [N] log of metres

    def __len__(self) -> int:
        return len(self.picture)

    def first(self, count: int) -> Crops:
        return Crops(*(getattr(self, f.name)[:count] for f in fields(Crops)))

    @staticmethod
    def joined(parts: list[Crops]) -> Crops:
        return Crops(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Crops)))


Faces = Callable[[Head, np.random.Generator], tuple[FaceParams, FaceParams]]
"""Draws people at rest, and the same people with expressions: PICTURES rows each."""


def made_crops(head: Head, count: int, seed: int, *, faces: Faces | None = None) -> Crops:
    """`count` crops of `faces`, or of ARKit's motions drawn at random. The same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    people = [random_person(head.arrays, rng) for _ in range(SKINS)]
    looks = [creased(look_of_person(head.arrays, person), head.arrays, rng) for person in people]
    marks = Marks(head.arrays)
    own = marks.of(head.arrays.v_template)
    rows: list[dict[str, np.ndarray]] = []
    while len(rows) < count:
        rest, params = (faces or random_faces)(head, rng)
        with torch.no_grad():
            neutral, expressed = (head.vertices(p).numpy().astype(np.float64) for p in (rest, params))
        vectors = face_vector(_within_bounds(params, head))
        for i in range(PICTURES):
            bump, skin = random_bumps(head.arrays, rng), int(rng.integers(SKINS))
            turn_tongue(expressed[i], head.arrays, rng)
            moved = random_manner(head.arrays, marks, rng)(expressed[i] - neutral[i])
            rest = neutral[i] + bump + random_features(head.arrays, own, rng)
            drawn = _crop(looks[skin], people[skin].complexion, marks, rest, rest + moved, rng)
            if drawn is not None:
                rows.append({**drawn, "face": vectors[i]})
    kinds = {"picture": np.uint8}
    return Crops(
        **{
            f.name: np.stack([row[f.name] for row in rows[:count]]).astype(kinds.get(f.name, np.float32))
            for f in fields(Crops)
        }
    )


def random_people(head: Head, rng: np.random.Generator) -> FaceParams:
    """PEOPLE at rest, PICTURES rows."""
    shapes = [random_person(head.arrays, rng).shape * rng.uniform(*WIDER) for _ in range(PEOPLE)]
    if len(average := head.arrays.people_mean):
        shapes = [shape + rng.uniform(*AVERAGE) * average for shape in shapes]
    shape = torch.as_tensor(np.repeat(shapes, PICTURES // PEOPLE, axis=0)).to(head.v_template)
    return FaceParams.neutral(head, PICTURES).replace(shape=shape)


def random_faces(head: Head, rng: np.random.Generator, *, tongue: float = TONGUE) -> tuple[FaceParams, FaceParams]:
    """PICTURES faces of PEOPLE at rest, and with expressions, a share `tongue` of them with the tongue out."""
    rest = random_people(head, rng)
    drawn = [random_weights(rng, tongue=tongue) for _ in range(PICTURES)]
    params = to_params(torch.as_tensor(np.stack(drawn)).to(head.v_template), head)
    farther = np.where(rng.uniform(size=(PICTURES, 1)) < 0.5, rng.uniform(*FARTHER, (PICTURES, 1)), 1.0)
    goes = np.array([not name.startswith(NOT_FARTHER) for name in head.arrays.expression_names])
    expression = params.expression * torch.as_tensor(np.where(goes, farther, 1.0)).to(head.v_template)
    return rest, params.replace(shape=rest.shape, expression=expression)


def _within_bounds(params: FaceParams, head: Head) -> FaceParams:
    """What a fit could say of a face that moves farther than the head's components may."""
    low, high = torch.as_tensor(head.arrays.expression_bounds.T).to(params.expression)
    return params.replace(expression=params.expression.clamp(low, high))


def _crop(look_, complexion, marks: Marks, neutral: np.ndarray, expressed: np.ndarray, rng: np.random.Generator):
    """One crop's fields but the face, or None where the landmark network does not see a face."""
    shot = shot_of(look_, complexion, marks, expressed, rng)
    seen = look(shot.image, Square(READ / 2, READ / 2, READ), VIEWS[1])
    if seen.score < 0.5:
        return None
    rotation, place = CropCamera(shot.roi, shot.stand.focal, np.full(2, 0.5)).to_crop(shot.stand.turn, shot.stand.away)
    picture = sample_square(shot.image, Square(READ / 2, READ / 2, READ * TIGHT), CUT)
    return {
        "picture": np.rint(picture * 255),
        "read": seen.landmarks / READ,
        "iris": seen.iris / READ,
        "true": shot.true,
        "neutral": marks.of(neutral),
        "expressed": marks.of(expressed),
        "rotation": rotation,
        "place": place,
        "distance": np.log(-shot.stand.away[2]),
    }
