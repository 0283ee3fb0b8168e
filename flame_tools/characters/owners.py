"""From sculpted ARKit shapes to one owner for each motion, on any mesh.

jawOpen, jawLeft and jawRight become rotations of the jaw, eyeLook* of the eyes, plus pose correctives that make weight
1 the sculpted shape; eyeBlink* becomes the lids' travel; every other shape is an expression component.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flame_tools.arkit import ARKIT_NAMES, INDEX, JOINT_OWNED, LID_OWNED
from flame_tools.types import JAW, LEFT_EYE, RIGHT_EYE

# Entries of R - I in a joint's nine columns of posedirs, row-major. A turn about x alone shows in SIN_X and COS_X,
# a turn about y alone in SIN_Y and COS_Y, so the two can be given correctives apart.
SIN_X, COS_X, SIN_Y, COS_Y = 7, 4, 2, 0
STILL_M = 1e-4  # an eyeball that eyeLook* moves less stays where it is
SMALLEST_M = 1e-7  # correctives that move a vertex less are left out
LID_M = 1e-5  # the same for lids, which every identity changes

# How far each component strays from 0 in everyday talk and mimicry: a prior, by judgement, at weight 1 = full reach.
EVERYDAY_SD = {
    "brow": 0.25, "cheekPuff": 0.10, "cheekSquint": 0.20, "eyeSquint": 0.25, "eyeWide": 0.20, "jawForward": 0.08,
    "mouthClose": 0.06, "mouthDimple": 0.15, "mouthFrown": 0.20, "mouthFunnel": 0.20, "mouthLeft": 0.12,
    "mouthLowerDown": 0.25, "mouthPress": 0.20, "mouthPucker": 0.25, "mouthRight": 0.12, "mouthRoll": 0.15,
    "mouthShrug": 0.20, "mouthSmile": 0.35, "mouthStretch": 0.20, "mouthUpperUp": 0.25, "noseSneer": 0.20,
    "tongue": 0.10,
}  # fmt: skip
OTHER_SD = 0.10


@dataclass(frozen=True, eq=False)
class Rigging:
    """Joints of a mesh, what follows them, and how far they turn for the ARKit names at weight 1."""

    joints: np.ndarray  # [5, 3] metres
    weights: np.ndarray  # [V, 5]
    jaw_open_rad: float
    jaw_side_rad: float
    look_rad: np.ndarray  # [4] up, down, in, out


@dataclass(frozen=True, eq=False)
class Owned:
    """The fields of HeadArrays that shapes become."""

    expression_names: tuple[str, ...]
    expressiondirs: np.ndarray  # [V, 3, E]
    posedirs: np.ndarray  # [V, 3, 36]
    eyelid_vertices: np.ndarray  # [N]
    eyelid_dirs: np.ndarray  # [N, 3, 4]
    arkit_map: np.ndarray  # [52, E + 11]


def share_out(template: np.ndarray, shapes: Mapping[str, np.ndarray], rigging: Rigging) -> Owned:
    """Give each of `shapes` (ARKit name or another -> offsets [V, 3], metres) to its owner.

    A name that ARKit has without a side may come in two halves, NAMELeft and NAMERight. Names that are missing leave
    their row of `arkit_map` zero, but joints still turn as `rigging` says.
    """
    posedirs = np.zeros((*template.shape, 4, 9))
    posedirs[..., JAW - 1, :] = jaw_correctives(template, shapes, rigging)
    for side, joint in (("Left", LEFT_EYE), ("Right", RIGHT_EYE)):
        posedirs[..., joint - 1, :] = eye_correctives(template, shapes, rigging, side, joint)
    posedirs[np.abs(posedirs).max(axis=(1, 2, 3)) < SMALLEST_M] = 0.0
    names = tuple(name for name in shapes if name not in JOINT_OWNED and name not in LID_OWNED)
    dirs = [shapes[name] for name in names]
    if "mouthClose" in names:
        dirs[names.index("mouthClose")] = turned_back(shapes["mouthClose"], rigging)
    vertices, lids = lid_dirs(template, shapes, rigging)
    return Owned(
        names,
        np.stack(dirs, -1) if dirs else np.zeros((*template.shape, 0)),
        posedirs.reshape(*template.shape, 36),
        vertices,
        lids,
        arkit_map(names, tuple(shapes), rigging),
    )


def jaw_correctives(template: np.ndarray, shapes: Mapping[str, np.ndarray], rigging: Rigging) -> np.ndarray:
    """What the jaw's rotations leave over [V, 3, 9], per entry of R - I."""
    result = np.zeros((*template.shape, 9))
    angle, side = rigging.jaw_open_rad, rigging.jaw_side_rad
    if "jawOpen" in shapes and angle:
        result[..., SIN_X] = left_over(template, shapes["jawOpen"], rigging, JAW, (angle, 0.0)) / np.sin(angle)
    if "jawLeft" in shapes and "jawRight" in shapes and side:
        left = left_over(template, shapes["jawLeft"], rigging, JAW, (0.0, side))
        right = left_over(template, shapes["jawRight"], rigging, JAW, (0.0, -side))
        result[..., SIN_Y], result[..., COS_Y] = odd_even(left, side, right, side)
    return result


