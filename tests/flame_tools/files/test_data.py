import contextlib
import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.errors import FormatError
from flame_tools.files.data import read_data

CONTENT = {
    "static_lmk_faces_idx": np.arange(51),
    "dynamic_lmk_faces_idx": torch.arange(79 * 17).reshape(79, 17),
    "note": "text",
}


def same(found: dict) -> None:
    assert set(found) == set(CONTENT)
    np.testing.assert_array_equal(found["static_lmk_faces_idx"], CONTENT["static_lmk_faces_idx"])
    np.testing.assert_array_equal(found["dynamic_lmk_faces_idx"], CONTENT["dynamic_lmk_faces_idx"].numpy())
    assert found["note"] == "text"


def test_a_dict_in_an_npy(tmp_path):
    np.save(tmp_path / "a.npy", CONTENT, allow_pickle=True)
    same(read_data(tmp_path / "a.npy"))


def test_a_dict_in_an_npz_beside_plain_arrays(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", one=np.arange(3.0), dict=np.array(CONTENT, dtype=object))
    found = read_data(tmp_path / "a.npz")
    same(found["dict"])
    np.testing.assert_array_equal(found["one"], [0, 1, 2])
    assert set(read_data(tmp_path / "a.npz", only=("one",))) == {"one"}


@pytest.mark.parametrize("protocol", range(6))
def test_a_dict_in_a_pickle_whatever_its_name(tmp_path, protocol):
    (tmp_path / "a.npy").write_bytes(pickle.dumps(CONTENT, protocol=protocol))
    same(read_data(tmp_path / "a.npy"))


def test_what_torch_saves(tmp_path):
    torch.save(CONTENT, tmp_path / "a.pt")
    same(read_data(tmp_path / "a.pt"))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f8", ">f4", "i2", "?", "U5", "c8"])
def test_plain_arrays(tmp_path, order, dtype):
    array = np.asarray(np.arange(24).reshape(2, 3, 4) % 2, order=order).astype(dtype, order="K")
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_data(tmp_path / "a.npy"), array, strict=True)
    np.save(tmp_path / "b.npy", array[:0])
    assert read_data(tmp_path / "b.npy").shape == (0, 3, 4)


def test_structured_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3, [("x", "f4"), ("y", "O")]))
    with pytest.raises(FormatError, match=r"a\.npy"):
        read_data(tmp_path / "a.npy")


@pytest.mark.parametrize("kind", ["npy", "npz", "pkl", "pt"])
def test_any_cut_is_refused_in_words(tmp_path, kind):
    whole = io.BytesIO()
    if kind == "npy":
        np.save(whole, np.arange(300.0))
    elif kind == "npz":
        np.savez(whole, a=np.arange(300.0))
    elif kind == "pkl":
        pickle.dump({"a": np.arange(300.0)}, whole)
    else:
        torch.save({"a": torch.arange(300.0)}, whole)
    data = whole.getvalue()
    path = tmp_path / f"a.{kind}"
    for length in np.linspace(0, len(data) - 1, 60).astype(int):
        path.write_bytes(data[:length])
        with pytest.raises(FormatError, match=f"a.{kind}"):
            read_data(path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_headers_are_refused_in_words(tmp_path_factory, data):
    whole = io.BytesIO()
    np.save(whole, np.arange(6.0).reshape(2, 3))
    damaged = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, 70))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    path.write_bytes(damaged)
    with contextlib.suppress(FormatError):
        read_data(path)


def test_no_file(tmp_path):
    with pytest.raises(FormatError, match="not a file"):
        read_data(tmp_path)
