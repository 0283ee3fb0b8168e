"""Weights of other programs: what torch.save makes in both of its formats, and what only looks like it."""

import collections
import os
import pathlib
import pickle
import sys
import types

import pytest
import torch

from flame_tools.errors import FormatError
from flame_tools.files.torch_files import read_weights


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2).half())
    network[0].weight.data = network[0].weight.data.T.contiguous().T  # strides that are not C's
    return network


def same(found, wanted):
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) and found[name].dtype == wanted[name].dtype for name in wanted)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_what_was_saved_comes_back(tmp_path, network, zipped, nested):
    file, weights = tmp_path / "a.pth", network.state_dict()
    torch.save({"epoch": 3, "state_dict": weights} if nested else weights, file, _use_new_zipfile_serialization=zipped)
    same(read_weights(file), weights)


def test_parameters_and_shared_storage(tmp_path):
    row = torch.arange(6.0)
    file = tmp_path / "a.pth"
    torch.save({"a": torch.nn.Parameter(row[:3]), "b": row[2:].view(2, 2)}, file)
    found = read_weights(file)
    assert found["a"].tolist() == [0, 1, 2] and found["b"].tolist() == [[2, 3], [4, 5]]
    found["a"][2] = 9  # writable, and nobody else's
    assert found["b"][0, 0] == 2


def test_leftovers_of_training_stand_for_nothing(tmp_path, network, monkeypatch):
    """A Lightning checkpoint: optimiser, paths, a callback's class as a key; none of these is imported."""
    state = {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.ones(4, 3)}}, "param_groups": [{"lr": 1e-4}]}
    place = "pytorch_lightning.callbacks.early_stopping"
    names = ["pytorch_lightning", "pytorch_lightning.callbacks", place]
    modules = {name: types.ModuleType(name) for name in names}
    stopping = modules[place].EarlyStopping = type("EarlyStopping", (), {"__module__": place})
    file, weights = tmp_path / "last.ckpt", network.state_dict()
    content = {
        "pytorch-lightning_version": "1.4.9",
        "optimizer_states": [state],
        "callbacks": {"at": pathlib.PurePosixPath("/x"), "count": collections.defaultdict(dict, a=1), "kind": stopping},
        "state_dict": weights,
    }
    with monkeypatch.context() as patched:
        for name, module in modules.items():
            patched.setitem(sys.modules, name, module)
        torch.save(content, file)
    before = set(sys.modules)
    same(read_weights(file), weights)
    assert set(sys.modules) == before


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["beside", "inside"])
def test_code_is_refused_and_not_run(tmp_path, network, zipped, place):
    file, marker = tmp_path / "a.ckpt", tmp_path / "hacked"
    weights = dict(network.state_dict())
    content = {"state_dict": weights}
    (content if place == "beside" else weights)["x"] = Evil(marker)
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(FormatError, match="mkdir"):
        read_weights(file)
    assert not marker.exists()


def test_an_inert_stand_in_is_no_weight(tmp_path):
    file = tmp_path / "a.pth"
    torch.save({"a": torch.ones(2), "where": pathlib.PurePosixPath("/x")}, file)
    with pytest.raises(FormatError):
        read_weights(file)


def test_numbers_beside_tensors_are_told(tmp_path):
    file = tmp_path / "a.pth"
    torch.save({"a": torch.ones(2), "epoch": 3, "arch": "resnet50"}, file)
    with pytest.raises(FormatError, match=r"2 of its 3 entries are no tensors .arch, epoch"):
        read_weights(file)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 0.999])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused(tmp_path, network, share, zipped):
    file = tmp_path / "a.pth"
    torch.save(network.state_dict(), file, _use_new_zipfile_serialization=zipped)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FormatError, match=r"a\.pth"):
        read_weights(file)


def test_other_files_are_refused(tmp_path):
    file = tmp_path / "a.pth"
    with pytest.raises(FormatError, match="not a file"):
        read_weights(file)
    for content in (b"<html>login</html>", pickle.dumps({"a": 1}), b"PK\x03\x04 and no more"):
        file.write_bytes(content)
        with pytest.raises(FormatError, match=r"a\.pth"):
            read_weights(file)
    for content, told in (({}, "an empty dict"), ([1], "a list"), ({"state_dict": {}}, "holds no weights")):
        torch.save(content, file)
        with pytest.raises(FormatError, match=told):
            read_weights(file)
