"""`emberface eval motion`, `diversity`, `emotion` and `leakage` as a user runs them."""

import json

import numpy as np
import pytest
import torch

from animate.emotion import EMOTIONS, layer, parse
from emberface_cli import run
from flame_tools import FaceParams, Intervals, Track, load_head, save_track
from flame_tools.arkit import to_params
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
