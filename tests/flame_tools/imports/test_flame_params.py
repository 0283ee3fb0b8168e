import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from flame_tools import FormatError, Head, InputError, ShapeError
from flame_tools.imports import read_flame_params
from tests.flame_tools.flame_shaped import flame_shaped

RNG = np.random.default_rng(3)
T = 4


@pytest.fixture(scope="module")
def head():
    return Head(flame_shaped(vertices=300, faces=600, shapes=300, expressions=100, eyelids=True))


def numbers(*size):
    return RNG.normal(size=size).astype(np.float32)


# What each program saves, by its own names and sizes, and where its parts go.
DECA = {
    "shape": np.tile(numbers(1, 100), (T, 1)), "tex": numbers(T, 50), "exp": numbers(T, 50), "pose": numbers(T, 6),
    "cam": numbers(T, 3), "light": numbers(T, 9, 3), "images": numbers(T, 3, 8, 8), "detail": numbers(T, 128),
}  # fmt: skip
EMOCA = {
    "shapecode": DECA["shape"], "texcode": numbers(T, 50), "expcode": numbers(T, 50), "posecode": numbers(T, 6),
    "cam": numbers(T, 3), "lightcode": numbers(T, 9, 3), "detailcode": numbers(T, 128),
}  # fmt: skip
SMIRK = {
    "pose_params": numbers(T, 3), "cam": numbers(T, 3), "shape_params": np.tile(numbers(1, 300), (T, 1)),
    "expression_params": numbers(T, 50), "eyelid_params": RNG.random((T, 2)), "jaw_params": numbers(T, 3),
}  # fmt: skip
EMOTE = {
    "shape": numbers(300),
    "expression": numbers(T, 50),
    "jaw_pose": numbers(T, 3),
    "global_pose": np.zeros((T, 3)),
}


