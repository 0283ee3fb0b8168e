"""The source, the fitted head over it, and the landmarks that were read, beside each other: one picture a frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from flame_tools.head import Head
from flame_tools.types import Camera
from render.camera import cut
from render.heat import heat_colours, painted
from render.look import Look
from render.materials import linear_to_srgb, srgb_to_linear
from render.preview import draw_rgba

CLAY = (214, 222, 232)  # of a head without errors on it
TINT = (112, 168, 226)  # of a head over a picture: no skin is blue
OPACITY, BRIDGED_OPACITY = 0.55, 0.25
BRIDGED_EDGE = (240, 163, 94)
ERROR_LIMIT = 0.05  # of the distance between the eyes: the last colour of every error that is drawn
_DIM = 0.45  # of the picture behind landmarks


@dataclass(frozen=True)
class Cut:
    """The part of a picture that is shown, and how large."""

    box: tuple[int, int, int, int]  # left, top, width, height in pixels of the picture
    size: tuple[int, int]  # of a panel

    @property
    def scale(self) -> float:
        return self.size[0] / self.box[2]

    def image(self, image: np.ndarray) -> np.ndarray:
        """[H, W, 3] -> uint8 [size[1], size[0], 3]."""
        from PIL import Image

        left, top, width, height = self.box
        part = Image.fromarray(np.ascontiguousarray(image[top : top + height, left : left + width]))
        return np.asarray(part.resize(self.size, Image.Resampling.LANCZOS))


@dataclass(frozen=True)
class Shown:
    """One face in one frame."""

    vertices: np.ndarray  # [V, 3] metres
    camera: Camera  # of the whole picture
    read: np.ndarray | None  # [468, 2] pixels
    error: np.ndarray | None  # [468] of the distance between the eyes
    bridged: bool


def cut_of(
    boxes: Sequence[np.ndarray],  # each [4] left, top, right, bottom of a face's landmarks over all frames
    size: tuple[int, int],  # of the picture
    *,
    height: int,  # most pixels of a panel
    width: int,
) -> Cut:
    """What shows all faces with their heads around them."""
    low = np.min([b[:2] - (b[2:] - b[:2]) * (0.35, 0.55) for b in boxes], 0)
    high = np.max([b[2:] + (b[2:] - b[:2]) * (0.35, 0.35) for b in boxes], 0)
    low = np.clip(np.floor(low), 0, np.array(size) - 1)
    high = np.clip(np.ceil(high), low + 1, size)
    wide, tall = high - low
    if wide < 0.8 * tall:  # room at the sides, as far as the picture goes
        middle = (low[0] + high[0]) / 2
        low[0], high[0] = max(middle - 0.4 * tall, 0), min(middle + 0.4 * tall, size[0])
    left, top = (int(v) for v in low)
    wide, tall = (int(v) for v in np.maximum(np.round(high - low), 1))
    scale = min(height / tall, width / wide, 4.0)
    panel = tuple(max(2, 2 * round(scale * v / 2)) for v in (wide, tall))
    return Cut((left, top, wide, tall), panel)


def tinted(head: Head) -> Look:
    """The head's look in one tone."""
    return painted(head, np.tile(np.array(TINT, np.uint8), (len(head.arrays.v_template), 1)))


def panels(image: np.ndarray, shown: Sequence[Shown], look: Look, where: Cut) -> np.ndarray:
    """The picture, the head over it, and the landmarks, side by side: uint8 [h, 3 w, 3]."""
    source = where.image(image)
    over = source
    for face in shown:
        camera = cut(face.camera, where.box, where.size)
        drawn = draw_rgba(look, face.vertices, camera, threads=None)
        over = blended(over, drawn, BRIDGED_OPACITY if face.bridged else OPACITY)
    if any(face.bridged for face in shown):
        over = _framed(over)
    marked = np.rint(source * _DIM).astype(np.uint8)
    for face in shown:
        if face.read is not None:
            points = (face.read - where.box[:2]) * where.scale
            spread = np.ptp(points[:, 1])
            radius = float(np.clip(spread / 180, 0.8, 3.0))
            marked = dots(marked, points, heat_colours(face.error, ERROR_LIMIT), radius)
    return np.concatenate([source, over, marked], 1)


