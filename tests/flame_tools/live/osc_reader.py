"""OSC 1.0 read by the letter of its specification, knowing nothing of our writer."""

import struct


def messages_in(data: bytes) -> list[tuple]:
    """(address, arguments...) of a message, or of all in a bundle."""
    assert len(data) % 4 == 0
    if not data.startswith(b"#bundle\0"):
        return [_message(data)]
    assert data[8:16] == bytes(7) + b"\x01"  # immediately
    found, at = [], 16
    while at < len(data):
        (size,) = struct.unpack(">i", data[at : at + 4])
        found += messages_in(data[at + 4 : at + 4 + size])
        at += 4 + size
    assert at == len(data)
    return found


def _message(data: bytes) -> tuple:
    address, at = _text(data, 0)
    tags, at = _text(data, at)
    assert tags[0] == ","
    arguments = []
    for tag in tags[1:]:
        if tag == "s":
            value, at = _text(data, at)
        else:
            (value,) = struct.unpack({"i": ">i", "f": ">f"}[tag], data[at : at + 4])
            at += 4
        arguments.append(value)
    assert at == len(data)
    return (address, *arguments)


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    after = end + 4 - (end - at) % 4
    assert data[end:after] == bytes(after - end)
    return data[at:end].decode("ascii"), after
