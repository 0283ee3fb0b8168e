"""Live Link Face: the UDP packets of Epic's app, version 6, to port 11111 of whoever plays them. Out and in.

| field | bytes |
| --- | --- |
| version | one byte, 6 |
| device | length as int32, then so many bytes of UTF-8: a UUID |
| subject | likewise: the name that the engine lists |
| frame time | int32 frame, float32 part of a frame, int32 numerator and int32 denominator of the rate |
| count | one byte, 61 |
| values | 61 float32 |

Everything is big-endian. Facts from the engine's own writer and reader (AppleARKitLiveLinkSource.cpp up to version 5,
FQualifiedFrameTime since) and from LLV (github.com/think-biq/LLV, with packets that the app sent), and PyLiveLinkFace
(github.com/JimWest/PyLiveLinkFace), whose 32 bit little-endian version and "$" before the UUID are these very bytes.

One thing differs from the app's CSV: the values come in the order of the engine's EARFaceBlendShape, JawLeft before
JawRight and MouthLeft before MouthRight.
"""

from __future__ import annotations

import math
import struct
import uuid
from dataclasses import dataclass

import numpy as np

from flame_tools.errors import FormatError, InputError, ShapeError
from flame_tools.export.livelink import COLUMNS, SIGNS
from flame_tools.live.frames import CHANNELS

PORT = 11111
VERSION = 6
LONGEST_NAME = 255  # bytes
_EXCHANGED = {"JawRight": "JawLeft", "JawLeft": "JawRight", "MouthRight": "MouthLeft", "MouthLeft": "MouthRight"}
PACKET_NAMES = tuple(_EXCHANGED.get(name, name) for name in CHANNELS)
_ORDER = np.array([CHANNELS.index(name) for name in PACKET_NAMES])  # its own inverse
_SIGNS = np.concatenate([np.ones(len(COLUMNS)), SIGNS])
_TIME = struct.Struct(">ifii")
_VALUES = struct.Struct(f">B{len(CHANNELS)}f")
_LARGEST = 1 + 2 * (4 + LONGEST_NAME) + _TIME.size + _VALUES.size
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "emberface:live-link-face")


@dataclass(frozen=True)
class FacePacket:
    """One frame as it is sent."""

    device: str  # a UUID; `device_of` makes one of a name
    subject: str
    frame: int  # in [0, 2^31)
    part: float  # of a frame, in [0, 1)
    fps: tuple[int, int]  # rational rate
    channels: np.ndarray  # [61] in the order and with the signs of live.frames.CHANNELS

    @property
    def time_s(self) -> float:
        return (self.frame + self.part) * self.fps[1] / self.fps[0]


def device_of(subject: str) -> str:
    """The UUID that a subject's device has: the same for the same name."""
    return str(uuid.uuid5(_NAMESPACE, subject)).upper()


def packet_at(
    time_s: float, channels: np.ndarray, *, fps: tuple[int, int], subject: str, device: str | None = None
) -> FacePacket:
    """The packet of a moment: frames are counted from 0 s at `fps`."""
    frames = max(time_s, 0.0) * fps[0] / fps[1]
    frame = math.floor(frames + 1e-6)  # 0.1 s at 30 frames a second is frame 3, whatever the last bit says
    part = min(max(frames - frame, 0.0), 1 - 2**-24)
    return FacePacket(device or device_of(subject), subject, frame % 2**31, part, fps, channels)


def encode(packet: FacePacket) -> bytes:
    """A packet as bytes. Raises InputError for names that do not fit, ShapeError for channels that do not."""
    values = np.asarray(packet.channels, np.float64)
    if values.shape != (len(CHANNELS),) or not (np.abs(values) < 3.4e38).all():
        raise ShapeError(f"channels are {list(values.shape)}, wanted [{len(CHANNELS)}] finite numbers")
    device, subject = _name("device", packet.device), _name("subject", packet.subject)
    try:
        time = _TIME.pack(packet.frame, packet.part, *packet.fps)
    except struct.error:
        raise InputError(f"frame {packet.frame} at {packet.fps} does not fit the packet's 32 bits") from None
    return bytes([VERSION]) + device + subject + time + _VALUES.pack(len(CHANNELS), *(values * _SIGNS)[_ORDER])


def _name(what: str, text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    if not 0 < len(data) <= LONGEST_NAME or not text.isprintable():
        raise InputError(
            f"the {what}'s name is {text[:40]!r}, {len(data)} bytes; wanted 1 to {LONGEST_NAME} printable ones, as "
            "in emberface"
        )
    return struct.pack(">i", len(data)) + data


def decode(data: bytes) -> FacePacket:
    """Bytes to a packet. Raises FormatError, saying what is wrong, for anything but one whole packet of version 6."""
    if not data or len(data) > _LARGEST:
        raise FormatError(f"a Live Link Face packet has 1 to {_LARGEST} bytes, found {len(data)}")
    if data[0] != VERSION:
        raise FormatError(f"the packet is of version {data[0]}, wanted {VERSION}; update the app that sends it")
    device, at = _read_name(data, 1, "device")
    subject, at = _read_name(data, at, "subject")
    if len(data) != at + _TIME.size + _VALUES.size:
        raise FormatError(
            f"{len(data) - at} bytes follow the packet's names, wanted {_TIME.size + _VALUES.size}: a frame time and "
            f"{len(CHANNELS)} values"
        )
    frame, part, numerator, denominator = _TIME.unpack_from(data, at)
    count, *values = _VALUES.unpack_from(data, at + _TIME.size)
    if count != len(CHANNELS):
        raise FormatError(f"the packet counts {count} values, wanted {len(CHANNELS)}")
    if frame < 0 or not 0 <= part < 1 or numerator < 1 or denominator < 1:
        raise FormatError(f"the packet's frame time is {frame} + {part:g} at {numerator}/{denominator} frames a second")
    channels = np.array(values, np.float64)
    if not np.isfinite(channels).all():
        raise FormatError("the packet holds values that are NaN or infinite")
    return FacePacket(device, subject, frame, part, (numerator, denominator), channels[_ORDER] * _SIGNS)


def _read_name(data: bytes, at: int, what: str) -> tuple[str, int]:
    """A name and where it ends."""
    if at + 4 > len(data):
        raise FormatError(f"the packet ends before its {what}'s name")
    (length,) = struct.unpack_from(">i", data, at)
    end = at + 4 + length
    if not 0 < length <= LONGEST_NAME or end > len(data):
        raise FormatError(f"the {what}'s name is to have {length} bytes, wanted 1 to {LONGEST_NAME} within the packet")
    try:
        name = data[at + 4 : end].decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"the {what}'s name is not UTF-8") from None
    if not name.isprintable():
        raise FormatError(f"the {what}'s name {name!r} holds control characters")
    return name, end
