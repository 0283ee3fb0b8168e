"""`emberface fit`, `eval scan` and `eval stabilise` as a user runs them."""

import json

import numpy as np
import pytest
import trimesh

import emberface
from emberface_cli import run
from flame_tools.export import write_obj_sequence
from flame_tools.load import load_head
from flame_tools.types import FaceParams, Track
from tests.recon.scan.made_scans import exposed, ict_identity, scanned, turned, visible
from tests.recon.test_stabilise import performance
from tests.shared_data import DATA


@pytest.fixture(scope="module")
def scan_file(tmp_path_factory):
    """A scan of a person who is not of our head where ICT-FaceKit is at hand, else of one who is."""
    file = DATA / "heads/ict_facekit.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as data:
            vertices, faces = ict_identity({name: data[name] for name in data.files}, seed=6)
    else:
        head = load_head()
        vertices = head.vertices(performance(head, 1, seed=6).replace(**_at_rest(head)))[0].numpy().astype(np.float64)
        faces = head.arrays.faces[exposed(head.arrays)]
        vertices, faces = trimesh.remesh.subdivide(vertices, faces[visible(vertices, faces)])  # as dense as a scanner's
    scan, _ = scanned(vertices, faces, seed=6, per_metre=1000, rotation=turned(np.random.default_rng(6)))
    path = tmp_path_factory.mktemp("scan") / "person.ply"
    trimesh.Trimesh(scan.vertices, scan.faces, process=False).export(path)
    return path


def _at_rest(head) -> dict:
    neutral = FaceParams.neutral(head, 1)
    return {"global_rotation": neutral.global_rotation, "translation": neutral.translation}


@pytest.mark.long
def test_a_scan_to_every_file_and_a_score(scan_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["fit", str(scan_file), "-o", str(out), "--offsets", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    quality = report["quality"]
    assert quality["scan_median_mm"] < 0.6
    assert 0.3 < quality["coverage"] <= 1
    assert report["seconds"]["total"] < 60
    assert {p.name for p in out.iterdir()} == {"person.face.npz", "person.glb", "person.png", "person.report.json"}
    track = emberface.load(out / "person.face.npz")
    assert track.appearance.vertex_offsets.shape == (7577, 3)
    assert track.provenance["scans"][0]["unit"] == "mm"

    assert run(["eval", "scan", str(out / "person.face.npz"), str(scan_file), "--json"]) == 0
    score = json.loads(capsys.readouterr().out)
    assert score["median_mm"] < 1.0
    assert score["points"] > 3000


@pytest.mark.long
def test_meshes_of_the_head_come_back_and_hold_still(tmp_path, capsys):
    head = load_head()
    params = performance(head, 3, seed=2)
    write_obj_sequence(Track(head.arrays.id, params, np.arange(3.0)), head, tmp_path / "meshes")
    assert run(["fit", str(tmp_path / "meshes"), "-o", str(tmp_path / "meshes.face.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["quality"]["scan_max_mm"] < 0.1
    track = emberface.load(tmp_path / "meshes.face.npz")
    assert np.abs(head.vertices(track.params).numpy() - head.vertices(params).numpy()).max() < 1e-4

    assert run(["eval", "stabilise", str(tmp_path / "meshes.face.npz"), "--json"]) == 0
    errors = json.loads(capsys.readouterr().out)
    assert errors["error_mm"] < errors["procrustes_mm"] / 5
    assert run(["eval", "stabilise", str(tmp_path / "meshes"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["turn_deg"]) == 3


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.obj", None, "does not exist"),
        ("bad.ply", b"ply\nnonsense", "PLY"),
        ("tiny.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "too few"),
        ("notes.txt", b"hello", r".obj"),
    ],
)
def test_what_is_no_scan_is_refused_in_one_line(tmp_path, capsys, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert run(["fit", str(tmp_path / name), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
