"""Files made to harm: nothing in them is executed, and no memory is taken that their bytes do not fill."""

import copy
import copyreg
import io
import marshal
import os
import pickle
import re
import struct
import subprocess
import sys
import textwrap
import zipfile
import zlib

import numpy as np
import pytest
import torch

import emberface_cli
from flame_tools import FormatError, load_head, save_head
from flame_tools.files import pickles
from flame_tools.files.data import read_data
from flame_tools.files.parts import add_part
from flame_tools.files.pickles import parse_pickle
from flame_tools.files.stand_ins import TABLE
from tests.flame_tools.conftest import random_arrays


class Bomb:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


class Saved:
    """A tensor's storage whose inner pickle is a bomb."""

    def __init__(self, data: bytes):
        self.data = data

    def __reduce__(self):
        return torch.storage._load_from_bytes, (self.data,)


def inner(bomb: object) -> bytes:
    """What torch keeps inside a pickle, with a bomb for the storage."""
    stream = io.BytesIO()
    for value in (119547037146038801333356, 1001, {"little_endian": True}, bomb, ["0"]):
        pickle.dump(value, stream, protocol=2)
    return stream.getvalue()


def by_hand(command: str) -> dict[str, bytes]:
    """os.system(command) by every opcode that calls, as no pickler writes them."""
    text = command.encode()
    unicode = b"X" + struct.pack("<I", len(text)) + text
    return {
        "reduce": b"\x80\x02cos\nsystem\n" + unicode + b"\x85R.",
        "inst": b"(S'" + text + b"'\nios\nsystem\n.",
        "obj": b"\x80\x02(cos\nsystem\n" + unicode + b"o.",
        "newobj": b"\x80\x02cos\nsystem\n" + unicode + b"\x85\x81.",
        "newobj_ex": b"\x80\x04cos\nsystem\n" + unicode + b"\x85}\x92.",
        "build": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb"
        + unicode + b"b.",
        "stack_global": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + unicode + b"\x85R.",
        "ext": b"\x80\x02\x82\xf0" + unicode + b"\x85R.",
    }  # fmt: skip


@pytest.fixture
def marker(tmp_path):
    """A file that must not appear; the command to make it is `touch marker`."""
    file = tmp_path / "executed"
    yield file
    assert not file.exists()


def test_the_bombs_go_off_where_pickles_are_executed(tmp_path):
    for i, data in enumerate(
        data for name, data in by_hand(f"touch {tmp_path}/executed$PPID").items() if name in ("reduce", "inst")
    ):
        pickle.loads(data)
        made = list(tmp_path.glob("executed*"))
        assert len(made) == 1, i
        made[0].unlink()


@pytest.mark.parametrize("opcode", by_hand(""))
def test_no_opcode_executes(marker, tmp_path, opcode):
    copyreg.add_extension("os", "system", 240)
    try:
        path = tmp_path / "generic_model.pkl"
        path.write_bytes(by_hand(f"touch {marker}")[opcode])
        with pytest.raises(FormatError, match=r"system|extension|no object of its own|dict of no kind|no known class"):
            read_data(path)
    finally:
        copyreg.remove_extension("os", "system", 240)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["pkl", "npy", "npz", "tensor in npy", "lambda", "torch.save"])
def test_nothing_inside_anything_is_executed(marker, tmp_path, place, protocol):
    bomb = Bomb(os.system, (f"touch {marker}",))
    named = "posix.system"
    path = tmp_path / "landmark_embedding.npy"
    if place == "tensor in npy":
        bomb = Saved(inner(bomb))
    elif place == "lambda":
        code = (lambda: marker.touch()).__code__
        bomb, named = Bomb(marshal.loads, (marshal.dumps(code),)), "marshal.loads"
    content = {"v_template": np.zeros((3, 3)), "lmk_face_idx": bomb}
    data = pickle.dumps(content if place != "npy" else np.array(content, object), protocol=protocol)
    if place in ("npy", "tensor in npy", "npz"):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
        data = header.getvalue() + data
    if place == "npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("lmk_face_idx.npy", data)
    elif place == "torch.save":
        torch.save({"a": torch.ones(2)}, path)
        with zipfile.ZipFile(path) as whole:
            members = {name: whole.read(name) for name in whole.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, data if name.endswith("data.pkl") else member)
    else:
        path.write_bytes(data)
    for read in (read_data, lambda file: add_part(random_arrays(), file)):
        with pytest.raises(FormatError, match=rf"landmark_embedding\.npy.*({named}).*nothing was executed"):
            read(path)


