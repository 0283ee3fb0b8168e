"""Crops of made faces without end, read as photos are read, with the truth: what recon-base is taught from."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch

from flame_tools.arkit import to_params
from flame_tools.head import Head
from flame_tools.types import Camera, FaceParams, HeadArrays
from readers.landmarks import VIEWS, look, roi_of_landmarks
from readers.sampling import Square, sample_square
from recon.fitting.face_vector import face_vector
from recon.fitting.rotation import rotation_matrix
from recon.learned.crop import CUT, TIGHT, CropCamera, anchor_of
from recon.synthetic.features import random_features
from recon.synthetic.occluders import covered
from recon.synthetic.people import look_of_person, random_person
from recon.synthetic.pictures import backdrop
from recon.synthetic.random_expressions import TONGUE, random_weights
from recon.synthetic.scenes import FACE_HEIGHT_M, FILL, FOCAL_OVER_SIDE, random_lights
from render.look import Look
from render.preview import draw_rgba
from render.studio import Lights

READ = 192  # pixels a side of the crop that is drawn and read
SKINS = 24  # people whose skins are painted for a shard; every crop is of another shape
PICTURES = 16  # of an expression each, posed at once
PEOPLE = 4  # among them
YAW_SD, YAW_FAR, PITCH_SD, ROLL_SD = 22.0, 75.0, 11.0, 4.0  # degrees; a quarter of the faces turn up to YAW_FAR
WIDER = (0.8, 1.3)  # times the components of an identity
AVERAGE = (0.0, 1.2)  # of the way to the identity that people have on average (`HeadArrays.people_mean`)
BUMPS, BUMP_M = 10, (0.0, 0.0016)  # smooth bumps that no identity of the head has: how many, and how high
BUMP_REACH_M = (0.012, 0.045)
FARTHER = (1.0, 1.6)  # times what the head's motions do, in every other face: people pucker and sneer farther
NOT_FARTHER = ("mouthClose", "tongue")  # how these stand to the jaw is no matter of measure
MANNERS, MANNER_SD = 8, 0.15  # people move alike and yet not: in how many places, and how much
MANNER_REACH_M = (0.015, 0.05)
WIDER_TONGUE, TONGUE_ASIDE, TONGUE_DOWN = (0.85, 1.6), 0.4, 0.3  # tongues that are out: width, and where they lean
LIDS_M = 0.018  # from the middle of an eye: within it lids go where eyes are


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
    looks = [look_of_person(head.arrays, person) for person in people]
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


def random_bumps(head: HeadArrays, rng: np.random.Generator) -> np.ndarray:
    """[V, 3] metres: what makes this person unlike all identities of the head."""
    near = _near_places(head, BUMPS, BUMP_REACH_M, rng)
    return near @ (rng.normal(size=(BUMPS, 3)) * rng.uniform(*BUMP_M))


def random_manner(head: HeadArrays, marks: Marks, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """What an expression moves [V, 3], metres, as this person moves it: here more, there less, there askew."""
    near = _near_places(head, MANNERS, MANNER_REACH_M, rng)
    for eye in marks.of(head.v_template, "iris")[[0, 5]]:
        near *= -np.expm1(-0.5 * ((head.v_template - eye) ** 2).sum(-1, keepdims=True) / LIDS_M**2)
    askew = rng.normal(0, MANNER_SD, (MANNERS, 3, 3))
    return lambda moved: moved + np.einsum("vk,kij,vj->vi", near, askew, moved, optimize=True)


def turn_tongue(posed: np.ndarray, head: HeadArrays, rng: np.random.Generator) -> None:
    """Widen the tongue of posed [V, 3], metres, and lean what is out of the mouth to a side, up or down; in place."""
    wide, aside, down = rng.uniform(*WIDER_TONGUE), rng.normal(0, TONGUE_ASIDE), rng.normal(0, TONGUE_DOWN)
    tongue = head.regions.get("tongue", np.zeros(0, np.int64))
    if not len(tongue) or not len(head.inner_lip_pairs):
        return
    teeth = posed[head.inner_lip_pairs[:, 1], 2].max() - 0.008  # about where the lower incisors stand
    out = np.maximum(posed[tongue, 2] - teeth, 0)
    share = np.minimum(out / 0.01, 1)
    posed[tongue, 0] *= 1 + (wide - 1) * share
    posed[tongue, 0] += aside * out
    posed[tongue, 1] -= down * out


def _near_places(head: HeadArrays, count: int, reach_m: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """[V, count] in [0, 1]: how near vertices are to so many places on the face, each with a reach of its own."""
    places = head.v_template.astype(np.float32)
    middles = places[rng.choice(head.regions["face"], count)]
    reach = rng.uniform(*reach_m, count).astype(np.float32)
    return np.exp(-0.5 * ((places[:, None] - middles) ** 2).sum(-1) / reach**2)


class Marks:
    """Landmarks of a head by sparse rows."""

    def __init__(self, head: HeadArrays):
        self.anchor = anchor_of(head)
        self._rows = {n: (head.faces[head.landmarks[n].faces], head.landmarks[n].barycentrics) for n in ("468", "iris")}

    def of(self, vertices: np.ndarray, name: str = "468") -> np.ndarray:
        corners, weights = self._rows[name]
        return np.einsum("lk,lkc->lc", weights, vertices[corners])


@dataclass(frozen=True)
class Stand:
    """Where a head is before a camera that takes pictures of side 1, of which only a crop is drawn."""

    focal: float
    away: np.ndarray  # [3] metres, world: where the head's anchor is
    angles: tuple[float, float, float]  # radians: yaw to its left, pitch down, roll to its left shoulder

    @property
    def turn(self) -> np.ndarray:
        """[3, 3] head frame to world."""
        yaw, pitch, roll = self.angles
        turn = rotation_matrix(np.array([0, 0, -roll])) @ rotation_matrix(np.array([0, yaw, 0]))
        return turn @ rotation_matrix(np.array([pitch, 0, 0]))


@dataclass(frozen=True)
class Shot:
    """A picture of the crop that a reader asks for, before anything is read in it."""

    image: np.ndarray  # uint8 [S, S, 3] sRGB
    true: np.ndarray  # [468, 2] crop units
    roi: Square  # the crop in a picture of side 1
    stand: Stand

    @property
    def yaw(self) -> float:
        """Radians, the head's turn to its left."""
        return self.stand.angles[0]


