"""The part of noseSneer that the artist left out: the cheek beside the nose and the upper lip go up with its wing.

The levator labii superioris alaeque nasi runs from the root of the nose to its wing and into the upper lip; where it
wrinkles the nose it pulls the triangle below the eye and the lip up too (Ekman, Friesen and Hager 2002, unit 9). The
artist's shape moves the wing and the brow alone. How far each place goes at weight 1 was set by eye, beside the
noseSneer of ICT-FaceKit's face, which goes a fifth farther.
"""

from __future__ import annotations

import numpy as np

from tools.head.bending import least_bending
from tools.head.cut import Assembly, reflect
from tools.head.landmarks import mediapipe_embedding
from tools.head.lips import Lips

# Where places of the left half go at weight 1, by MediaPipe's landmarks: to the subject's left, up, forward, mm.
PULLED = {
    4: (0.0, 1.2, 0.2), 2: (0.0, 1.4, 0.3), 278: (0.3, 4.8, 1.4), 279: (0.3, 5.4, 1.6), 358: (0.0, 6.8, 1.6),
    426: (-1.2, 7.6, 0.8), 425: (-1.4, 6.6, 2.4), 280: (-0.8, 4.8, 2.0), 347: (-0.2, 3.4, 1.0), 253: (0.0, 1.6, 0.4),
    164: (0.0, 2.2, 0.0), 391: (0.2, 7.0, -0.2), 0: (0.0, 2.8, 0.0), 269: (0.5, 6.2, 0.0), 270: (0.4, 6.6, 0.0),
    13: (0.0, 2.6, 0.3), 310: (0.2, 5.4, 0.7), 291: (-0.4, 3.6, 0.6),
}  # fmt: skip
# Places that stay where the artist has them: lids, brow, bridge of the nose, the right half, and below the mouth.
STAY = (5, 195, 336, 285, 386, 374, 380, 373, 340, 352, 432, 18, 129, 61, 40, 206)
REACH_M = 0.02
MIDDLE = 0.5  # of half the mouth's width: within it the lower lip stays, and beyond it on the right the upper one


def wrinkled(
    assembly: Assembly, template: np.ndarray, lips: Lips, shapes: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The shapes [V, 3] with the whole of noseSneer."""
    skin = assembly.ranges["skin"]
    marks = mediapipe_embedding(assembly)
    vertices = assembly.cut.faces[marks.faces, marks.barycentrics.argmax(1)]
    left = shapes["noseSneerLeft"]
    held = {int(vertices[mark]): np.zeros(3) for mark in STAY}
    places = lips.gap_places(template)
    held |= {int(v): np.zeros(3) for v in lips.pairs[np.abs(places) < MIDDLE, 1]}
    held |= {int(v): np.zeros(3) for v in lips.pairs[places < -MIDDLE, 0]}
    held |= {int(vertices[mark]): np.array(goes) / 1000 - left[vertices[mark]] for mark, goes in PULLED.items()}
    pulled = left.copy()
    pulled[skin] += least_bending(assembly, template[skin], held, REACH_M)
    return shapes | {"noseSneerLeft": pulled, "noseSneerRight": reflect(pulled, assembly.mirror)}
