import shutil

import numpy as np
import pytest
import torch

from flame_tools import FormatError, Head, load_head, save_track
from flame_tools.export import write_csv, write_fbx, write_glb
from flame_tools.export.flame_params import write_flame_params
from flame_tools.imports import READERS, read_track
from tests.flame_tools.export.conftest import lively_track
from tests.flame_tools.flame_shaped import flame_shaped


@pytest.fixture(scope="module")
def head():
    return Head(flame_shaped(vertices=300, faces=600, shapes=12, expressions=8))


WRITERS = {".glb": write_glb, ".fbx": write_fbx, ".npz": write_flame_params, ".pkl": write_flame_params}


@pytest.mark.parametrize("ending", [*WRITERS, ".face.npz"])
def test_every_file_by_its_name_and_without_it(ending, head, tmp_path):
    track = lively_track(head, 7)
    if ending == ".face.npz":
        save_track(track, tmp_path / f"x{ending}")
    else:
        WRITERS[ending](track, head, tmp_path / f"x{ending}")
    names = [f"x{ending}"]
    if ending != ".pkl":  # a pickle has no first bytes of its own
        shutil.copy(tmp_path / names[0], tmp_path / "nameless.dat")
        names.append("nameless.dat")
    for name in names:
        again = read_track(tmp_path / name, head)
        assert again.fps == (30, 1) and len(again) == 7
        torch.testing.assert_close(again.params.expression, track.params.expression, rtol=0, atol=1e-6)
        faster = read_track(tmp_path / name, head, fps=60)
        assert faster.fps == (60, 1) and len(faster) == 13
        torch.testing.assert_close(faster.params.expression[::2], track.params.expression, rtol=0, atol=1e-6)
        turned = (track.params.neck[2] - faster.params.neck[4]).abs().max()
        assert turned < 1e-6


def test_a_csv_under_another_name(arrays, tmp_path):
    head = Head(arrays)
    write_csv(lively_track(head, 40), head, tmp_path / "x.txt")
    assert len(read_track(tmp_path / "x.txt", head)) == 40


def test_what_is_no_performance(head, arrays, tmp_path):
    ways_out = {
        "x.dat": (b"\x89PNG", r"wanted \.csv, \.glb"),
        "x.png": (b"\x89PNG\r\n\x1a\n", "run emberface recon on it"),
        "x.usdz": (b"PK\x03\x04", "USD files are written and not read"),
        "x.usda": (b"#usda 1.0", "USD files are written and not read"),
        "empty.glb": (b"", "empty.glb is empty"),
        "random.glb": (b"\x93\x12\xff" * 50, "no GLB and no glTF"),
    }
    for name, (content, said) in ways_out.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match=said):
            read_track(tmp_path / name, head)
    with pytest.raises(FormatError, match="not there"):
        read_track(tmp_path / "nothing.glb", head)
    with pytest.raises(FormatError, match="folder without"):
        read_track(tmp_path, head)
    save_track(lively_track(Head(arrays)), tmp_path / "x.face.npz")
    with pytest.raises(FormatError, match=r"head 'random'.*emberface\.transfer"):
        read_track(tmp_path / "x.face.npz", head)
    assert set(WRITERS) < set(READERS) and np.all([ending == ending.lower() for ending in READERS])


@pytest.mark.parametrize("content", [b"", b"no zip at all"])
def test_an_npz_that_is_none_is_not_taken_for_parameters(content, head, tmp_path):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(FormatError, match=r"x.npz does not begin as numpy's files do"):
        read_track(tmp_path / "x.npz", head)
    with pytest.raises(FormatError, match=r"x.npz does not begin as numpy's files do"):
        load_head(tmp_path / "x.npz")
