"""A folder of registered meshes to a head, by one command."""

import json

import numpy as np
import pytest

import emberface_cli
from flame_tools import FormatError, Head, InputError, load_head, save_head
from flame_tools.identity import random_identities
from flame_tools.learn.folder import read_scans
from flame_tools.surface.lod import simplify
from tools.learn_flame_sized import perform


@pytest.fixture(scope="module")
def small() -> Head:
    return Head(simplify(load_head().arrays, triangles=1500))


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    """Five people at rest and in three expressions, in centimetres."""
    place = tmp_path_factory.mktemp("people")
    scans = perform(small, random_identities(small, 5, 3), 3, seed=3)
    triangles = "".join(f"f {a} {b} {c}\n" for a, b, c in small.arrays.faces + 1)
    for i, mesh in enumerate(scans.vertices):
        file = place / f"person{scans.person[i]}" / (f"take{i}.obj" if i % 4 else "neutral.obj")
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"v {x:.5f} {y:.5f} {z:.5f}\n" for x, y, z in 100 * mesh) + triangles)
    return place


def test_a_folder_becomes_scans(folder, small):
    scans = read_scans(folder, unit="cm")
    assert scans.vertices.shape == (20, len(small.arrays.v_template), 3)
    assert sorted(set(scans.person)) == [f"person{i}" for i in range(5)]
    assert scans.expression.count("neutral") == 5
    with pytest.raises(FormatError, match="m tall in unit 'm'"):
        read_scans(folder)
    with pytest.raises(InputError, match="wanted m, cm, mm"):
        read_scans(folder, unit="inch")
    with pytest.raises(InputError, match=r"holds no PERSON/EXPRESSION\.obj"):
        read_scans(folder / "person0")


def test_one_topology_for_all(folder, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "neutral.obj").write_text((folder / "person0" / "neutral.obj").read_text())
    mesh = tmp_path / "b" / "neutral.obj"
    mesh.write_text("v 0 0 0\n" + mesh.read_text())
    with pytest.raises(FormatError, match="one topology for all"):
        read_scans(tmp_path, unit="cm")


def test_the_command_learns_a_head(capsys, folder, small, tmp_path):
    save_head(small.arrays, tmp_path / "like.npz")
    out = tmp_path / "ours.npz"
    command = ["head", "learn", str(folder), "-o", str(out), "--like", str(tmp_path / "like.npz"), "--unit", "cm"]
    assert emberface_cli.run([*command, "--licence", "ours", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["id"] == "ours" and told["licence"] == "ours; CC0-1.0" and told["identity_components"] == 4
    head = load_head(out)
    assert head.arrays.provenance["people"] == 5 and np.isfinite(head.arrays.expressiondirs).all()
    assert emberface_cli.run(command[:5]) == 2  # the default head has another topology, and these are centimetres
    assert "unit 'm'" in capsys.readouterr().err
