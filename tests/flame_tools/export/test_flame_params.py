import dataclasses
import pickle
import pickletools

import numpy as np
import pytest
import torch

from flame_tools import Head, InputError, ShapeError, load_head
from flame_tools.export.flame_params import write_flame_params
from flame_tools.imports import read_flame_params
from flame_tools.posing import posed_frames
from tests.flame_tools.export.conftest import assert_same_bytes_or_none, lively_track
from tests.flame_tools.flame_shaped import flame_shaped, write_for_smplx
from tests.flame_tools.imports.conftest import FIELDS, assert_same_track


@pytest.fixture(scope="module")
def arrays():
    return flame_shaped(seed=1, vertices=400, faces=700)


@pytest.fixture(scope="module")
def head(arrays):
    return Head(arrays)


def test_smplx_makes_our_vertices_of_it(arrays, tmp_path):
    """The published program poses the published files (in their layout, random numbers) with what we wrote."""
    smplx = pytest.importorskip("smplx", reason="smplx is the peer: pip install smplx")
    write_for_smplx(tmp_path, arrays)
    head = load_head(tmp_path)
    track = lively_track(head, 9)
    write_flame_params(track, head, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        given = {name: torch.from_numpy(file[name]) for name in file.files}
    model = smplx.FLAME(str(tmp_path), ext="npz", num_betas=300, num_expression_coeffs=100)
    theirs = model(**given).vertices.detach().numpy()
    ours = np.stack(list(posed_frames(track, head)))
    np.testing.assert_allclose(theirs, ours, atol=1e-6)  # metres; worst seen 3e-7
    assert float(given["mocap_frame_rate"]) == 30


@pytest.mark.parametrize("ending", ["npz", "pkl"])
def test_smplxs_layout_gives_the_track_back(ending, head, tmp_path):
    fields = tuple(name for name in FIELDS if name != "eyelids")
    for fps in ((30, 1), (30000, 1001), None):
        track = lively_track(head, 9)
        times = np.cumsum(np.linspace(0.01, 0.05, 9)) if fps is None else 1.5 + np.arange(9) * fps[1] / fps[0]
        track = track.replace(time_s=times, fps=fps)
        write_flame_params(track, head, tmp_path / f"x.{ending}")
        assert_same_track(read_flame_params(tmp_path / f"x.{ending}", head), track, atol=1e-7, fields=fields)


@pytest.mark.parametrize("ending", ["emote.npz", "emote.pkl"])
def test_emotes_layout(ending, head, tmp_path):
    track = lively_track(head, 9)
    track = track.replace(time_s=np.arange(9) / 25, fps=(25, 1))
    write_flame_params(track, head, tmp_path / f"x.{ending}")
    again = read_flame_params(tmp_path / f"x.{ending}", head)
    assert_same_track(again, track, atol=1e-7, fields=("shape", "expression", "jaw", "global_rotation"))
    assert not again.params.neck.any()


def test_a_pickle_that_every_numpy_opens(head, tmp_path):
    """A dict of four arrays and a rate; its globals are those that NumPy 1 and 2 both have."""
    track = lively_track(head, 9)
    write_flame_params(track, head, tmp_path / "x.emote.pkl")
    data = (tmp_path / "x.emote.pkl").read_bytes()
    content = pickle.loads(data)
    assert {name: value.shape for name, value in content.items()} == {
        "shape": (300,), "expression": (9, 100), "jaw_pose": (9, 3), "global_pose": (9, 3), "fps": (),
    }  # fmt: skip
    np.testing.assert_array_equal(content["jaw_pose"], track.params.jaw)
    operations = list(pickletools.genops(data))
    named = {argument for code, argument, _ in operations if code.name == "GLOBAL"}
    assert named == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
    assert max(code.proto for code, _, _ in operations) <= 3


def test_lids_go_along_where_the_head_has_shapes_for_them(tmp_path):
    head = Head(flame_shaped(seed=1, vertices=400, faces=700, eyelids=True))
    track = lively_track(head, 9)
    write_flame_params(track, head, tmp_path / "x.npz")
    assert_same_track(read_flame_params(tmp_path / "x.npz", head), track, atol=1e-7)


def test_same_bytes_or_none(head, arrays, tmp_path):
    track = lively_track(head)
    broken = track.replace(params=track.params.replace(jaw=torch.full_like(track.params.jaw, torch.nan)))
    for layout in ("smplx", "emote"):
        (tmp_path / layout).mkdir()

        def write(track, head, path, layout=layout):
            write_flame_params(track, head, path, layout=layout)

        assert_same_bytes_or_none(write, track, broken, head, tmp_path / layout, ShapeError, "jaw holds NaN")
    with pytest.raises(InputError, match="layout is 'x'"):
        write_flame_params(track, head, tmp_path / "x.npz", layout="x")
    other = Head(dataclasses.replace(arrays, joints_follow_expression=False))
    with pytest.raises(InputError, match=r"no FLAME head.*emberface\.transfer"):
        write_flame_params(lively_track(other), other, tmp_path / "x.npz")
    with pytest.raises(ShapeError, match="made on head 'x'"):
        write_flame_params(track.replace(head_id="x"), head, tmp_path / "x.npz")
    assert not list(tmp_path.glob("x*"))