def eye_correctives(
    template: np.ndarray, shapes: Mapping[str, np.ndarray], rigging: Rigging, side: str, joint: int
) -> np.ndarray:
    """What an eye's rotations leave over [V, 3, 9]: mostly the lids that follow the glance."""
    result = np.zeros((*template.shape, 9))
    up, down, inward, outward = (float(x) for x in rigging.look_rad)
    sign = 1.0 if side == "Left" else -1.0  # +y is outward for the left eye, inward for the right one
    rest = np.zeros_like(template)
    ball = rigging.weights[:, joint] > 0.0

    def over(name: str, turn: tuple[float, float]) -> np.ndarray:
        shape = shapes.get(f"eyeLook{name}{side}", rest)
        if np.abs(shape[ball]).max(initial=0.0) < STILL_M:  # the file turns the eyeball by its joint alone
            return shape
        return left_over(template, shape, rigging, joint, turn)

    result[..., SIN_X], result[..., COS_X] = odd_even(over("Down", (down, 0.0)), down, over("Up", (-up, 0.0)), up)
    out, into = over("Out", (0.0, sign * outward)), over("In", (0.0, -sign * inward))
    odd, even = odd_even(out, outward, into, inward)
    result[..., SIN_Y], result[..., COS_Y] = sign * odd, even
    return result


def left_over(
    template: np.ndarray, offsets: np.ndarray, rigging: Rigging, joint: int, turn: tuple[float, float]
) -> np.ndarray:
    """Offsets [V, 3] at rest that skinning, with `joint` at axis-angle (x, y), takes to the shape `offsets`."""
    return unpose(template + offsets, rigging, joint, turn) - template


def turned_back(offsets: np.ndarray, rigging: Rigging) -> np.ndarray:
    """Offsets [V, 3] at rest that skinning with the jaw open turns into these: mouthClose is sculpted over jawOpen."""
    turn = (rigging.jaw_open_rad, 0.0)
    return unpose(offsets, rigging, JAW, turn) - unpose(np.zeros_like(offsets), rigging, JAW, turn)


def unpose(posed: np.ndarray, rigging: Rigging, joint: int, turn: tuple[float, float]) -> np.ndarray:
    """Rest positions [V, 3] that skinning with `joint` at axis-angle (x, y, 0) takes to `posed`."""
    from scipy.spatial.transform import Rotation

    rotation = Rotation.from_rotvec([*turn, 0.0]).as_matrix()
    hinge = rigging.joints[joint]
    share = rigging.weights[:, joint, None, None]
    blend = share * rotation + (1.0 - share) * np.eye(3)
    shifted = posed - rigging.weights[:, joint, None] * (hinge - rotation @ hinge)
    return np.linalg.solve(blend, shifted[..., None])[..., 0]


