"""How well a fit meets its landmarks, as shares of the distance between the eyes."""

from __future__ import annotations

import numpy as np

# iBUG's 68 points among MediaPipe's 468: jaw line, brows, nose, eyes, outer lips, inner lips.
IBUG_68 = (
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)


def halves() -> tuple[np.ndarray, np.ndarray]:
    """Masks [468]: the landmarks with even and with odd numbers. A fit on one half is scored on the other."""
    even = np.arange(468) % 2 == 0
    return even, ~even


def nme(predicted: np.ndarray, seen: np.ndarray, unit: float) -> float:
    """Mean distance of predicted [n, 2] from seen [n, 2] over `unit`, all in pixels."""
    return float(np.linalg.norm(predicted - seen, axis=-1).mean() / unit)
