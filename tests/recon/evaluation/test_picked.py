"""Landmark files as they are published, and as nobody should send them."""

import numpy as np
import pytest

from flame_tools.errors import FormatError, InputError
from recon.evaluation.picked import SEVEN_OF_68, SEVEN_OF_468, read_seven
from recon.fitting.evaluate import IBUG_68

POINTS = np.random.default_rng(0).normal(size=(7, 3)).round(4) * 50


def pp(points, *, active="1", head="", root="PickedPoints") -> str:
    rows = "".join(
        f' <point y="{y}" x="{x}" active="{active}" z="{z}" name="{i}"/>\n' for i, (x, y, z) in enumerate(points)
    )
    return (
        f"<!DOCTYPE {root}{head}>\n<{root}>\n <DocumentData>\n"
        '  <DateTime time="16:00:00" date="2018-12-31"/>\n  <User name="x"/>\n  <DataFileName name="scan.obj"/>\n'
        f'  <templateName name=""/>\n </DocumentData>\n{rows}</{root}>\n'
    )


def test_every_format_says_the_same(tmp_path):
    (tmp_path / "a.pp").write_text(pp(POINTS))
    (tmp_path / "a.txt").write_text("\n".join(" ".join(map(str, row)) for row in POINTS.tolist()) + "\n")
    (tmp_path / "b.txt").write_text("\n".join(",".join(map(str, row)) for row in POINTS.tolist()))
    np.save(tmp_path / "a.npy", POINTS)
    for name in ("a.pp", "a.txt", "b.txt", "a.npy"):
        assert read_seven(tmp_path / name) == pytest.approx(POINTS, abs=1e-12)


def test_larger_sets_give_their_seven(tmp_path):
    every = np.random.default_rng(1).normal(size=(68, 3)).astype(np.float32)
    np.save(tmp_path / "68.npy", every)
    np.save(tmp_path / "51.npy", every[None, 17:])
    for name in ("68.npy", "51.npy"):
        assert (read_seven(tmp_path / name) == every[list(SEVEN_OF_68)]).all()
    assert tuple(IBUG_68[i] for i in SEVEN_OF_68) == SEVEN_OF_468


ENTITY = ' [<!ENTITY a SYSTEM "file:///etc/hostname">]'


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.pp", b"", "0 bytes"),
        ("a.pp", b"x" * ((1 << 20) + 1), "bytes"),
        ("a.pp", b"\x00\xff" * 40, "XML"),
        ("a.pp", pp(POINTS[:6]).encode(), r"\[6, 3\]"),
        ("a.pp", pp([]).encode(), r"\[0, 3\]"),
        ("a.pp", pp(POINTS, active="0").encode(), "not picked"),
        ("a.pp", pp(POINTS, root="Mesh").encode(), "PickedPoints"),
        ("a.pp", pp(POINTS, head=ENTITY).encode(), "entities"),
        ("a.pp", pp(POINTS).replace('x="', 'x="a').encode(), "lacks a number"),
        ("a.pp", pp(np.full((7, 3), np.nan)).encode(), "NaN"),
        ("a.txt", b"1 2 3\n" * 7, "same point twice"),
        ("a.txt", b"1 2\n3 4 5\n", "three numbers"),
        ("a.txt", b"one two three\n", "three numbers"),
        ("a.npy", b"\x93NUMPY\x01\x00nonsense", "no array"),
    ],
)
def test_what_is_no_landmark_file_is_refused_in_one_line(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=says) as caught:
        read_seven(tmp_path / name)
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_a_pickle_is_never_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], object), allow_pickle=True)
    with pytest.raises(FormatError, match="Python objects"):
        read_seven(tmp_path / "a.npy")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_seven(tmp_path / "a.pp")
    with pytest.raises(InputError, match=r"\.pp"):
        read_seven(tmp_path / "a.pkl")
