"""The CSV that Epic's Live Link Face records: timecode, the 52 ARKit weights, head and eye angles.

Angles are radians. The head's, which join the root and the neck: yaw positive to the subject's left, pitch upwards,
roll where the left ear rises. An eye's, in the head: yaw positive to the subject's right, pitch downwards, as packets
of the app show against their eyeLook weights (github.com/think-biq/LLV). Its CSV is taken to have the packets' signs.
"""

from __future__ import annotations

import os

import numpy as np
import torch

from flame_tools.archive import written_whole
from flame_tools.arkit import ARKIT_NAMES, INDEX, from_params
from flame_tools.file_clock import file_times
from flame_tools.head import Head
from flame_tools.rotations import matrix_from_axis_angle
from flame_tools.track_check import check_track
from flame_tools.types import Track

# The app's own order of columns: left eye, right eye, jaw and mouth, brows, cheeks, nose, tongue.
COLUMNS = (
    *(f"Eye{what}{side}" for side in ("Left", "Right")
      for what in ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")),
    "JawForward", "JawRight", "JawLeft", "JawOpen",
    "MouthClose", "MouthFunnel", "MouthPucker", "MouthRight", "MouthLeft",
    *(f"Mouth{what}{side}" for what in ("Smile", "Frown", "Dimple", "Stretch") for side in ("Left", "Right")),
    "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper",
    *(f"Mouth{what}{side}" for what in ("Press", "LowerDown", "UpperUp") for side in ("Left", "Right")),
    "BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight",
    "CheekPuff", "CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut",
)  # fmt: skip
ANGLES = tuple(f"{what}{axis}" for what in ("Head", "LeftEye", "RightEye") for axis in ("Yaw", "Pitch", "Roll"))
HEADER = ("Timecode", "BlendShapeCount", *COLUMNS, *ANGLES)
# What turns our angles (yaw to the left, pitch down, left ear up) into the app's.
SIGNS = np.array([-1.0 if name in ("HeadPitch", "LeftEyeYaw", "LeftEyeRoll", "RightEyeYaw", "RightEyeRoll") else 1.0
                  for name in ANGLES])  # fmt: skip
_ORDER = [INDEX[name[0].lower() + name[1:]] for name in COLUMNS]
assert sorted(_ORDER) == list(range(len(ARKIT_NAMES)))


def write_csv(track: Track, head: Head, path: str | os.PathLike) -> None:
    """Write one row a frame. Weights are clipped to [0, 1], which is all that the format knows."""
    rows = app_rows(track, head)
    codes = timecodes(track)
    with written_whole(path) as temporary, open(temporary, "w", newline="") as file:
        file.write(",".join(HEADER) + "\r\n")
        for code, row in zip(codes, rows, strict=True):
            file.write(f"{code},{len(row)},{','.join(f'{x:.6f}' for x in row)}\r\n")


def app_rows(track: Track, head: Head) -> np.ndarray:
    """The app's columns but the first two, [T, 61] float64, with the signs that it gives its angles."""
    rows = weights_and_angles(track, head)
    rows[:, len(COLUMNS) :] *= SIGNS
    return rows


def weights_and_angles(track: Track, head: Head) -> np.ndarray:
    """Weights in [0, 1] in the order of COLUMNS, then ANGLES in radians, [T, 61] float64.

    Angles as we have them: yaw about +y (positive: to the subject's left), pitch about +x (positive: down), roll about
    +z (positive: the left ear rises).
    """
    return np.concatenate([arkit_weights(track, head)[:, _ORDER], head_and_eye_angles(track)], 1)


def arkit_weights(track: Track, head: Head) -> np.ndarray:
    """[T, 52] float64 weights in the order of ARKIT_NAMES, clipped to [0, 1].

    Raises ShapeError where the track does not fit together (NaN frames among it).
    """
    check_track(track)
    return from_params(track.params, head).detach().cpu().double().clamp(0, 1).numpy()


def timecodes(track: Track) -> list[str]:
    """HH:MM:SS:FF.fff of each frame: the frame within the second, and the thousandths of that frame."""
    rate = max(1, round(track.fps[0] / track.fps[1])) if track.fps else 60
    codes = []
    for time_s in file_times(track):
        thousandths = round(time_s * rate * 1000)
        frames, part = divmod(thousandths, 1000)
        seconds, frame = divmod(frames, rate)
        codes.append(f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame:02d}.{part:03d}")
    return codes


def head_and_eye_angles(track: Track) -> np.ndarray:
    """Yaw, pitch, roll of the head and of each eye in it, [T, 9] radians."""
    p = track.params.map(lambda tensor: tensor.detach().cpu().double())
    head = matrix_from_axis_angle(p.global_rotation) @ matrix_from_axis_angle(p.neck)
    eyes = matrix_from_axis_angle(p.eyes)
    return torch.cat([yaw_pitch_roll(r) for r in (head, eyes[:, 0], eyes[:, 1])], -1).numpy()


def yaw_pitch_roll(rotation: torch.Tensor) -> torch.Tensor:
    """Rotations [..., 3, 3] = Ry(yaw) Rx(pitch) Rz(roll) to their angles [..., 3]; pitch lies in [-pi/2, pi/2]."""
    r = rotation
    return torch.stack(
        [
            torch.atan2(r[..., 0, 2], r[..., 2, 2]),
            torch.asin((-r[..., 1, 2]).clamp(-1, 1)),
            torch.atan2(r[..., 1, 0], r[..., 1, 1]),
        ],
        -1,
    )
