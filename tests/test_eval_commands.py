"""`emberface eval motion`, `diversity`, `emotion` and `leakage` as a user runs them."""

import json

import numpy as np
import pytest
import torch
import trimesh

from animate.emotion import EMOTIONS, layer, parse
from emberface_cli import run
from flame_tools import FaceParams, Intervals, Track, load_head, save_track
from flame_tools.arkit import to_params
from flame_tools.identity import random_identities
from flame_tools.posing import still
from recon.evaluation.inputs import mesh_of_track
from recon.fitting.rotation import rotation_matrix
from tests.shared_data import shared_file


@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    """Three tracks of a second: the mean face, one whose jaw drops by 0.1 rad, the first one turned about."""
    head, folder = load_head(), tmp_path_factory.mktemp("takes")
    rest = FaceParams.neutral(head, 30)
    rest = rest.replace(shape=rest.shape[0])
    jaw = rest.jaw + torch.tensor([0.1, 0.0, 0.0])
    paths = []
    for name, params in {
        "rest": rest,
        "open": rest.replace(jaw=jaw),
        "turned": rest.replace(global_rotation=torch.full((30, 3), 0.5)),
    }.items():
        paths.append(folder / f"{name}.face.npz")
        save_track(Track(head.arrays.id, params, np.arange(30) / 30, fps=(30, 1)), paths[-1])
    return [str(path) for path in paths]