def random_stand(rng: np.random.Generator) -> Stand:
    """A pose, a lens and a place by chance."""
    yaw = rng.normal(0, YAW_SD) if rng.uniform() < 0.75 else rng.uniform(-YAW_FAR, YAW_FAR)
    yaw, pitch, roll = np.radians([np.clip(yaw, -YAW_FAR, YAW_FAR), rng.normal(0, PITCH_SD), rng.normal(0, ROLL_SD)])
    focal = FOCAL_OVER_SIDE[0] * (FOCAL_OVER_SIDE[1] / FOCAL_OVER_SIDE[0]) ** rng.uniform()
    distance = focal * FACE_HEIGHT_M / (0.75 * rng.uniform(*FILL))
    away = np.append(rng.uniform(-0.25, 0.25, 2) * distance / focal, -distance)
    return Stand(focal, away, (float(yaw), float(pitch), float(roll)))


def shot_of(
    look: Look,
    complexion: tuple[int, int, int],
    marks: Marks,
    expressed: np.ndarray,  # [V, 3] metres, head frame
    rng: np.random.Generator,
    *,
    size: int = READ,  # pixels a side
) -> Shot:
    """Somebody in a pose, a light, a place and a lens by chance."""
    stand = random_stand(rng)
    shake = rng.normal(0, 0.015), rng.normal(0, 0.015), rng.normal(0, 0.03), rng.normal(0, 0.03)
    return shot_at(stand, shake, look, complexion, marks, expressed, random_lights(rng), rng, size=size)


def shot_at(
    stand: Stand,
    shake: tuple[float, float, float, float],  # of the crop: right and down in its sides, log of its size, radians
    look: Look,
    complexion: tuple[int, int, int],
    marks: Marks,
    expressed: np.ndarray,  # [V, 3] metres, head frame
    lights: Lights,
    rng: np.random.Generator,  # of backdrop, what covers the face, and the photo
    *,
    size: int = READ,
) -> Shot:
    """Somebody in a pose, a light, a place and a lens that are given."""
    world = expressed @ stand.turn.T + (stand.away - stand.turn @ marks.anchor)
    flat = _pinhole(marks.of(world), stand.focal)
    roi = roi_of_landmarks(flat)
    right, down, larger, angle = shake
    roi = Square(roi.x + right * roi.size, roi.y + down * roi.size, roi.size * np.exp(larger), roi.angle + angle)
    upright = rotation_matrix(np.array([0, 0, roi.angle]))
    middle = roi.from_image(np.full(2, 0.5)) * size
    camera = Camera(np.full(2, stand.focal / roi.size * size), middle, (size, size))
    drawn = draw_rgba(look, world @ upright.T, camera, skin=complexion, lights=lights, supersample=1)
    true = roi.from_image(flat)
    return Shot(_photographed(drawn, true * size, rng), true, roi, stand)


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


def _pinhole(points: np.ndarray, focal: float) -> np.ndarray:
    """World points [n, 3] -> [n, 2] in a picture of side 1."""
    return focal * points[:, :2] * (1, -1) / -points[:, 2:] + 0.5


def _photographed(drawn: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 [S, S, 3]: before a backdrop, partly covered, out of focus, with noise, small or compressed."""
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    size, share = len(drawn), drawn[..., 3:] / np.float32(255)
    behind = Image.fromarray(backdrop(rng, size // 4).astype(np.uint8)).resize((size, size), Image.BILINEAR)
    image = drawn[..., :3] * share + np.asarray(behind) * (1 - share)
    image = covered(np.clip(image, 0, 255).astype(np.uint8), landmarks, rng).astype(np.float32)
    cast, gamma = (
        np.exp(rng.normal(0, 0.06, 3) + rng.normal(0, 0.15)).astype(np.float32),
        np.float32(np.exp(rng.normal(0, 0.15))),
    )
    image = 255 * np.clip(image / 255 * cast, 0, 1) ** gamma
    if rng.uniform() < 0.06:
        image = np.repeat(image.mean(-1, keepdims=True), 3, -1)
    blur = 0.4 + rng.exponential(0.6)
    image = gaussian_filter(image, (blur, blur, 0)) + rng.standard_normal(image.shape, np.float32) * rng.uniform(0, 7)
    picture = Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8))
    if rng.uniform() < 0.3:  # a small face
        side = int(rng.uniform(48, 150) * size / READ)
        picture = picture.resize((side, side), Image.BOX).resize((size, size), Image.BICUBIC)
    if rng.uniform() < 0.5:
        packed = io.BytesIO()
        picture.save(packed, "JPEG", quality=int(rng.integers(25, 95)))
        picture = Image.open(packed)
    return np.asarray(picture)
