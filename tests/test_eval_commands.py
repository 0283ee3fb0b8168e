"""`emberface eval motion` and `eval diversity` as a user runs them."""

import json

import numpy as np
import pytest
import torch

from emberface_cli import run
from flame_tools import FaceParams, Track, load_head, save_track


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
