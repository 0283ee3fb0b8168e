"""The 52 ARKit shapes by the one-owner rule.

jawOpen, jawLeft and jawRight are rotations of the jaw plus pose correctives that make weight 1 the artist's shape;
eyeLook* turn the eyes, eyeBlink* close the lids; every other shape is an expression component of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.arkit import ARKIT_NAMES, EXPRESSION_OWNED
from flame_tools.characters.owners import SIN_X, Rigging, jaw_correctives, turned_back
from tools.head.clearance import clear_teeth
from tools.head.cut import Assembly, reflect
from tools.head.folds import soften_folds
from tools.head.lips import Lips, keep_shut
from tools.head.mouth import tongue_opening
from tools.head.resculpted import resculpted
from tools.head.skeleton import JAW, Skeleton


@dataclass(frozen=True, eq=False)
class ArkitShapes:
    """Expression components and what the jaw's rotation leaves over."""

    names: tuple[str, ...]  # [E]
    dirs: np.ndarray  # [V, 3, E] metres
    posedirs: np.ndarray  # [V, 3, 36]
    jaw_side_rad: float


def artist_shapes(assembly: Assembly) -> dict[str, np.ndarray]:
    """The artist's 52 shapes as offsets [V, 3], made exactly symmetric: right is left mirrored, central ones even."""
    raw = {name: assembly.offsets(assembly.source.face_unit(name)) for name in ARKIT_NAMES}
    return {name: 0.5 * (raw[name] + reflect(raw[opposite(name)], assembly.mirror)) for name in ARKIT_NAMES}


def sample_shapes(assembly: Assembly) -> tuple[np.ndarray, np.ndarray]:
    """Every seventh skin vertex [n], and the artist's 52 shapes there [52, n, 3] metres: a yardstick for tests."""
    vertices = np.arange(0, assembly.ranges["skin"].stop, 7)
    return vertices, np.stack([offsets[vertices] for offsets in artist_shapes(assembly).values()])


def opposite(name: str) -> str:
    """The name of a shape on the other side; central shapes are their own."""
    if name.endswith("Left"):
        return name[: -len("Left")] + "Right"
    if name.endswith("Right"):
        return name[: -len("Right")] + "Left"
    return name


def build_arkit(
    assembly: Assembly, template: np.ndarray, skeleton: Skeleton, lips: Lips, tongue: dict[str, np.ndarray]
) -> ArkitShapes:
    """Expression components and the jaw's pose correctives.

    `tongue` holds the tongue's shapes [n, 3] by name, ARKit's tongueOut and others; the rest become components too.
    """
    sculpted = soften_folds(assembly, template, lips, artist_shapes(assembly))
    sculpted = resculpted(assembly, template, lips, sculpted)
    side = side_angle(sculpted["jawLeft"], template, skeleton)
    shapes = keep_shut(lips, template, clear_teeth(assembly, template, sculpted, skeleton, side))
    rigging = Rigging(skeleton.joints, skeleton.weights, skeleton.jaw_open_rad, side, np.zeros(4))
    posedirs = np.zeros((*template.shape, 36))
    jaw = posedirs[..., 9 * (JAW - 1) : 9 * JAW]
    jaw[...] = jaw_correctives(template, shapes, rigging)
    jaw[assembly.ranges["skin"].stop :] = 0.0  # eyes and teeth are rigid on their joints
    jaw[assembly.ranges["tongue"], :, SIN_X] = tongue_opening() / np.sin(skeleton.jaw_open_rad)
    shapes["mouthClose"] = turned_back(shapes["mouthClose"], rigging)
    names = EXPRESSION_OWNED + tuple(name for name in tongue if name not in EXPRESSION_OWNED)
    dirs = np.stack([shapes.get(name, np.zeros_like(template)) for name in names], -1)
    inside = slice(assembly.ranges["skin"].stop, None)
    dirs[inside, :, [name != "jawForward" for name in names]] = 0.0
    for name, offsets in tongue.items():
        dirs[assembly.ranges["tongue"], :, names.index(name)] = offsets
    return ArkitShapes(names, dirs, posedirs, side)


def side_angle(moved: np.ndarray, template: np.ndarray, skeleton: Skeleton) -> float:
    """The turn about +y (radians) whose skinning explains the offsets [V, 3] of jawLeft best."""
    arm = skeleton.weights[:, JAW] * (template[:, 2] - skeleton.joints[JAW, 2])  # d x / d angle
    return float((arm * moved[:, 0]).sum() / (arm**2).sum())
