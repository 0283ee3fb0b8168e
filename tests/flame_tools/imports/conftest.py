"""Tracks compared, and files of others made from ours."""

import json
import struct

import numpy as np
import pytest
import torch

from flame_tools import load_head

FIELDS = ("shape", "expression", "jaw", "eyes", "eyelids", "neck", "global_rotation", "translation")


@pytest.fixture(scope="session")
def default_head():
    return load_head()


def assert_same_track(found, wanted, *, atol, fields=FIELDS):
    assert found.head_id == wanted.head_id and found.fps == wanted.fps
    np.testing.assert_allclose(found.time_s, wanted.time_s, atol=1e-9)
    for name in fields:
        torch.testing.assert_close(
            getattr(found.params, name),
            getattr(wanted.params, name),
            rtol=0,
            atol=atol,
            msg=lambda m, n=name: f"{n}: {m}",
        )


def changed_glb(data: bytes, change) -> bytes:
    """A .glb whose JSON went through `change`, which may also append to the binary chunk that it is given."""
    (length,) = struct.unpack_from("<I", data, 12)
    document, binary = json.loads(data[20 : 20 + length]), bytearray(data[20 + length + 8 :])
    change(document, binary)
    document["buffers"][0]["byteLength"] = len(binary)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + bytes(binary)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