def blended(image: np.ndarray, drawn: np.ndarray, opacity: float) -> np.ndarray:
    """What render.preview.overlay gives, by tables and only where something is drawn: a tenth of the time."""
    rows, columns = (np.flatnonzero(drawn[..., 3].any(axis)) for axis in (1, 0))
    if not len(rows):
        return image
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    to_light, to_bytes = _tables()
    alpha = drawn[part][..., 3:].astype(np.float32) * np.float32(opacity / 255)
    below = to_light[image[part]]
    mixed = below + alpha * (to_light[drawn[part][..., :3]] - below)
    out = image.copy()
    out[part] = to_bytes[np.rint(mixed * (len(to_bytes) - 1)).astype(np.int32)]
    return out


@cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """sRGB bytes to linear light, and linear light in 2^14 steps back to bytes."""
    to_light = srgb_to_linear(np.arange(256) / 255).astype(np.float32)
    back = linear_to_srgb(np.linspace(0, 1, 1 << 14))
    return to_light, np.rint(back * 255).astype(np.uint8)


def _framed(image: np.ndarray, thick: int = 4) -> np.ndarray:
    image = image.copy()
    for edge in (np.s_[:thick], np.s_[-thick:], np.s_[:, :thick], np.s_[:, -thick:]):
        image[edge] = BRIDGED_EDGE
    return image


def dots(
    image: np.ndarray,  # uint8 [H, W, 3]
    points: np.ndarray,  # [n, 2] pixels
    colours: np.ndarray,  # uint8 [n, 3]
    radius: float,
) -> np.ndarray:  # uint8 [H, W, 3]
    """Discs with soft edges; where they meet, their colours mix."""
    reach = int(np.ceil(radius + 1))
    corner = np.clip(np.floor(points.min(0)).astype(int) - reach, 0, image.shape[1::-1])
    end = np.clip(np.ceil(points.max(0)).astype(int) + reach + 1, corner, image.shape[1::-1])
    place = np.s_[corner[1] : end[1], corner[0] : end[0]]
    points, (width, height) = points - corner, end - corner
    steps = np.arange(-reach, reach + 1)
    near = np.floor(points).astype(int)[:, None] + np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)  # [n, m, 2]
    away = np.linalg.norm(near + 0.5 - points[:, None], axis=-1)
    alpha = np.clip(radius + 0.5 - away, 0, 1)
    keep = (alpha > 0) & (near >= 0).all(-1) & (near < (width, height)).all(-1)
    x, y = near[keep].T
    weight = np.zeros((height, width))
    mixed = np.zeros((height, width, 3))
    np.add.at(weight, (y, x), alpha[keep])
    shades = np.broadcast_to(colours[:, None].astype(np.float64), (*keep.shape, 3))[keep]
    np.add.at(mixed, (y, x), alpha[keep][:, None] * shades)
    share = np.minimum(weight, 1)[..., None]
    tone = mixed / np.maximum(weight, 1e-9)[..., None]
    out = image.copy()
    out[place] = np.rint(image[place] * (1 - share) + tone * share)
    return out


def of_picture(camera: Camera, image: np.ndarray) -> Camera:
    """A frame's camera for the picture that it really had: pictures of one person may differ in size."""
    return replace(camera, size=(image.shape[1], image.shape[0]))


def film_panels(
    frames: Iterator,  # render.footage.Frame
    span: range,  # numbers of the frames that are shown
    faces: Sequence[tuple[range, Iterator[Shown]]],  # in which frames somebody is there, and how they look there
    look: Look,
    where: Cut,
) -> Iterator[np.ndarray]:
    """A picture for each number of `span`; a frame that the film lacks shows the one before it."""
    frame = next(frames)
    for number in span:
        while frame.number < number and (following := next(frames, None)) is not None:
            frame = following
        shown = [next(looks) for there, looks in faces if number in there]
        yield panels(frame.image, shown, look, where)
