"""The 52 ARKit shapes by the one-owner rule.

jawOpen, jawLeft and jawRight are rotations of the jaw plus pose correctives that make weight 1 the artist's shape;
eyeLook* turn the eyes, eyeBlink* close the lids; every other shape is an expression component of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from flame_tools.arkit import ARKIT_NAMES, EXPRESSION_OWNED
from tools.head.clearance import clear_teeth
from tools.head.cut import Assembly
from tools.head.folds import soften_folds
from tools.head.lips import Lips, keep_shut
from tools.head.mouth import tongue_opening
from tools.head.skeleton import JAW, Skeleton

# Entries of R - I of the jaw in posedirs: 9 for each of joints 1..4, row-major.
_JAW_FEATURES = 9 * (JAW - 1)
SIN_OPEN = _JAW_FEATURES + 3 * 2 + 1  # R21 = sin(open)
SIN_SIDE = _JAW_FEATURES + 3 * 0 + 2  # R02 = sin(side)
COS_SIDE = _JAW_FEATURES + 0  # R00 - 1 = cos(side) - 1, untouched by opening

# How far each component strays from 0 in everyday talk and mimicry: a prior, by judgement, at weight 1 = full reach.
EVERYDAY_SD = {
    "brow": 0.25, "cheekPuff": 0.10, "cheekSquint": 0.20, "eyeSquint": 0.25, "eyeWide": 0.20, "jawForward": 0.08,
    "mouthClose": 0.06, "mouthDimple": 0.15, "mouthFrown": 0.20, "mouthFunnel": 0.20, "mouthLeft": 0.12,
    "mouthLowerDown": 0.25, "mouthPress": 0.20, "mouthPucker": 0.25, "mouthRight": 0.12, "mouthRoll": 0.15,
    "mouthShrug": 0.20, "mouthSmile": 0.35, "mouthStretch": 0.20, "mouthUpperUp": 0.25, "noseSneer": 0.20,
    "tongue": 0.10,
}  # fmt: skip


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


def reflect(offsets: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Offsets [V, 3] of the mirror image."""
    return offsets[mirror] * np.array([-1.0, 1.0, 1.0])


def build_arkit(
    assembly: Assembly, template: np.ndarray, skeleton: Skeleton, lips: Lips, tongue: dict[str, np.ndarray]
) -> ArkitShapes:
    """Expression components and the jaw's pose correctives.

    `tongue` holds the tongue's shapes [n, 3] by name, ARKit's tongueOut and others; the rest become components too.
    """
    sculpted = soften_folds(assembly, template, lips, artist_shapes(assembly))
    side = side_angle(sculpted["jawLeft"], template, skeleton)
    shapes = keep_shut(lips, template, clear_teeth(assembly, template, sculpted, skeleton, side))
    posedirs = np.zeros((*template.shape, 36))

    def left_over(name: str, turn: np.ndarray) -> np.ndarray:
        return unpose(template + shapes[name], skeleton, turn) - template

    posedirs[..., SIN_OPEN] = left_over("jawOpen", np.array([skeleton.jaw_open_rad, 0.0, 0.0])) / np.sin(
        skeleton.jaw_open_rad
    )
    left = left_over("jawLeft", np.array([0.0, side, 0.0]))
    right = left_over("jawRight", np.array([0.0, -side, 0.0]))
    posedirs[..., SIN_SIDE] = (left - right) / (2.0 * np.sin(side))
    posedirs[..., COS_SIDE] = (left + right) / (2.0 * (np.cos(side) - 1.0))
    posedirs[assembly.ranges["skin"].stop :] = 0.0  # eyes and teeth are rigid on their joints
    tongue_part = posedirs[assembly.ranges["tongue"]]
    tongue_part[..., SIN_OPEN] = tongue_opening() / np.sin(skeleton.jaw_open_rad)
    shapes["mouthClose"] = turn_back(shapes["mouthClose"], skeleton)
    names = EXPRESSION_OWNED + tuple(name for name in tongue if name not in EXPRESSION_OWNED)
    dirs = np.stack([shapes.get(name, np.zeros_like(template)) for name in names], -1)
    inside = slice(assembly.ranges["skin"].stop, None)
    dirs[inside, :, [name != "jawForward" for name in names]] = 0.0
    for name, offsets in tongue.items():
        dirs[assembly.ranges["tongue"], :, names.index(name)] = offsets
    return ArkitShapes(names, dirs, posedirs, side)


def everyday_sd(names: tuple[str, ...]) -> np.ndarray:
    """Prior standard deviation [E] of the components."""
    return np.array([next(sd for start, sd in EVERYDAY_SD.items() if name.startswith(start)) for name in names])


def unpose(posed: np.ndarray, skeleton: Skeleton, turn: np.ndarray) -> np.ndarray:
    """Rest positions [V, 3] that skinning with the jaw at axis-angle `turn` takes to `posed`."""
    rotation = Rotation.from_rotvec(turn).as_matrix()
    hinge = skeleton.joints[JAW]
    share = skeleton.weights[:, JAW, None, None]
    blend = share * rotation + (1.0 - share) * np.eye(3)
    shifted = posed - skeleton.weights[:, JAW, None] * (hinge - rotation @ hinge)
    return np.linalg.solve(blend, shifted[..., None])[..., 0]


def turn_back(offsets: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Offsets [V, 3] at rest that skinning with the jaw open turns into these: mouthClose is sculpted over jawOpen."""
    turn = np.array([skeleton.jaw_open_rad, 0.0, 0.0])
    return unpose(offsets, skeleton, turn) - unpose(np.zeros_like(offsets), skeleton, turn)


def side_angle(moved: np.ndarray, template: np.ndarray, skeleton: Skeleton) -> float:
    """The turn about +y (radians) whose skinning explains the offsets [V, 3] of jawLeft best."""
    arm = skeleton.weights[:, JAW] * (template[:, 2] - skeleton.joints[JAW, 2])  # d x / d angle
    return float((arm * moved[:, 0]).sum() / (arm**2).sum())
