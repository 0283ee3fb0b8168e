"""Pictures of the crop that a reader asks for: somebody in a pose, a light, a place and a lens, as a photo."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from flame_tools.types import Camera, HeadArrays
from readers.landmarks import roi_of_landmarks
from readers.sampling import Square
from recon.fitting.rotation import rotation_matrix
from recon.learned.crop import anchor_of
from recon.synthetic.occluders import covered
from recon.synthetic.pictures import backdrop
from recon.synthetic.scenes import FACE_HEIGHT_M, FILL, FOCAL_OVER_SIDE, random_lights
from render.look import Look
from render.preview import draw_rgba
from render.studio import Lights

READ = 192  # pixels a side of the crop that is drawn and read
YAW_SD, YAW_FAR, PITCH_SD, ROLL_SD = 22.0, 75.0, 11.0, 4.0  # degrees; a quarter of the faces turn up to YAW_FAR


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
