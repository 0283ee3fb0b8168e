"""Focal lengths that cameras write into films, and files that only look like it."""

import struct

import numpy as np
import pytest

from render.quicktime import FOCAL_35MM, focal_35mm


def atom(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def meta(value: bytes, kind: int, *, name: str = FOCAL_35MM, handler: bytes = b"mdta", version: bytes = b"") -> bytes:
    """A `meta` atom with another item before the one that counts."""
    names = [atom(b"mdta", one.encode()) for one in ("com.apple.quicktime.camera.lens_model", name)]
    items = [(b"a lens of 6.765mm", 1), (value, kind)]
    listed = [
        atom(struct.pack(">I", n), atom(b"data", struct.pack(">II", how, 0), raw))
        for n, (raw, how) in enumerate(items, 1)
    ]
    return atom(
        b"meta",
        version,
        atom(b"hdlr", bytes(8), handler, bytes(13)),
        atom(b"keys", struct.pack(">II", 0, len(names)), *names),
        atom(b"ilst", *listed),
    )


def film(path, content: bytes, *, large: bool = False):
    """A file of a movie with a track that holds `content`, after media of some bytes."""
    media = struct.pack(">I4sQ", 1, b"mdat", 16 + 99) + bytes(99) if large else atom(b"mdat", bytes(99))
    path.write_bytes(atom(b"ftyp", b"qt  ") + media + atom(b"moov", atom(b"mvhd", bytes(20)), atom(b"trak", content)))
    return path


@pytest.mark.parametrize(
    "value, kind, mm",
    [
        (b"26.00mm", 1, 26.0),
        (b"50", 1, 50.0),
        (bytes([27]), 21, 27.0),
        (struct.pack(">h", 27), 21, 27.0),
        (struct.pack(">I", 77), 22, 77.0),
        (struct.pack(">f", 13.5), 23, 13.5),
        (struct.pack(">d", 120.0), 24, 120.0),
    ],
)
def test_every_kind_of_number_is_read(tmp_path, value, kind, mm):
    assert focal_35mm(film(tmp_path / "a.mov", meta(value, kind))) == mm
    assert focal_35mm(film(tmp_path / "b.mov", meta(value, kind, version=bytes(4)), large=True)) == mm


@pytest.mark.parametrize(
    "content",
    [
        b"",
        meta(b"wide", 1),
        meta(b"3", 1),  # no lens
        meta(struct.pack(">f", float("nan")), 23),
        meta(b"26", 1, name="com.apple.quicktime.camera.focal_length"),
        meta(b"26", 1, handler=b"mdir"),
        meta(b"26", 99),
        atom(b"meta", b"\xff" * 60),
    ],
)
def test_what_does_not_say_is_none(tmp_path, content):
    assert focal_35mm(film(tmp_path / "a.mov", content)) is None


def test_cut_or_spoilt_files_say_nothing_or_the_truth(tmp_path):
    whole = film(tmp_path / "a.mov", meta(b"26", 1)).read_bytes()
    rng, spoilt = np.random.default_rng(0), tmp_path / "b.mov"
    for length in range(0, len(whole), 7):
        spoilt.write_bytes(whole[:length])
        assert focal_35mm(spoilt) in (None, 26.0)
    for _ in range(200):
        bytes_ = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            bytes_[place] = rng.integers(256)
        spoilt.write_bytes(bytes_)
        found = focal_35mm(spoilt)
        assert found is None or 8 <= found <= 2000
    assert focal_35mm(tmp_path / "missing.mov") is None


def test_atoms_within_atoms_without_end_are_left(tmp_path):
    content = b""
    for _ in range(2000):
        content = atom(b"udta", content)
    assert focal_35mm(film(tmp_path / "a.mov", content)) is None
