"""Films made of still portraits that slide over a background: where each face is, is known."""

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 320, 240
FACE = (130, 20, 320, 230)  # of the bundled portrait: head and collar


def cut_out(portrait: np.ndarray, box=FACE, height: int = 120) -> np.ndarray:
    """The head of a portrait, `height` pixels tall."""
    left, top, right, bottom = box
    part = Image.fromarray(portrait[top:bottom, left:right])
    return np.asarray(part.resize((round(part.width * height / part.height), height), Image.Resampling.LANCZOS))


def background(seed: int = 0, tone: int = 120) -> np.ndarray:
    """Soft clouds, [HEIGHT, WIDTH, 3]."""
    clouds = np.random.default_rng(seed).integers(tone - 40, tone + 40, (6, 8, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(clouds).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def laid(ground: np.ndarray, head: np.ndarray, x: float, y: float) -> np.ndarray:
    """`head` with its top left at whole pixels (x, y); what lies outside is cut off."""
    out = ground.copy()
    x, y = round(x), round(y)
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + head.shape[1], WIDTH), min(y + head.shape[0], HEIGHT)
    if left < right and top < bottom:
        out[top:bottom, left:right] = head[top - y : bottom - y, left - x : right - x]
    return out