def pose(rest: np.ndarray, rigging: Rigging, joint: int, turn: tuple[float, float]) -> np.ndarray:
    """Where skinning with `joint` at axis-angle (x, y, 0) takes rest positions [V, 3]: `unpose` the other way."""
    from scipy.spatial.transform import Rotation

    rotation = Rotation.from_rotvec([*turn, 0.0]).as_matrix()
    share = rigging.weights[:, joint, None]
    hinge = rigging.joints[joint]
    return (1.0 - share) * rest + share * ((rest - hinge) @ rotation.T + hinge)


def odd_even(at_plus: np.ndarray, plus: float, at_minus: np.ndarray, minus: float) -> tuple[np.ndarray, np.ndarray]:
    """A, B with sin(x) A + (cos(x) - 1) B equal to `at_plus` at x = plus and `at_minus` at x = -minus (radians)."""
    s, c, t, d = np.sin(plus), np.cos(plus) - 1.0, np.sin(minus), np.cos(minus) - 1.0
    return (d * at_plus - c * at_minus) / (s * d + t * c), (t * at_plus + s * at_minus) / (s * d + t * c)


def lid_dirs(template: np.ndarray, shapes: Mapping[str, np.ndarray], rigging: Rigging) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [N] that the lids move and their offsets [N, 3, 4], in the features' order [l, r, bulge l, bulge r].

    Weight 1 is the sculpted shape. The way there is not its chord but an arc: at one half a vertex stands as far from
    the eye's centre as the mean of both ends, so that the lid slides round the eyeball.
    """
    still = np.zeros_like(template)
    dirs = np.zeros((*template.shape, 4))
    for i, joint in enumerate((LEFT_EYE, RIGHT_EYE)):
        shut = shapes.get(LID_OWNED[i], still)
        start = template - rigging.joints[joint]
        middle = start + 0.5 * shut
        radius = 0.5 * (np.linalg.norm(start, axis=1) + np.linalg.norm(start + shut, axis=1))
        length = np.linalg.norm(middle, axis=1)
        dirs[..., i] = shut
        dirs[..., 2 + i] = middle * (radius / np.maximum(length, 1e-9) - 1.0)[:, None]
    vertices = np.flatnonzero(np.abs(dirs[..., :2]).max(axis=(1, 2)) > LID_M)
    return vertices.astype(np.int32), dirs[vertices]


def arkit_map(names: tuple[str, ...], given: tuple[str, ...], rigging: Rigging) -> np.ndarray:
    """[52, E + 11]: expression, jaw, left eye, right eye (radians) and lids for each ARKit name at weight 1."""
    size = len(names)
    table = np.zeros((len(ARKIT_NAMES), size + 11))
    for i, name in enumerate(names):
        whole = name if name in INDEX else name.removesuffix("Left").removesuffix("Right")
        if whole in INDEX:
            table[INDEX[whole], i] = 1.0
    up, down, inward, outward = (float(x) for x in rigging.look_rad)
    jaw, eyes, lids = size, (size + 3, size + 6), size + 9
    table[INDEX["jawOpen"], jaw] = rigging.jaw_open_rad
    table[INDEX["jawLeft"], jaw + 1] = rigging.jaw_side_rad
    table[INDEX["jawRight"], jaw + 1] = -rigging.jaw_side_rad
    for i, (side, sign) in enumerate((("Left", 1.0), ("Right", -1.0))):
        table[INDEX[f"eyeLookUp{side}"], eyes[i]] = -up
        table[INDEX[f"eyeLookDown{side}"], eyes[i]] = down
        table[INDEX[f"eyeLookOut{side}"], eyes[i] + 1] = sign * outward
        table[INDEX[f"eyeLookIn{side}"], eyes[i] + 1] = -sign * inward
        if f"eyeBlink{side}" in given:
            table[INDEX[f"eyeBlink{side}"], lids + i] = 1.0
    return table.astype(np.float32)


def everyday_sd(names: tuple[str, ...]) -> np.ndarray:
    """Prior standard deviation [E] of components by name."""
    return np.array([next((sd for start, sd in EVERYDAY_SD.items() if n.startswith(start)), OTHER_SD) for n in names])
