import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.characters.fbx_nodes import MAGIC, Node, read_nodes, write_nodes
from flame_tools.errors import FormatError

ARRAYS = [np.arange(5, dtype=kind) for kind in ("<f4", "<f8", "<i4", "<i8")] + [np.zeros(5000), np.zeros(0)]
TREE = Node(
    "",
    [],
    [
        Node("A", [1, -(2**40), 0.5, True, "text\x00\x01Class", b"raw", *ARRAYS], [Node("B"), Node("C", ["x"])]),
        Node("Empty"),
    ],
)


def same(a: Node, b: Node) -> None:
    assert (a.name, len(a.properties), len(a.children)) == (b.name, len(b.properties), len(b.children))
    for x, y in zip(a.properties, b.properties, strict=True):
        np.testing.assert_array_equal(x, y)
        assert type(x) is type(y) or isinstance(x, np.ndarray)
    for x, y in zip(a.children, b.children, strict=True):
        same(x, y)


@pytest.mark.parametrize("version", [7100, 7400, 7500, 7700])
def test_what_is_written_is_read(version):
    data = write_nodes(TREE, version=version)
    found = read_nodes(data, "file")
    assert found.properties == [version]
    for x, y in zip(TREE.children, found.children, strict=True):
        same(x, y)
    assert data == write_nodes(TREE, version=version)


def test_look_up():
    node = TREE.children[0]
    assert node.first("B").name == "B" and node.first("Z") is None and len(node.all("C")) == 1
    assert node.value("C", str) == "x" and node.value("C", int) is None and node.array("C").size == 0


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "no binary FBX"),
        (b"; FBX 7.4.0 project file\nFBXHeaderExtension:  {", "as text"),
        (MAGIC, "cut short"),
        (MAGIC + struct.pack("<I", 6100), "6.1"),
        (write_nodes(TREE)[:80], "cut short"),
    ],
)
def test_other_files_are_refused(data, match):
    with pytest.raises(FormatError, match=match):
        read_nodes(data, "file")


def record(*properties: bytes, name=b"A", below=b"", stop=0, count=None):
    body = b"".join(properties)
    start = len(MAGIC) + 4
    end = stop or start + 13 + len(name) + len(body) + len(below)
    head = struct.pack("<IIIB", end, len(properties) if count is None else count, len(body), len(name))
    return MAGIC + struct.pack("<I", 7400) + head + name + body + below


def array(count, encoding, data, length=None):
    return b"d" + struct.pack("<III", count, encoding, len(data) if length is None else length) + data


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (record(array(2, 0, b"\0" * 8)), "broken"),  # shorter than it says
        (record(array(2**31, 0, b"")), "broken"),
        (record(array(1, 1, zlib.compress(b"\0" * 16))), "inflate"),  # longer than it says
        (record(array(4, 1, zlib.compress(b"\0" * 16))), "inflate"),
        (record(array(1, 1, b"no zlib at all")), "inflate"),
        (record(array(1, 7, b"\0" * 8)), "broken"),
        (record(b"S" + struct.pack("<I", 2**31)), "broken"),
        (record(b"L\0"), "broken"),
        (record(b"?"), "unknown type"),
        (record(b"Y\0\0", count=2**31), "broken"),
        (record(stop=2**31), "broken"),
        (record(stop=3), "broken"),
    ],
)
def test_broken_records_are_refused(data, match):
    with pytest.raises(FormatError, match=match):
        read_nodes(data, "file")


def test_a_bomb_is_refused_before_it_fills_the_memory():
    bomb = zlib.compress(b"\0" * (1 << 20))
    with pytest.raises(FormatError, match="more than"):
        read_nodes(record(array(2**32 - 1, 1, bomb)), "file")


def test_deep_records_are_refused():
    node = Node("A")
    for _ in range(100):
        node = Node("A", [], [node])
    with pytest.raises(FormatError, match="deep"):
        read_nodes(write_nodes(Node("", [], [node])), "file")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_never_crash(data):
    """A file with a few bytes changed or cut is read, or refused with a FormatError."""
    raw = bytearray(write_nodes(TREE, version=data.draw(st.sampled_from([7400, 7500]))))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    with contextlib.suppress(FormatError):
        read_nodes(bytes(raw), "file")
