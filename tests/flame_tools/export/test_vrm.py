import json

import numpy as np
import torch

from flame_tools import Head, Track
from flame_tools.arkit import ARKIT_NAMES, INDEX, from_params, to_params
from flame_tools.export.vrm import write_vrm_json
from flame_tools.types import Curves, FaceParams, Intervals
from tests.flame_tools.export.conftest import lively_track


def written(track, head, tmp_path):
    write_vrm_json(track, head, tmp_path / "x.json")
    return json.loads((tmp_path / "x.json").read_text())


def posed(head, *poses):
    """A track with a frame for each {ARKit name: weight}."""
    weights = torch.zeros(len(poses), 52)
    for row, pose in zip(weights, poses, strict=True):
        for name, value in pose.items():
            row[INDEX[name]] = value
    said = to_params(weights, head)
    params = FaceParams.neutral(head, len(poses)).replace(
        shape=torch.zeros(head.shape_size),
        expression=said.expression,
        jaw=said.jaw,
        eyes=said.eyes,
        eyelids=said.eyelids,
    )
    return Track(head.arrays.id, params, np.arange(len(poses)) / 30, fps=(30, 1))


def test_the_52_come_back(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head)
    read = written(track, head, tmp_path)
    assert read["fps"] == [30, 1] and read["head"] == "random" and read["licences"] == ["CC0-1.0"]
    np.testing.assert_allclose(read["time_s"], track.time_s, atol=1e-6)
    weights = from_params(track.params, head).clamp(0, 1).numpy()
    assert len(read["perfect_sync"]) == 52
    for i, name in enumerate(ARKIT_NAMES):
        np.testing.assert_allclose(read["perfect_sync"][name[0].upper() + name[1:]], weights[:, i], atol=6e-5)
    lids_and_looks = ["blink", "blinkLeft", "blinkRight", "lookUp", "lookDown", "lookLeft", "lookRight"]
    assert list(read["presets"]) == lids_and_looks  # a track without phones and emotions tells no more


def test_lids_add_up_and_eyes_look_together(arrays, tmp_path):
    head = Head(arrays)
    track = posed(
        head,
        {"eyeBlinkLeft": 0.9, "eyeBlinkRight": 0.4},
        {"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.4},
        {"eyeLookInLeft": 0.5, "eyeLookOutRight": 0.5},
        {"eyeLookUpLeft": 0.8, "eyeLookUpRight": 0.8},
        {"eyeLookDownLeft": 0.2, "eyeLookDownRight": 0.2},
    )
    presets = written(track, head, tmp_path)["presets"]
    wanted = {
        "blink": [0.4, 0, 0, 0, 0],
        "blinkLeft": [0.5, 0, 0, 0, 0],
        "blinkRight": [0, 0, 0, 0, 0],
        "lookLeft": [0, 0.5, 0, 0, 0],
        "lookRight": [0, 0, 0.5, 0, 0],
        "lookUp": [0, 0, 0, 0.8, 0],
        "lookDown": [0, 0, 0, 0, 0.2],
    }
    for name, values in wanted.items():
        np.testing.assert_allclose(presets[name], values, atol=1e-4, err_msg=name)


def test_vowels_follow_the_phones(arrays, tmp_path):
    head = Head(arrays)
    rows = Intervals(
        ("SIL", "AA1", "M", "AY1", "IY0"), np.array([0.0, 0.2, 0.4, 0.5, 0.7]), np.array([0.2, 0.4, 0.5, 0.7, 1.0])
    )
    track = lively_track(head, 11).replace(time_s=np.arange(11) / 10, fps=(10, 1), intervals={"phones": rows})
    presets = written(track, head, tmp_path)["presets"]
    # at every 0.1 s: borders share half of the window, the middle of a phone has all of it
    np.testing.assert_allclose(presets["aa"], [0, 0, 0.5, 1, 0.5, 0.5, 0.5, 0, 0, 0, 0], atol=1e-4)
    np.testing.assert_allclose(presets["ih"], [0, 0, 0, 0, 0, 0, 0.5, 1, 1, 1, 0.5], atol=1e-4)
    assert not any(presets["ou"]) and not any(presets["ee"]) and not any(presets["oh"])
    foreign = track.replace(intervals={"phones": Intervals(("ʃ",), np.zeros(1), np.ones(1))})
    assert "aa" not in written(foreign, head, tmp_path)["presets"]


def test_feelings_follow_their_curves(arrays, tmp_path):
    head = Head(arrays)
    emotion = np.array([[0.1, 0.7, 0, 0.2, 0], [0, 0, np.nan, 0, 0.5], [0, 0, 1.2, 0, 0]], np.float32)
    affect = np.array([[0.6, -0.4], [0.6, 0.5], [-0.5, -0.5]], np.float32)
    track = lively_track(head, 3).replace(
        curves={
            "emotion": Curves(("neutral", "happy", "anger", "sad", "surprise"), emotion),
            "affect": Curves(("valence", "arousal"), affect),
        }
    )
    presets = written(track, head, tmp_path)["presets"]
    assert presets["happy"] == [0.7, 0, 0] and presets["sad"] == [0.2, 0, 0]
    assert presets["angry"] == [0, 0, 1] and presets["surprised"] == [0, 0.5, 0]
    assert presets["relaxed"] == [0.4, 0, 0]