def test_the_stand_ins_cannot_be_changed():
    before = {key: dict(vars(kind)) for key, kind in TABLE.items() if hasattr(kind, "__dict__")}
    for name in ("_codecs\nencode", "numpy\nndarray", "collections\nOrderedDict", "chumpy.ch\nCh"):
        for state in (b"}X\x01\x00\x00\x00xK\x01s", b"N}X\x0c\x00\x00\x00__defaults__K\x01\x85s\x86"):
            with pytest.raises(FormatError, match="no object of its own"):
                parse_pickle(b"\x80\x02c" + name.encode() + b"\n" + state + b"b.")
    assert {key: dict(vars(kind)) for key, kind in TABLE.items() if hasattr(kind, "__dict__")} == before


def test_what_takes_for_ever_to_hash_is_refused_at_once():
    value: object = ()
    for _ in range(60):
        value = (value, value)
    key = pickle.dumps(value, protocol=2)[2:-1]
    for data in (b"\x80\x02}" + key + b"K\x01s.", b"\x80\x02}(" + key + b"K\x01u.", b"(" + key + b"K\x01d."):
        with pytest.raises(FormatError, match="dict of no kind"):
            parse_pickle(data)
    for data in (
        b"\x80\x04\x8f(" + key + b"\x90.",
        b"\x80\x04(" + key + b"\x91.",
        b"c__builtin__\nset\n((" + key + b"ltR.",
    ):
        parse_pickle(data)  # a set is a list here, and nobody hashes what is in it
    with pytest.raises(FormatError, match="no set"):
        parse_pickle(b"\x80\x04](K\x01\x90.")


def test_arrays_of_one_file_are_counted_together(monkeypatch):
    monkeypatch.setattr(pickles, "MAX_BYTES", 1 << 20)
    block = np.zeros(1 << 14)  # 128 KiB, written once and referred to by twenty arrays
    kind, args, (version, shape, dtype, order, raw) = block.__reduce__()

    class Again:
        def __reduce__(self):
            return kind, args, (version, shape, dtype, order, raw)

    assert len(parse_pickle(pickle.dumps([Again() for _ in range(8)]))) == 8
    with pytest.raises(FormatError, match="more than any head"):
        parse_pickle(pickle.dumps([Again() for _ in range(20)]))


# --- zips that lie ----------------------------------------------------------------------------------------------------


def npy(shape: tuple[int, ...], data: bytes = b"", descr: str = "<f8") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue() + data


