"""Pictures beside, below and over each other. Images are uint8 sRGB, rows from the top."""

from __future__ import annotations

import numpy as np

from flame_tools.errors import ShapeError
from render.materials import linear_to_srgb, srgb_to_linear


def contact_sheet(
    images,  # list of uint8 [h, w, 3] (or [h, w, 4]), any sizes
    columns: int = 4,
    labels=None,  # a text for each image
    *,
    gap: int = 8,  # pixels
    background: tuple[int, int, int] = (32, 34, 38),
) -> np.ndarray:  # uint8 [H, W, 3]
    """Lay images out in rows of equal cells, with a label under each."""
    from PIL import Image, ImageDraw, ImageFont

    images = [np.asarray(image)[..., :3] for image in images]
    if not images:
        raise ShapeError("a contact sheet needs at least one image; got none")
    if labels is not None and len(labels) != len(images):
        raise ShapeError(f"{len(labels)} labels for {len(images)} images; wanted one for each")
    columns = max(1, min(int(columns), len(images)))
    cell_h, cell_w = (max(image.shape[k] for image in images) for k in (0, 1))
    text_size = max(12, cell_w // 18)
    strip = int(text_size * 1.7) if labels is not None else 0
    rows = -(-len(images) // columns)
    sheet = np.empty((gap + rows * (cell_h + strip + gap), gap + columns * (cell_w + gap), 3), np.uint8)
    sheet[:] = background
    places = []
    for k, image in enumerate(images):
        y = gap + (k // columns) * (cell_h + strip + gap)
        x = gap + (k % columns) * (cell_w + gap)
        dy, dx = (cell_h - image.shape[0]) // 2, (cell_w - image.shape[1]) // 2
        sheet[y + dy : y + dy + image.shape[0], x + dx : x + dx + image.shape[1]] = image
        places.append((x + cell_w / 2, y + cell_h + strip / 2))
    if labels is None:
        return sheet
    picture = Image.fromarray(sheet)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(text_size)
    for place, label in zip(places, labels, strict=True):
        pen.text(place, str(label), (222, 224, 228), font, anchor="mm")
    return np.asarray(picture)


def side_by_side(images, *, gap: int = 8, background: tuple[int, int, int] = (32, 34, 38)) -> np.ndarray:
    """Images in one row, each scaled to the tallest one's height."""
    from PIL import Image

    tallest = max(np.asarray(image).shape[0] for image in images)
    scaled = []
    for image in images:
        image = np.asarray(image)[..., :3]
        if image.shape[0] != tallest:
            wide = max(1, round(image.shape[1] * tallest / image.shape[0]))
            image = np.asarray(Image.fromarray(image).resize((wide, tallest), Image.Resampling.LANCZOS))
        scaled += [image, np.full((tallest, gap, 3), background, np.uint8)]
    return np.concatenate(scaled[:-1], 1)


def overlay(
    photo: np.ndarray,  # uint8 [H, W, 3]
    drawn: np.ndarray,  # uint8 [H, W, 4] from draw_rgba
    opacity: float = 1.0,  # in [0, 1]
) -> np.ndarray:  # uint8 [H, W, 3]
    """Lay a drawn head over a photo of the same size, blended in linear light."""
    if photo.shape[:2] != drawn.shape[:2] or drawn.shape[2] != 4:
        raise ShapeError(
            f"photo {list(photo.shape)} and drawn {list(drawn.shape)} differ; wanted [H, W, 3] and [H, W, 4]"
        )
    alpha = drawn[..., 3:] / 255.0 * opacity
    blend = srgb_to_linear(photo[..., :3] / 255) * (1 - alpha) + srgb_to_linear(drawn[..., :3] / 255) * alpha
    return np.rint(linear_to_srgb(blend) * 255).astype(np.uint8)
