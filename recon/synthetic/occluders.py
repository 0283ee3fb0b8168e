"""What covers faces in photos: hair, glasses, hands and whatever else, painted over a picture and roughly so."""

from __future__ import annotations

import numpy as np

from readers.face_parts import OVAL

HAIR, GLASSES, BLOB = 0.6, 0.15, 0.15  # chances
_EYES = ((33, 133, 159, 145), (362, 263, 386, 374))


def covered(image: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture uint8 [H, W, 3] of a face with landmarks [468, 2] in pixels, perhaps with something before it."""
    from PIL import Image, ImageDraw, ImageFilter

    picture = Image.fromarray(image)
    if rng.uniform() < HAIR:
        mask = Image.new("L", picture.size)
        draw = ImageDraw.Draw(mask)
        for outline in _hair(landmarks, rng):
            draw.polygon([tuple(p) for p in outline], fill=255)
        picture.paste(_strands(picture.size, rng), mask=mask.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2))))
    if rng.uniform() < GLASSES:
        _glasses(ImageDraw.Draw(picture, "RGBA"), landmarks, rng)
    if rng.uniform() < BLOB:
        mask = Image.new("L", picture.size)
        ImageDraw.Draw(mask).polygon([tuple(p) for p in _blob(landmarks, rng)], fill=255)
        picture.paste(_colour(rng), mask=mask.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3))))
    return np.asarray(picture)


def passing(image: np.ndarray, landmarks: np.ndarray, shift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture with something like a hand before the face, `shift` [2] sizes of the face from where chance put it."""
    from PIL import Image, ImageDraw, ImageFilter

    picture, size = Image.fromarray(image), np.ptp(landmarks, axis=0).max()
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).polygon([tuple(p) for p in _blob(landmarks, rng) + shift * size], fill=255)
    picture.paste(_colour(rng), mask=mask.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3))))
    return np.asarray(picture)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.uniform() < 0.5:  # of skin
        return tuple(
            int(v) for v in np.clip(rng.uniform(0.3, 1) * np.array([235, 190, 165]) + rng.normal(0, 8, 3), 0, 255)
        )
    return tuple(int(v) for v in rng.integers(0, 256, 3))


def _hair(marks: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Polygons over the forehead and perhaps down both sides, in the frame of the face's outline."""
    rim, middle = marks[list(OVAL)], marks[list(OVAL)].mean(0)
    up = marks[10] - marks[152]
    height = np.linalg.norm(up)
    around = np.arange(-9, 10)  # of the 36 points of the outline, from the top
    top = rim[around % len(rim)]
    low = top + (middle - top) * (rng.uniform(-0.05, 0.28) + rng.normal(0, 0.03, (len(top), 1)))
    far = middle + (top - middle) * rng.uniform(1.35, 1.9)
    shapes = [np.concatenate([low, far[::-1]])]
    if rng.uniform() < 0.5:  # long
        for side in (np.arange(5, 16), -np.arange(5, 16)):
            edge = rim[side % len(rim)]
            inner = edge + (middle - edge) * (rng.uniform(-0.12, 0.15) + rng.normal(0, 0.02, (len(edge), 1)))
            outer = middle + (edge - middle) * rng.uniform(1.4, 1.9) - 0.1 * height * up / height
            shapes.append(np.concatenate([inner, outer[::-1]]))
    return shapes


def _strands(size: tuple[int, int], rng: np.random.Generator):
    from PIL import Image

    tone = rng.uniform(0.05, 0.9)
    colour = tone * np.array([205, 165, 110]) * (1 - 0.5 * rng.uniform() * (tone < 0.4)) + rng.normal(0, 6, 3)
    columns = np.cumsum(rng.normal(size=size[0]))
    columns = (columns - columns.mean()) / max(columns.std(), 1e-6)
    rows = np.linspace(-1, 1, size[1])[:, None] * rng.normal()
    shade = 1 + 0.15 * columns + 0.15 * rows + 0.08 * rng.normal(size=(size[1], size[0]))
    return Image.fromarray(np.clip(shade[..., None] * colour, 0, 255).astype(np.uint8))


def _glasses(draw, marks: np.ndarray, rng: np.random.Generator) -> None:
    dark = (*(int(v) for v in rng.integers(0, 90, 3)), 255)
    lens = (*(int(v) for v in rng.integers(0, 60, 3)), int(rng.choice([0, 20, 60, 200], p=[0.5, 0.25, 0.15, 0.1])))
    width = int(rng.integers(1, 5))
    middles = []
    for ids in _EYES:
        eye = marks[list(ids)]
        middle, half = eye.mean(0), max(np.linalg.norm(eye[0] - eye[1]), 4.0) * rng.uniform(0.75, 0.95)
        high = half * rng.uniform(0.65, 0.95)
        x, y = middle
        box = (x - half, y - 0.8 * high, x + half, y + 1.2 * high)
        shape = draw.ellipse if rng.uniform() < 0.5 else draw.rectangle
        shape(box, fill=lens, outline=dark, width=width)
        middles.append((middle, half))
    (right, a), (left, b) = middles
    draw.line([right[0] + a, right[1], left[0] - b, left[1]], fill=dark, width=width)


def _blob(marks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low, high = marks.min(0), marks.max(0)
    size = (high - low).max()
    corners = int(rng.integers(5, 12))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = size * rng.uniform(0.1, 0.3) * rng.uniform(0.6, 1.3, corners)
    at = low + (high - low) * rng.choice([rng.uniform(-0.1, 0.2, 2), rng.uniform(0.8, 1.1, 2), rng.uniform(0, 1, 2)])
    return at + radii[:, None] * np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.5, 1.5)], 1)