def check(track, head, *, shape, expression, root, jaw, lids=None):
    p = track.params
    for found, wanted in (
        (p.shape, np.pad(shape, (0, 300 - len(shape)))),
        (p.expression, np.pad(expression, ((0, 0), (0, 100 - expression.shape[1])))),
        (p.global_rotation, root),
        (p.jaw, jaw),
        (p.eyelids, np.zeros((len(track), 2)) if lids is None else lids),
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert track.head_id == head.arrays.id and not p.neck.any() and not p.eyes.any() and not p.translation.any()
    assert head(p).vertices.isfinite().all()


@pytest.mark.parametrize("kind", ["npz", "pkl", "npy", "torch", "frames"])
def test_deca_and_spectre(kind, head, tmp_path):
    path = tmp_path / f"x.{kind}"
    if kind == "npz":
        np.savez(path, **DECA)
    elif kind == "npy":
        np.save(path, DECA, allow_pickle=True)
    elif kind == "torch":
        torch.save({key: torch.from_numpy(value) for key, value in DECA.items()}, path)
    elif kind == "frames":  # a dict for each frame, of batches of one
        path.write_bytes(pickle.dumps([{key: value[i : i + 1] for key, value in DECA.items()} for i in range(T)]))
    else:
        path.write_bytes(pickle.dumps(DECA))
    track = read_flame_params(path, head, fps=29.97)
    pose = DECA["pose"]
    check(track, head, shape=DECA["shape"][0], expression=DECA["exp"], root=pose[:, :3], jaw=pose[:, 3:])
    assert track.fps == (30000, 1001) and sorted(track.provenance["aside"]) == [
        "cam",
        "detail",
        "images",
        "light",
        "tex",
    ]


def test_emoca(head, tmp_path):
    np.savez(tmp_path / "x.npz", **EMOCA)
    track = read_flame_params(tmp_path / "x.npz", head, fps=25)
    pose = EMOCA["posecode"]
    check(track, head, shape=EMOCA["shapecode"][0], expression=EMOCA["expcode"], root=pose[:, :3], jaw=pose[:, 3:])


def test_emocas_folders(head, tmp_path):
    for i in range(T):
        (tmp_path / f"{i:06d}_00").mkdir()
        for name, key in (("shape", "shapecode"), ("exp", "expcode"), ("pose", "posecode"), ("tex", "texcode")):
            np.save(tmp_path / f"{i:06d}_00" / f"{name}.npy", EMOCA[key][i])
    track = read_flame_params(tmp_path, head, fps=25)
    pose = EMOCA["posecode"]
    check(track, head, shape=EMOCA["shapecode"][0], expression=EMOCA["expcode"], root=pose[:, :3], jaw=pose[:, 3:])
    assert len(read_flame_params(tmp_path / "000002_00", head)) == 1
    (tmp_path / "000003_00" / "pose.npy").unlink()
    with pytest.raises(FormatError, match=r"000003_00 has no pose\.npy"):
        read_flame_params(tmp_path, head, fps=25)


def test_smirk(head, tmp_path):
    np.savez(tmp_path / "x.npz", **SMIRK)
    track = read_flame_params(tmp_path / "x.npz", head, fps=25)
    parts = {"root": SMIRK["pose_params"], "jaw": SMIRK["jaw_params"], "lids": SMIRK["eyelid_params"]}
    check(track, head, shape=SMIRK["shape_params"][0], expression=SMIRK["expression_params"], **parts)
    blank = Head(flame_shaped(vertices=300, faces=600, shapes=300, expressions=100))
    track = read_flame_params(tmp_path / "x.npz", blank, fps=25)
    assert "l_eyelid.npy" in track.provenance["lids"] and not track.params.eyelids.any()


def test_emote(head, tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(EMOTE))
    track = read_flame_params(tmp_path / "x.pkl", head)
    assert track.fps == (25, 1)
    parts = {"root": EMOTE["global_pose"], "jaw": EMOTE["jaw_pose"]}
    check(track, head, shape=EMOTE["shape"], expression=EMOTE["expression"], **parts)
    again = read_flame_params(tmp_path / "x.pkl", head, fps=50)
    assert again.fps == (50, 1) and len(again) == 2 * T - 1
    torch.testing.assert_close(again.params.expression[::2], track.params.expression)


def test_an_identity_that_changes_is_one_and_told(head, tmp_path):
    shape = numbers(T, 100)
    np.savez(tmp_path / "x.npz", **(DECA | {"shape": shape}))
    track = read_flame_params(tmp_path / "x.npz", head, fps=25)
    np.testing.assert_allclose(track.params.shape[:100], shape.mean(0), atol=1e-6)
    assert track.provenance["shape_sd"] == pytest.approx(shape.std(0).max(), abs=1e-5)


def without(table, *keys):
    return {key: value for key, value in table.items() if key not in keys}


REFUSED = {
    "'mystery' is not understood": (FormatError, DECA | {"mystery": 1}),
    r"exp is \[4, 3, 7\], wanted": (ShapeError, DECA | {"exp": numbers(T, 3, 7)}),
    r"pose is \[4, 12\], wanted \[frames, 6\]": (ShapeError, DECA | {"pose": numbers(T, 12)}),
    "120 components of expression, head 'flame_shaped' has 100": (ShapeError, DECA | {"exp": numbers(T, 120)}),
    "400 components of identity": (ShapeError, DECA | {"shape": numbers(1, 400)}),
    "all must have as many": (ShapeError, DECA | {"exp": numbers(T + 1, 50)}),
    "says the pose twice": (FormatError, DECA | {"jaw_pose": numbers(T, 3)}),
    "has expression twice, under exp and expcode": (FormatError, DECA | {"expcode": numbers(T, 50)}),
    "exp holds NaN": (FormatError, DECA | {"exp": np.full((T, 50), np.nan)}),
    "exp is a ndarray of <U1, wanted numbers": (FormatError, DECA | {"exp": np.array(["x"])}),
    "no expression and no pose": (FormatError, {"shape": numbers(300), "cam": numbers(3)}),
    "does not say how many frames": (InputError, without(DECA)),
}


@pytest.mark.parametrize("wanted", REFUSED)
def test_what_is_refused(wanted, head, tmp_path):
    error, content = REFUSED[wanted]
    np.savez(tmp_path / "x.npz", **content)
    with pytest.raises(error, match=wanted):
        read_flame_params(tmp_path / "x.npz", head, fps=None if error is InputError else 25)


def test_another_head_is_refused(arrays, tmp_path):
    np.savez(tmp_path / "x.npz", **DECA)
    with pytest.raises(InputError, match=r"no FLAME head.*emberface\.transfer"):
        read_flame_params(tmp_path / "x.npz", Head(arrays), fps=25)


class Boom:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def test_nothing_is_executed(head, tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"exp": Boom()}))
    with pytest.raises(FormatError, match="refused"):
        read_flame_params(tmp_path / "x.pkl", head)


def test_a_file_that_would_fill_the_memory(head, tmp_path):
    """Zeros that pack a thousandfold, and a header that promises what is not there."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 28, 50)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("exp.npy", header.getvalue() + bytes(1 << 20))
    with pytest.raises(FormatError, match="bytes"):
        read_flame_params(tmp_path / "x.npz", head)
    data = bytearray((tmp_path / "x.npz").read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 2 << 30)  # the directory says that it unpacks to 2 GiB
    (tmp_path / "y.npz").write_bytes(data)
    with pytest.raises(FormatError, match="unpack"):
        read_flame_params(tmp_path / "y.npz", head)


def test_files_cut_short(head, tmp_path):
    np.savez(tmp_path / "x.npz", **EMOTE)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(EMOTE))
    for name in ("x.npz", "x.pkl"):
        data = (tmp_path / name).read_bytes()
        for share in (0.01, 0.3, 0.7, 0.999):
            (tmp_path / "cut").write_bytes(data[: int(share * len(data))])
            with pytest.raises(FormatError, match="cut"):
                read_flame_params(tmp_path / "cut", head)