def deflated_zeros(gib: int) -> bytes:
    """Zeros as one deflate stream; a block is made once and repeated, as flushed blocks may be."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (gib << 6) + packer.flush()


def zip_of(path, name: str, packed: bytes, declared: int) -> None:
    """A zip with one member whose packed bytes and declared size are given, whatever is true."""
    raw = name.encode()
    fields = (20, 0, 8, 0, 0, 0, len(packed), min(declared, 0xFFFFFFFF), len(raw))
    with open(path, "wb") as file:
        file.write(struct.pack("<4s5H3L2H", b"PK\3\4", *fields, 0) + raw + packed)
        start = file.tell()
        file.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *fields, 0, 0, 0, 0, 0, 0) + raw)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, file.tell() - start, start, 0))


def hostile_files(folder) -> dict[str, str]:
    """Name of each file, and what its refusal says."""
    np.savez(folder / "a.npz", v_template=np.zeros((3, 3)))
    zeros = deflated_zeros(3)
    zip_of(folder / "declared.npz", "v_template.npy", zeros, 3 << 30)
    zip_of(folder / "undeclared.npz", "v_template.npy", zeros, 10_000)
    with zipfile.ZipFile(folder / "promise.npz", "w") as archive:
        archive.writestr("v_template.npy", npy((1 << 34, 3), bytes(72)))
    with zipfile.ZipFile(folder / "negative.npz", "w") as archive:
        archive.writestr("v_template.npy", npy((-1, -3), bytes(72)))
    with zipfile.ZipFile(folder / "many.npz", "w") as archive:
        for i in range(11_000):
            archive.writestr(f"{i}.npy", b"")
        archive.writestr("v_template.npy", b"")
    with zipfile.ZipFile(folder / "overlap.npz", "w") as archive:
        archive.writestr("v_template.npy", npy((1000, 3), bytes(24_000)))
        for i in range(50):
            again = copy.copy(archive.filelist[0])
            again.filename = f"{i}.npy"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    with zipfile.ZipFile(folder / "odd.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("v_template.npy", npy((1 << 20,), bytes(8 << 20)))
    (folder / "promise.npy").write_bytes(npy((1 << 40,), bytes(72)))
    (folder / "bytes.pkl").write_bytes(b"\x80\x05\x96" + struct.pack("<Q", 1 << 39) + b"v_template.")
    sparse = (
        b"\x80\x02cscipy.sparse.csc\ncsc_matrix\n)\x81}(X\x06\x00\x00\x00_shapeJ\x00\x00\x00\x7fJ\x00\x00\x00\x7f\x86"
    )
    for name in (b"data", b"indices", b"indptr"):
        sparse += b"X" + struct.pack("<I", len(name)) + name + pickle.dumps(np.zeros(1), protocol=2)[2:-1]
    (folder / "sparse.pkl").write_bytes(sparse + b"ub.")
    return {
        "declared.npz": "would unpack to 3072 MiB",
        "undeclared.npz": "not a readable|magic|holds",
        "promise.npz": "takes 412316860416 bytes but",
        "negative.npz": "shape",
        "many.npz": "11001 members",
        "overlap.npz": "members that overlap",
        "odd.npz": "packed in a way",
        "promise.npy": "takes 8796093022208 bytes but",
        "bytes.pkl": "not a readable pickle",
        "sparse.pkl": "more than any head",
    }


def test_memory_is_bounded(tmp_path):
    """Every file is read in a fresh process; what it took at most is told by the system."""
    refusals = hostile_files(tmp_path)
    script = """
        import resource, sys
        from pathlib import Path
        from flame_tools import FormatError, load_head
        from flame_tools.files.data import read_data
        from flame_tools.files.textures import read_texture_space
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for path in sorted(Path(sys.argv[1]).iterdir()):
            for read in (load_head, read_data, read_texture_space):
                try:
                    read(path)
                except FormatError as error:
                    print(f"{path.name}\\t{error}")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    *lines, took_kib = done.stdout.splitlines()
    assert int(took_kib) < 100 << 10, f"{took_kib} KiB"  # 8 MiB are read of odd.npz, and each pickle once
    for name, message in refusals.items():
        said = [line for line in lines if line.startswith(name)]
        assert any(re.search(message, line) for line in said), (name, said)


def test_a_head_of_our_own_that_lies_is_refused(tmp_path):
    path = tmp_path / "head.npz"
    save_head(random_arrays(), path)
    with zipfile.ZipFile(path) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}

    def with_member(name: str, data: bytes) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for other, member in members.items():
                archive.writestr(other, data if other == name else member)

    def array(values) -> bytes:
        stream = io.BytesIO()
        np.save(stream, values)
        return stream.getvalue()

    for name, data, message in [
        ("v_template.npy", npy((1 << 40, 3)), "takes"),
        ("v_template.npy", array(np.full((40, 3), np.nan)), "v_template holds NaN"),
        ("faces.npy", array(np.full((50, 3), -1)), r"faces points outside"),
        ("weights.npy", array(np.zeros((5, 40))), "weights is"),
        ("face_material.npy", array(np.ones(50, int)), "face_material points outside"),
        ("landmarks.68.barycentrics.npy", array(np.zeros((3, 3))), "landmarks 68"),
        ("header.npy", array(np.array('{"format": "emberface.head", "version": 1}')), "lacks"),
    ]:
        with_member(name, data)
        with pytest.raises(FormatError, match=message):
            load_head(path)
    header = bytes(members["header.npy"])
    with_member(
        "header.npy", header.replace('"id": "random"'.encode("utf-32-le"), '"id": 12345678'.encode("utf-32-le"))
    )
    with pytest.raises(FormatError, match="id is 12345678"):
        load_head(path)


def test_the_command_line_refuses_in_one_line(marker, tmp_path, capsys):
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(pickle.dumps({"v_template": Bomb(os.system, (f"touch {marker}",))}))
    for command in (["head", "info", str(path)], ["head", "convert", str(path), str(tmp_path / "out.npz")]):
        assert emberface_cli.run(command) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and "posix.system" in err and "nothing was executed" in err
    assert not (tmp_path / "out.npz").exists()
