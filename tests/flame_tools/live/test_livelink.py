import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.errors import FormatError, InputError, ShapeError
from flame_tools.live import CHANNELS
from flame_tools.live.livelink import PACKET_NAMES, FacePacket, decode, device_of, encode, packet_at

# EARFaceBlendShape, as the engine counts it
ENGINE_COUNT = """
EyeBlinkLeft EyeLookDownLeft EyeLookInLeft EyeLookOutLeft EyeLookUpLeft EyeSquintLeft EyeWideLeft
EyeBlinkRight EyeLookDownRight EyeLookInRight EyeLookOutRight EyeLookUpRight EyeSquintRight EyeWideRight
JawForward JawLeft JawRight JawOpen MouthClose MouthFunnel MouthPucker MouthLeft MouthRight
MouthSmileLeft MouthSmileRight MouthFrownLeft MouthFrownRight MouthDimpleLeft MouthDimpleRight
MouthStretchLeft MouthStretchRight MouthRollLower MouthRollUpper MouthShrugLower MouthShrugUpper
MouthPressLeft MouthPressRight MouthLowerDownLeft MouthLowerDownRight MouthUpperUpLeft MouthUpperUpRight
BrowDownLeft BrowDownRight BrowInnerUp BrowOuterUpLeft BrowOuterUpRight
CheekPuff CheekSquintLeft CheekSquintRight NoseSneerLeft NoseSneerRight TongueOut
HeadYaw HeadPitch HeadRoll LeftEyeYaw LeftEyePitch LeftEyeRoll RightEyeYaw RightEyePitch RightEyeRoll
"""
ENGINE_ORDER = ENGINE_COUNT.split()
TURNED_ROUND = ("HeadPitch", "LeftEyeYaw", "LeftEyeRoll", "RightEyeYaw", "RightEyeRoll")
DEVICE = "0A1B2C3D-0000-4000-8000-00000000000F"
names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=60)


def by_hand(face) -> bytes:
    """The packet of frame 1234.25 at 30000/1001 frames a second, written out field by field."""
    value = dict(zip(CHANNELS, face, strict=True))
    data = b"\x06" + b"\x00\x00\x00\x24" + DEVICE.encode() + b"\x00\x00\x00\x06" + "Łucja".encode()
    data += b"\x00\x00\x04\xd2" + b"\x3e\x80\x00\x00" + b"\x00\x00\x75\x30" + b"\x00\x00\x03\xe9" + b"\x3d"
    for name in ENGINE_ORDER:
        data += struct.pack(">f", -value[name] if name in TURNED_ROUND else value[name])
    return data


def test_a_packet_is_the_bytes_that_the_engine_reads(face):
    packet = FacePacket(DEVICE, "Łucja", 1234, 0.25, (30000, 1001), face)
    assert encode(packet) == by_hand(face)
    assert len(encode(packet)) == 1 + 40 + 10 + 16 + 1 + 61 * 4
    back = decode(by_hand(face))
    assert (back.device, back.subject, back.frame, back.part, back.fps) == (DEVICE, "Łucja", 1234, 0.25, (30000, 1001))
    np.testing.assert_allclose(back.channels, face, rtol=1e-7)


def test_the_order_is_the_engines_and_not_the_csvs():
    assert list(PACKET_NAMES) == ENGINE_ORDER
    differ = {a for a, b in zip(PACKET_NAMES, CHANNELS, strict=True) if a != b}
    assert differ == {"JawLeft", "JawRight", "MouthLeft", "MouthRight"}


@pytest.mark.parametrize(
    ("time_s", "fps", "frame", "part"),
    [
        (0.0, (60, 1), 0, 0.0),
        (0.1, (30, 1), 3, 0.0),
        (1.0, (30000, 1001), 29, 0.97003),
        (2.5 / 60, (60, 1), 2, 0.5),
        (-0.2, (60, 1), 0, 0.0),
        (3e8, (120, 1), 36_000_000_000 % 2**31, 0.0),
    ],
)
def test_moments_are_frames_and_parts_of_them(face, time_s, fps, frame, part):
    packet = packet_at(time_s, face, fps=fps, subject="x")
    assert packet.frame == frame and packet.part == pytest.approx(part, abs=1e-4)
    assert decode(encode(packet)).frame == frame


