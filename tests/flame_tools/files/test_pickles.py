"""Pickles are written here the way the published files were, by modules with chumpy's names."""

import contextlib
import copyreg
import os
import pickle
import pickletools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from flame_tools.errors import FormatError
from flame_tools.files.pickles import parse_pickle, read_pickle
from tests.flame_tools.files.published import chumpy, thing

NUMBERS = np.arange(12, dtype=np.float64).reshape(3, 4)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "u4", ">f4", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_protocol(protocol, dtype, order):
    array = np.asarray(NUMBERS, order=order).astype(dtype, order="K")
    dtype = "b1" if dtype == "?" else dtype
    found = parse_pickle(pickle.dumps({"a": array, "scalar": array[0, 1], "none": None}, protocol=protocol))
    np.testing.assert_array_equal(found["a"], array)
    assert found["a"].dtype == np.dtype(dtype).newbyteorder("=")
    assert found["scalar"] == array[0, 1]


@pytest.mark.parametrize("protocol", range(6))
def test_chumpy_and_sparse(protocol):
    with chumpy() as kinds:
        shapedirs = thing(kinds["Ch"], x=NUMBERS)
        content = {
            "shapedirs": shapedirs,
            "select": thing(kinds["Select"], a=shapedirs, idxs=np.array([0, 5]), preferred_shape=(2, 1)),
            "reshape": thing(kinds["Reshape"], a=shapedirs, newshape=(4, 3)),
            **{layout: getattr(sparse, f"{layout}_matrix")(NUMBERS) for layout in ("csc", "csr", "coo")},
        }
        data = pickle.dumps(content, protocol=protocol)
    found = parse_pickle(data)
    np.testing.assert_array_equal(found["shapedirs"], NUMBERS)
    np.testing.assert_array_equal(found["select"], [[0], [5]])
    np.testing.assert_array_equal(found["reshape"], NUMBERS.reshape(4, 3))
    for layout in ("csc", "csr", "coo"):
        np.testing.assert_array_equal(found[layout], NUMBERS)


def test_python_2_strings_and_old_module_names():
    # As Python 2 wrote them: module paths without underscores, raw data as a byte string (opcode U), protocol 2.
    data = pickle.dumps({"v": np.array([1.5, 2.5])}, protocol=2)
    assert b"numpy._core" in data
    data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    found = parse_pickle(data)
    np.testing.assert_array_equal(found["v"], [1.5, 2.5])
    raw = np.array([1.5, 2.5]).tobytes()
    python2 = (
        b"\x80\x02}q\x00U\x01vcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U" + bytes([len(raw)]) + raw + b"tbs."
    )
    np.testing.assert_array_equal(parse_pickle(python2)["v"], [1.5, 2.5])


def test_object_arrays_hold_plain_things():
    cells = np.array([{"a": NUMBERS}, None, "text"], dtype=object)
    found = parse_pickle(pickle.dumps(cells))
    np.testing.assert_array_equal(found[0]["a"], NUMBERS)
    assert found[1] is None
    assert found[2] == "text"


TENSORS = {
    "plain": torch.arange(6).reshape(2, 3),
    "view": torch.arange(24, dtype=torch.float64).reshape(2, 3, 4)[:, 1].T,
    "repeated": torch.ones(1).expand(3),
    "half": torch.ones(2, dtype=torch.half),
    "bool": torch.tensor([True, False]),
    "number": torch.tensor(3.5),
    "empty": torch.zeros(0, 3),
    "parameter": torch.nn.Parameter(torch.ones(2, 2)),
}


@pytest.mark.parametrize("protocol", range(6))
def test_torch_tensors(protocol):
    found = parse_pickle(pickle.dumps(TENSORS, protocol=protocol))
    for name, tensor in TENSORS.items():
        assert found[name].shape == tuple(tensor.shape)
        np.testing.assert_array_equal(found[name], tensor.detach().numpy(), strict=True)