def figures(capsys, *arguments) -> dict:
    assert run(["eval", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_motion(takes, capsys):
    rest, wide, turned = takes
    same = figures(capsys, "motion", turned, "--against", rest)
    assert same["mve_mm"] == same["lve_artalk_mm"] == same["lip_gap_error_mm"] == 0.0 and same["frames"] == 30
    assert same["mtm_ms"] is None and same["slcc_windows"] is None
    apart = figures(capsys, "motion", wide, "--against", rest)
    assert 5 < apart["lve_artalk_mm"] < 15 and 0 < apart["mve_mm"] < apart["lve_artalk_mm"]
    assert apart["lve_codetalker_mm2"] == pytest.approx(apart["lve_artalk_mm"] ** 2, rel=1e-4)
    assert run(["eval", "motion", wide, "--against", rest]) == 0
    assert "lve_artalk_mm" in capsys.readouterr().out


def test_diversity(takes, capsys):
    found = figures(capsys, "diversity", *takes)
    assert found["tracks"] == 3 and found["diversity_lips_mm"] > found["diversity_mm"] > 0.5
    assert found["diversity_upper_mm"] < 0.05, "the jaw hardly moves what lies above the lower lids"
    assert run(["eval", "diversity", takes[0]]) == 2
    assert "at least two tracks" in capsys.readouterr().err


def test_what_judges_read(takes, tmp_path, capsys):
    file, head = str(shared_file("heads/ict_facekit.npz")), load_head()
    weights = torch.as_tensor(layer(parse("surprise:0.8"))).float().expand(31, -1)
    still = torch.zeros(31, 3)
    params = to_params(weights, head).replace(
        shape=torch.zeros(head.shape_size), neck=still, global_rotation=still, translation=still
    )
    phones = Intervals(("SIL",), np.zeros(1), np.ones(1))
    track = Track(head.arrays.id, params, np.arange(31) / 30, intervals={"phones": phones})
    astonished = str(tmp_path / "astonished.face.npz")
    save_track(track, astonished)
    found = figures(capsys, "emotion", astonished, "--said", "surprise:0.8", "--judge-file", file)
    assert found["named"] == found["asked"] == found["top_two"][0] == "surprise" and found["named_right"]
    assert found["intensity_read"] == found["intensities"]["surprise"] > 0.2 and set(found["shares"]) == set(EMOTIONS)
    assert "asked" not in figures(capsys, "emotion", takes[0], "--judge-file", file)

    chewing = torch.zeros(31, 3)
    chewing[:, 0] = 0.2 * torch.sin(torch.arange(31) / 30 * 8 * torch.pi).square()
    talking = str(tmp_path / "talking.face.npz")
    save_track(track.replace(params=params.replace(jaw=chewing)), talking)
    read = figures(capsys, "leakage", takes[0], takes[0], talking, astonished, "--judge-file", file)
    assert read["neutral_phone_accuracy"] is None  # its track has no phones
    same, other = read["others"][takes[0]], read["others"][astonished]
    assert same["visemes_changed"] == same["viseme_divergence_bits"] == 0.0 and same["frames"] == 30
    assert read["others"][talking]["viseme_divergence_bits"] > 0.02 and read["others"][talking]["visemes_changed"] > 0.1
    assert other["viseme_divergence_bits"] > 0 and 0 <= other["viseme_accuracy"] <= 1
    assert other["viseme_accuracy_fall"] is None


def test_judges_say_what_they_miss(takes, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EMBERFACE_HEADS", str(tmp_path))
    for command in (["emotion", takes[0]], ["leakage", takes[0], takes[1]]):
        assert run(["eval", *command]) == 2
        assert "emberface head add FILE --name ict_facekit" in capsys.readouterr().err
    assert run(["eval", "emotion", takes[0], "--said", "glee"]) == 2
    assert "glee" in capsys.readouterr().err


# --- reconstructions --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def person_and_scan(tmp_path_factory):
    """Somebody at rest as a track, exactly scanned in millimetres somewhere else, and the seven landmarks of both."""
    head, folder = load_head(), tmp_path_factory.mktemp("scan")
    track = still(head, random_identities(head, 1, seed=3)[0])
    save_track(track, folder / "person.face.npz")
    save_track(still(head, torch.zeros(head.shape_size)), folder / "mean.face.npz")
    mesh = mesh_of_track(track, head)
    turn = rotation_matrix(np.array([0.3, 2.0, -0.4]))
    front = mesh.vertices[mesh.faces].mean(1)[:, 2] > mesh.marks[:, 2].min() - 70
    place = lambda points: points @ turn.T + (200.0, -30.0, 10.0)  # noqa: E731
    trimesh.Trimesh(place(mesh.vertices), mesh.faces[front], process=False).export(folder / "scan.ply")
    np.savetxt(folder / "scan.txt", place(mesh.marks))
    trimesh.Trimesh(mesh.vertices / 1000, mesh.faces, process=False).export(folder / "mesh.obj")
    np.save(folder / "mesh.npy", mesh.marks / 1000)
    return folder


def test_scan_by_the_rules_of_now(person_and_scan, capsys):
    at = lambda name: str(person_and_scan / name)  # noqa: E731
    given = ("--landmarks", at("scan.txt"))
    own = figures(capsys, "scan", at("person.face.npz"), at("scan.ply"), *given, "--curve")
    assert own["median_mm"] < 0.01 and own["unit"] == "mm" and own["landmarks"] == "given"
    assert own["curve_mm"][-1] == 7 and own["curve_share"][1] > 0.99
    other = figures(capsys, "scan", at("mean.face.npz"), at("scan.ply"), *given, "--regions", "--non-rigid")
    assert 0.3 < other["median_mm"] < 5 and other["scale"] == 1
    assert other["nonrigid_mean_mm"] > other["mean_mm"] and 0.1 < other["nose_mm"] <= other["nose_nonrigid_mm"]
    free = figures(capsys, "scan", at("mean.face.npz"), at("scan.ply"), *given, "--scale")
    assert free["scale"] != 1
    assert np.hypot(free["mean_mm"], free["std_mm"]) < np.hypot(other["mean_mm"], other["std_mm"])  # what is minimised
    mesh = ("scan", at("mesh.obj"), at("scan.ply"), *given, "--mesh-landmarks", at("mesh.npy"))
    assert figures(capsys, *mesh)["median_mm"] < 0.01
    assert figures(capsys, *mesh, "--mesh-unit", "cm", "--scale")["median_mm"] < 0.01  # then units do not matter
    for wrong, says in (
        ((*mesh, "--mesh-unit", "cm"), "mesh's unit"),
        ((*mesh, "--unit", "m"), "give its unit"),
        ((*mesh, "--unit", "feet"), "mm"),
        (("scan", at("mesh.obj"), at("scan.ply"), *given), "seven landmarks"),
        (("scan", at("person.face.npz"), at("scan.ply"), *given, "--frame", "3"), "frame 3"),
        (("scan", at("person.face.npz"), at("scan.ply"), "--landmarks", at("scan.ply")), ".pp"),
    ):
        assert run(["eval", *wrong]) == 2
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1


def test_expression_and_lips_against_the_truth(takes, tmp_path, capsys):
    rest, wide, turned = takes
    same = figures(capsys, "expression", turned, rest)
    assert same["displacement_error_mm"] == 0 and same["displacement_correlation"] is None  # nothing moves
    apart = figures(capsys, "expression", rest, wide)
    assert apart["amplitude"] == pytest.approx(0, abs=1e-4) and apart["moving"] == 30 and apart["one_sided"] == 0
    assert apart["regions"]["lips"]["displacement_error_mm"] > 3 > apart["regions"]["brow"]["displacement_error_mm"]
    lips = figures(capsys, "lips", wide, "--against", rest)
    assert lips["closure_kept"] == 0 and lips["lip_gap_bias_mm"] > 4 and lips["closed"] == 30
    assert run(["eval", "lips", wide]) == 2 and "--against" in capsys.readouterr().err
    (tmp_path / "empty.npy").write_bytes(b"")
    assert run(["eval", "expression", wide, str(tmp_path / "empty.npy"), "--neutral", rest]) == 2
    assert "empty.npy" in capsys.readouterr().err


@pytest.mark.long
def test_what_a_judge_reads_of_two_mouths(tmp_path, capsys):
    file = shared_file("heads/ict_facekit.npz")  # the judges' own head: nothing is transferred
    head = load_head(file)
    rest = FaceParams.neutral(head, 6)
    rest = rest.replace(shape=rest.shape[0])
    paths = []
    for name, jaw in (("shut", 0.0), ("open", 0.25)):
        paths.append(str(tmp_path / f"{name}.face.npz"))
        params = rest.replace(jaw=rest.jaw + torch.tensor([jaw, 0.0, 0.0]))
        save_track(Track(head.arrays.id, params, np.arange(6) / 30, fps=(30, 1)), paths[-1])
    shut, wide = paths
    judged = ("--judge", "--judge-file", str(file), "--head", str(file))
    assert figures(capsys, "lips", shut, "--against", shut, *judged)["judge_visemes_changed"] == 0
    found = figures(capsys, "lips", wide, "--against", shut, *judged)
    assert found["judge_viseme_divergence_bits"] > 0.001 and found["lip_gap_bias_mm"] > 4


def test_a_table_of_many(person_and_scan, takes, tmp_path, capsys):
    rows = [
        ("person.face.npz", "ann", "I", 5),
        ("mean.face.npz", "bob", "V", -50),
        ("", "cat", "V", 50),
    ]
    lines = ["prediction,truth,landmarks,subject,skin_tone,yaw"]
    lines += [f"{name},scan.ply,scan.txt,{who},{skin},{yaw}" for name, who, skin, yaw in rows]
    table = person_and_scan / "table.csv"
    table.write_text("\n".join(lines))
    assert run(["eval", "table", str(table), "--measure", "scan", "-o", str(tmp_path / "table.md")]) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "table.md").read_text()
    assert "| skin_tone: V | 2 | 1 | 2 |" in text and "| yaw: 45 to 60 | 2 | 1 | 2 |" in text
    found = figures(
        capsys, "table", str(table), "--measure", "scan", "--by", "skin_tone", "-o", str(tmp_path / "a.json")
    )
    assert found == json.loads((tmp_path / "a.json").read_text())
    assert [group["value"] for group in found["groups"]] == ["all", "I", "V"]
    every = found["groups"][0]["figures"]["median_mm"]
    assert every["pictures"] == 2 and every["low"] <= every["mean"] <= every["high"]
    rest, wide, _ = takes
    content = [{"prediction": wide, "truth": rest, "kind": "open"}, {"prediction": rest, "truth": rest, "kind": "shut"}]
    (tmp_path / "lips.json").write_text(json.dumps(content))
    kinds = figures(capsys, "table", str(tmp_path / "lips.json"), "--measure", "lips")["groups"]
    assert [group["figures"]["closure_kept"]["mean"] for group in kinds] == [0.5, 0, 1]
    moves = figures(capsys, "table", str(tmp_path / "lips.json"), "--measure", "expression")["groups"]
    assert moves[1]["figures"]["lips_displacement_error_mm"]["mean"] > 3
    assert run(["eval", "table", str(table), "--measure", "scan", "--by", "light"]) == 2
    assert "skin_tone, yaw" in capsys.readouterr().err