@pytest.mark.parametrize("fps", [(30, 1), (60, 1), (30000, 1001), (24, 1)])
def test_a_frames_own_time_is_its_number(face, fps):
    for i in range(2000):
        packet = packet_at(i * (fps[1] / fps[0]), face, fps=fps, subject="x")
        assert packet.frame == i and packet.part < 1e-3


def test_a_device_is_its_subjects_own_and_always_the_same(face):
    packet = packet_at(0.0, face, fps=(60, 1), subject="anna")
    assert packet.device == device_of("anna") == device_of("anna") != device_of("bert")
    assert len(packet.device) == 36 and packet.device == packet.device.upper()
    assert packet_at(0.0, face, fps=(60, 1), subject="anna", device=DEVICE).device == DEVICE


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    extreme=st.floats(allow_nan=False, allow_infinity=False, width=32),
    device=names,
    subject=names,
    frame=st.integers(0, 2**31 - 1),
    part=st.floats(0, 1, exclude_max=True, width=32),
    fps=st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1)),
)
def test_packets_come_back_as_they_went(seed, extreme, device, subject, frame, part, fps):
    channels = np.random.default_rng(seed).uniform(-4, 4, 61).astype(np.float32)
    channels[seed % 61] = np.clip(extreme, -3e38, 3e38)
    back = decode(encode(FacePacket(device, subject, frame, part, fps, channels)))
    assert (back.device, back.subject, back.frame, back.part, back.fps) == (device, subject, frame, part, fps)
    np.testing.assert_array_equal(back.channels, channels)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=900))
def test_any_bytes_are_refused_in_one_way(data):
    with pytest.raises(FormatError):
        decode(data)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 310), value=st.integers(0, 255), cut=st.integers(0, 312))
def test_a_broken_packet_is_refused_or_still_one(at, value, cut):
    data = bytearray(by_hand(np.linspace(0, 1, 61)))
    data[at] = value
    for broken in (bytes(data), bytes(data[:cut])):
        try:
            packet = decode(broken)
        except FormatError:
            continue
        assert np.isfinite(packet.channels).all() and 0 <= packet.part < 1 and packet.subject.isprintable()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: b"", "bytes"),
        (lambda d: b"\x05" + d[1:], "version 5"),
        (lambda d: d + b"\0", "follow"),
        (lambda d: d[:-1], "follow"),
        (lambda d: d[:67] + b"\x3c" + d[68:], "counts 60"),
        (lambda d: d[:1] + b"\x7f\xff\xff\xff" + d[5:], "2147483647"),
        (lambda d: d[:1] + b"\xff\xff\xff\xff" + d[5:], "-1"),
        (lambda d: d.replace("Łucja".encode(), b"\xff\xfe\xfd\xfc\xfb\xfa"), "UTF-8"),
        (lambda d: d.replace("Łucja".encode(), b"a\x1b[31m"), "control"),
        (lambda d: d[:51] + b"\xff" + d[52:], "frame time"),
        (lambda d: d[:63] + b"\0\0\0\0" + d[67:], "frame time"),
        (lambda d: d[:-4] + b"\x7f\xc0\0\0", "NaN"),
        (lambda d: b"\x06" * 5000, "5000"),
    ],
)
def test_what_is_wrong_with_a_packet_is_said(face, change, match):
    with pytest.raises(FormatError, match=match):
        decode(change(by_hand(face)))


@pytest.mark.parametrize("name", ["", "x" * 256, "ł" * 128, "a\nb", "\x1b[31m"])
def test_names_that_no_engine_would_show_are_refused(face, name):
    with pytest.raises(InputError, match="subject"):
        encode(FacePacket(DEVICE, name, 0, 0.0, (60, 1), face))


@pytest.mark.parametrize("channels", [np.zeros(52), np.full(61, np.nan), np.full(61, 1e39)])
def test_channels_that_are_no_face_are_refused(channels):
    with pytest.raises(ShapeError, match="61"):
        encode(FacePacket(DEVICE, "x", 0, 0.0, (60, 1), channels))


def test_frames_beyond_32_bits_are_refused(face):
    with pytest.raises(InputError, match="32 bits"):
        encode(FacePacket(DEVICE, "x", 2**31, 0.0, (60, 1), face))