def test_a_tensor_that_reaches_past_its_numbers_is_refused():
    data = pickle.dumps(torch.arange(6).reshape(2, 3), protocol=2)
    assert data.count(b"K\x02K\x03\x86") == 1  # its size
    for size, message in [(b"K\x02K\x04\x86", "reaches past"), (b"J\xff\xff\xff\xffK\x03\x86", "reaches past")]:
        with pytest.raises(FormatError, match=message):
            parse_pickle(data.replace(b"K\x02K\x03\x86", size))
    wide = pickle.dumps(torch.ones(1).expand(3, 5), protocol=2)  # one number, repeated without end
    wide = wide.replace(b"K\x03K\x05\x86", b"\x8a\x06\x00\x00\x00\x00\x00\x10K\x05\x86")
    with pytest.raises(FormatError, match="more than any head"):
        parse_pickle(wide)


class _Bomb:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_executed(tmp_path, protocol):
    marker = tmp_path / "executed"
    for bomb, name in [
        (_Bomb(os.system, (f"touch {marker}",)), "posix.system"),
        (_Bomb(eval, (f"open({str(marker)!r}, 'w')",)), "eval"),
        (_Bomb(exec, ("import os",)), "exec"),
        (_Bomb(getattr, (os, "system")), "getattr"),
        (np.load, "numpy.*load"),
    ]:
        try:
            data = pickle.dumps({"v_template": NUMBERS, "f": bomb}, protocol=protocol)
        except TypeError:  # a module cannot be written: name it by hand
            continue
        with pytest.raises(FormatError, match=f"names .*{name}.*refused"):
            parse_pickle(data)
    assert not marker.exists()


def test_a_lambda_a_dotted_name_and_a_persistent_id_are_refused():
    lambda_like = b"\x80\x04\x8c\x0ecloudpickle.cp\x8c\x0e_make_function\x93."
    with pytest.raises(FormatError, match=r"cloudpickle\.cp\._make_function"):
        parse_pickle(lambda_like)
    dotted = b"\x80\x04\x8c\x05numpy\x8c\x0fdtype.__class__\x93."
    with pytest.raises(FormatError, match=r"numpy\.dtype\.__class__"):
        parse_pickle(dotted)
    with pytest.raises(FormatError, match="outside itself"):
        parse_pickle(b"\x80\x02U\x01aQ.")
    copyreg.add_extension("os", "system", 240)
    try:
        with pytest.raises(FormatError, match="extension code 240"):
            parse_pickle(b"\x80\x02\x82\xf0.")
    finally:
        copyreg.remove_extension("os", "system", 240)


def test_unknown_chumpy_classes_are_named():
    with chumpy() as kinds:
        data = pickle.dumps(thing(kinds["Odd"], x=1))
    with pytest.raises(FormatError, match=r"chumpy\.odd\.Odd"):
        parse_pickle(data)


def test_small_files_cannot_grow_without_bound():
    value: object = "x"
    for _ in range(60):  # 2**60 leaves if it were expanded
        value = [value, value]
    assert isinstance(parse_pickle(pickle.dumps(value)), list)
    loop: list = []
    loop.append(loop)
    with pytest.raises(FormatError, match="contains itself"):
        parse_pickle(pickle.dumps(loop))
    huge = pickle.dumps(np.zeros(1)).replace(b"K\x01\x85", b"\x8a\x06\x00\x00\x00\x00\x00\x10\x85", 1)
    with pytest.raises(FormatError, match="not a readable pickle"):
        parse_pickle(huge)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_files_give_a_clear_error_or_a_value(data):
    whole = pickle.dumps({"a": NUMBERS, "b": sparse.csc_matrix(NUMBERS), "c": [1, "x", 2.5]}, protocol=2)
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(damaged)))
    with contextlib.suppress(FormatError):
        parse_pickle(bytes(damaged[:cut]))


def test_files(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickletools.optimize(pickle.dumps({"a": NUMBERS}, protocol=2)))
    np.testing.assert_array_equal(read_pickle(tmp_path / "a.pkl")["a"], NUMBERS)
    (tmp_path / "b.pkl").write_bytes((tmp_path / "a.pkl").read_bytes()[:-20])
    with pytest.raises(FormatError, match=r"b\.pkl"):
        read_pickle(tmp_path / "b.pkl")
    with pytest.raises(FormatError, match="not a file"):
        read_pickle(tmp_path / "c.pkl")
