"""VMC protocol: the face as OSC messages to port 39539, for VSeeFace, Warudo, VMagicMirror and Unity (EVMC4U).

A frame is /VMC/Ext/OK, /VMC/Ext/T, the bones, the 52 weights by their perfect-sync names and /VMC/Ext/Blend/Apply
(protocol.vmc.info, "Marionette": /VMC/Ext/Bone/Pos name p.x p.y p.z q.x q.y q.z q.w, local, in Unity's axes).

Unity is left-handed: x to the subject's right, y up, z out of the face. So x changes its sign, and a rotation
(x, y, z, w) of ours becomes (x, -y, -z, w). The channels know one rotation of the head: half of it goes to the neck and
half to the head. There is no bone for the jaw: the avatar's own JawOpen moves it. Places are sent as zeros, since the
avatar's are not known here, as other senders of faces do; a receiver is told not to use them.
"""

from __future__ import annotations

import math

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.live import osc
from flame_tools.live.frames import CHANNELS, WEIGHTS

PORT = 39539
BONES = ("Neck", "Head", "LeftEye", "RightEye")
Quaternion = tuple[float, float, float, float]  # x, y, z, w


def datagrams(time_s: float, channels: np.ndarray) -> list[bytes]:
    """A frame as bundles. Raises ShapeError for channels that are not [61] finite numbers."""
    return osc.bundles(messages(time_s, channels))


def messages(time_s: float, channels: np.ndarray) -> list[bytes]:
    """A frame as OSC messages, in the order in which they are to be acted on."""
    values = np.asarray(channels, np.float64)
    if values.shape != (len(CHANNELS),) or not np.isfinite(values).all():
        raise ShapeError(f"channels are {list(values.shape)}, wanted [{len(CHANNELS)}] finite numbers")
    bones = zip(BONES, bone_quaternions(values[WEIGHTS:]), strict=True)
    weights = zip(CHANNELS[:WEIGHTS], values[:WEIGHTS].tolist(), strict=True)
    return [
        osc.message("/VMC/Ext/OK", 1),
        osc.message("/VMC/Ext/T", float(time_s)),
        *(osc.message("/VMC/Ext/Bone/Pos", name, 0.0, 0.0, 0.0, *turn) for name, turn in bones),
        *(osc.message("/VMC/Ext/Blend/Val", name, weight) for name, weight in weights),
        osc.message("/VMC/Ext/Blend/Apply"),
    ]


def bone_quaternions(angles: np.ndarray) -> list[Quaternion]:
    """Yaw, pitch, roll of head, left eye, right eye [9] in radians to local rotations of BONES in Unity's axes."""
    head, left, right = (_quaternion(*turn) for turn in np.asarray(angles, np.float64).reshape(3, 3).tolist())
    half = _half(head)
    return [_in_unity(turn) for turn in (half, half, left, right)]


def _quaternion(yaw: float, pitch: float, roll: float) -> Quaternion:
    """Ry(yaw) Rx(pitch) Rz(roll), in our axes."""
    (sy, cy), (sx, cx), (sz, cz) = ((math.sin(a / 2), math.cos(a / 2)) for a in (yaw, pitch, roll))
    return (
        cy * sx * cz + sy * cx * sz,
        sy * cx * cz - cy * sx * sz,
        cy * cx * sz - sy * sx * cz,
        cy * cx * cz + sy * sx * sz,
    )


def _half(turn: Quaternion) -> Quaternion:
    """The rotation that, done twice, is this one, the short way round."""
    x, y, z, w = turn if turn[3] >= 0 else tuple(-value for value in turn)
    size = math.sqrt(2 + 2 * w)
    return x / size, y / size, z / size, (1 + w) / size


def _in_unity(turn: Quaternion) -> Quaternion:
    x, y, z, w = turn
    return x, -y, -z, w
