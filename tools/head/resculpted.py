"""Shapes that the artist left half done, or made another motion of, by the muscle's own.

How far places go at weight 1 was set by eye, beside the shapes of ICT-FaceKit's face, which go a fifth to a third
farther; between the places the skin bends least.

noseSneer. The levator labii superioris alaeque nasi runs from the root of the nose to its wing and into the upper lip;
where it wrinkles the nose it pulls the triangle below the eye and the lip up too (Ekman, Friesen and Hager 2002,
unit 9). The artist's shape moves the wing and the brow alone.

mouthPress. The ring of the mouth presses the lips on each other: their red gets narrow, and the skin below them bulges
and goes up with the chin (unit 24). Corners stay. The artist's shape widens the mouth by 12 mm and lifts its corners by
5, which is a smile with shut lips.

mouthShrugLower. The mentalis lifts the skin of the chin, and with it the lower lip (unit 17). The artist's shape turns
the lip outwards and leaves the chin, a millimetre but.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.head.bending import least_bending
from tools.head.cut import Assembly, reflect
from tools.head.landmarks import mediapipe_embedding
from tools.head.lips import Lips


@dataclass(frozen=True)
class Motion:
    """Where MediaPipe's landmarks of the left half go at weight 1, in a left or a central shape."""

    goes: dict[int, tuple[float, float, float]]  # to the subject's left, up, forward, mm
    stay: tuple[int, ...]  # where the shape that it begins with has them
    begins: bool  # with the artist's shape, or with a face at rest
    lower_lip_stays: tuple[float, float] | None
    """From where to where the lower lip's inside stays, in halves of the mouth's width from the middle to the left;
    the upper one's does within UPPER_LIP_STAYS. None: both go along."""


MOTIONS = {
    "noseSneer": Motion(
        {
            4: (0.0, 1.2, 0.2), 2: (0.0, 1.4, 0.3), 278: (0.3, 4.8, 1.4), 279: (0.3, 5.4, 1.6), 358: (0.0, 6.8, 1.6),
            426: (-1.2, 7.6, 0.8), 425: (-1.4, 6.6, 2.4), 280: (-0.8, 4.8, 2.0), 347: (-0.2, 3.4, 1.0),
            253: (0.0, 1.6, 0.4), 164: (0.0, 2.2, 0.0), 391: (0.2, 7.0, -0.2), 0: (0.0, 2.8, 0.0),
            269: (0.5, 6.2, 0.0), 270: (0.4, 6.6, 0.0), 13: (0.0, 2.6, 0.3), 310: (0.2, 5.4, 0.7),
            291: (-0.4, 3.6, 0.6),
        },
        # lids, brow, bridge of the nose, the right half, and below the mouth
        (5, 195, 336, 285, 386, 374, 380, 373, 340, 352, 432, 18, 129, 61, 40, 206),
        begins=True,
        lower_lip_stays=(-0.5, 0.5),
    ),
    "mouthShrugLower": Motion(
        {
            17: (0.0, 5.6, 3.6), 405: (0.0, 4.2, 2.6), 321: (0.2, 2.8, 2.0), 18: (0.0, 6.6, 2.4), 406: (-0.4, 4.8, 2.2),
            335: (-0.2, 2.8, 1.8), 200: (0.0, 7.2, 1.4), 418: (-0.8, 4.8, 1.4), 424: (-0.5, 2.8, 1.4),
            199: (0.0, 7.0, 1.8), 428: (-0.4, 6.2, 1.6), 262: (-0.5, 4.4, 1.6), 175: (0.0, 5.0, 2.4),
            152: (0.0, 2.0, 1.6), 291: (0.2, 0.6, 0.5),
        },
        # the upper lip, the cheek, the jaw and what is below it
        (0, 269, 270, 410, 432, 434, 364, 394, 379),
        begins=True,
        lower_lip_stays=None,
    ),
    "mouthPress": Motion(
        {
            0: (0.0, -0.6, -0.3), 267: (-0.1, -0.9, -0.4), 269: (-0.2, -1.1, -0.5), 270: (-0.2, -0.7, -0.2),
            409: (-0.2, 0.1, 0.1), 37: (0.0, -0.3, -0.1), 291: (-0.3, 0.9, 0.3), 13: (0.0, 0.2, -0.1),
            311: (0.0, 0.5, -0.2), 310: (-0.1, 0.7, 0.0), 308: (-0.3, 1.0, 0.3), 14: (0.0, 0.2, -0.1),
            402: (0.0, 0.5, -0.2), 318: (-0.1, 0.7, 0.0), 17: (0.0, 1.2, 0.5), 314: (0.0, 1.8, 0.7),
            405: (0.0, 2.2, 0.9), 321: (0.0, 2.1, 0.9), 375: (-0.1, 1.6, 0.6), 84: (0.0, 0.6, 0.3),
            18: (0.0, 1.2, 0.9), 406: (0.2, 2.3, 1.5), 335: (0.3, 2.3, 1.2), 200: (0.0, 1.6, 0.7),
            418: (0.1, 2.5, 1.4), 424: (0.2, 2.2, 1.2), 199: (0.0, 1.6, 0.6), 428: (0.0, 2.4, 0.8),
            164: (0.0, -0.2, 0.5), 391: (0.0, -0.2, 1.1), 322: (0.2, 0.0, 0.8), 287: (0.3, 0.9, 0.1),
            426: (0.3, 0.3, 0.9), 432: (0.4, 0.9, 0.4),
        },
        # the nose, the cheek, the jaw and the right half
        (2, 327, 278, 280, 425, 411, 416, 434, 364, 394, 152, 61, 40, 91, 106, 182, 204, 206, 212),
        begins=False,
        lower_lip_stays=(-1.0, -0.5),
    ),
}  # fmt: skip
UPPER_LIP_STAYS = (-1.0, -0.5)  # the right half of it, in a left shape
REACH_M = 0.02  # of the nearest of those places, within which skin goes along


def resculpted(
    assembly: Assembly, template: np.ndarray, lips: Lips, shapes: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The shapes [V, 3] with those of MOTIONS as their muscles make them."""
    skin = assembly.ranges["skin"]
    marks = mediapipe_embedding(assembly)
    vertices = assembly.cut.faces[marks.faces, marks.barycentrics.argmax(1)]
    places, made = lips.gap_places(template), {}
    for name, motion in MOTIONS.items():
        central = name in shapes
        first = name if central else f"{name}Left"
        made[first] = shapes[first].copy() if motion.begins else np.zeros_like(template)
        held = {int(vertices[mark]): np.zeros(3) for mark in motion.stay}
        if motion.lower_lip_stays is not None:
            for lip, (low, high) in enumerate((UPPER_LIP_STAYS, motion.lower_lip_stays)):
                held |= {int(v): np.zeros(3) for v in lips.pairs[(low < places) & (places < high), lip]}
        held |= {int(vertices[m]): np.array(goes) / 1000 - made[first][vertices[m]] for m, goes in motion.goes.items()}
        if central:
            held |= {int(assembly.mirror[v]): offset * (-1, 1, 1) for v, offset in held.items()}
        made[first][skin] += least_bending(assembly, template[skin], held, REACH_M)
        if not central:
            made[f"{name}Right"] = reflect(made[first], assembly.mirror)
    return shapes | made
