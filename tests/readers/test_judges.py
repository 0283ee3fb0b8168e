"""The judges: published tables, mouths that say phones, files, and what they read on ICT-FaceKit's head."""

import dataclasses

import numpy as np
import pytest
import torch

from animate.emotion import layer, parse
from animate.encoder.corpus import PHONES
from assets.errors import AssetError
from flame_tools.arkit import to_params
from flame_tools.errors import FormatError, ShapeError
from flame_tools.types import FaceParams, Track
from readers.judges import judge_emotion, judge_lips
from readers.judges.head import judge_head_file
from readers.judges.mouths import OF_PHONE, POSES, mouth_of_phones
from readers.judges.networks import (
    EmotionJudge,
    EmotionJudgeConfig,
    LipJudge,
    LipJudgeConfig,
    load_judge,
    save_judge,
)
from readers.judges.points import Points, points_of
from readers.judges.units import DU_2014, EMOTIONS, GUIDE_2002, UNITS, Columns, drawn_units, face_of_units
from tests.shared_data import shared_file

NAMES = (
    "browInnerUpLeft", "browInnerUpRight", "browOuterUpLeft", "browOuterUpRight", "browDownLeft", "browDownRight",
    "cheekRaiserLeft", "cheekRaiserRight", "cheekSquintLeft", "cheekSquintRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
COLUMNS = Columns(NAMES)


def test_every_unit_of_the_tables_has_shapes():
    units = {u for row in DU_2014.values() for u in row} | {
        u for r in GUIDE_2002.values() for v in r for u in v.split()
    }
    assert units == set(UNITS)
    for unit in units:
        face = face_of_units({unit: 1.0}, COLUMNS)
        assert face.max() > 0.05 and face.min() >= 0 and face.max() <= 1


def test_units_are_drawn_as_often_as_they_are_published():
    random = np.random.default_rng(0)
    drawn = [drawn_units("happy", 1.0, random) for _ in range(2000)]
    share = np.mean(["6" in units for units in drawn])
    assert share == pytest.approx(0.5 * 0.51 + 0.5 * 0.5, abs=0.04)  # Du in half the draws, a variant of two else
    assert all("12" in units for units in drawn)
    assert drawn_units("neutral", 1.0, random) == {}
    assert set(GUIDE_2002) == set(EMOTIONS[1:])


def test_contempt_is_one_sided():
    face = face_of_units(drawn_units("contempt", 1.0, np.random.default_rng(1)), COLUMNS)
    assert face[NAMES.index("mouthDimpleRight")] > 0.5
    assert face[NAMES.index("mouthDimpleLeft")] == 0


def test_a_mouth_says_its_phones():
    assert set(OF_PHONE) == set(PHONES)
    assert {v for visemes in OF_PHONE.values() for v in visemes} == set(POSES)
    phones = ["SIL", "M", "AA", "P", "UW", "SIL"]
    edges = np.array([0.0, 0.4, 0.5, 0.7, 0.8, 1.0, 1.4])
    times = np.arange(0, 1.4, 0.01)
    mouth = mouth_of_phones(phones, edges[:-1], edges[1:], times, COLUMNS)

    def at(second, name):
        return mouth[round(second * 100), COLUMNS.of(name)[0]]

    assert at(0.1, "jaw") < 0.01 and at(0.6, "jaw") > 0.45
    assert at(0.45, "jaw") < 0.2 and at(0.75, "jaw") < 0.25  # lips meet for /m/ and /p/
    assert at(0.9, "mouthPucker") > 0.6 > 0.2 > at(0.6, "mouthPucker")
    far = mouth_of_phones(phones, edges[:-1], edges[1:], times, COLUMNS, reach=1.3)
    assert np.allclose(far, 1.3 * mouth)


JUDGES = {
    "lips": (LipJudge, LipJudgeConfig(PHONES, 48, 96), (2, 3, 48, 48)),
    "emotion": (EmotionJudge, EmotionJudgeConfig(EMOTIONS, tuple(range(200)), 96), (2, 3, 200, 3)),
}


@pytest.mark.parametrize("kind", JUDGES)
def test_files_are_small_and_strict(kind, tmp_path):
    torch.manual_seed(0)
    judge, config, sizes = JUDGES[kind]
    made = judge(config).eval()
    save_judge(made, tmp_path / "judge.npz")
    again = load_judge(kind, tmp_path / "judge.npz")
    assert (tmp_path / "judge.npz").stat().st_size < 1 << 20
    assert again.config == made.config
    seen = torch.rand(sizes)
    with torch.no_grad():
        found, wanted = again(seen), made(seen)
    for a, b in zip(found if kind == "emotion" else [found], wanted if kind == "emotion" else [wanted], strict=True):
        assert torch.allclose(a, b, atol=0.02)  # half precision
    other = "emotion" if kind == "lips" else "lips"
    with pytest.raises(FormatError, match="judge"):
        load_judge(other, tmp_path / "judge.npz")
    with pytest.raises(ShapeError, match="wanted"):
        again(seen[..., :-1])


def test_points_are_of_the_skin_and_move_with_the_face_alone(head):
    index = points_of(head, 60)
    assert len(set(index)) == 60
    points = Points(head, index)
    params = FaceParams.neutral(head).replace(
        shape=torch.randn(head.shape_size, generator=torch.Generator().manual_seed(0)),
        neck=torch.tensor([0.2, 0.1, 0.0]), translation=torch.ones(3),
    )  # fmt: skip
    assert points.moved(params).abs().max() < 1e-3
    places = points.head.v_template.numpy()
    assert min(np.linalg.norm(places[i] - np.delete(places, i, 0), axis=1).min() for i in range(60)) > 0.005
    smile = to_params(torch.as_tensor(layer(parse("happy:1"))).float(), head)
    assert 2 < points.moved(smile).norm(dim=-1).max() < 30


def test_without_the_head_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERFACE_HEADS", str(tmp_path))
    with pytest.raises(AssetError, match="emberface head add FILE --name ict_facekit"):
        judge_head_file()
    with pytest.raises(AssetError, match=r"no file .*nowhere\.npz"):
        judge_head_file(tmp_path / "nowhere.npz")


def test_judges_read_a_face_of_another_head(head):
    file = shared_file("heads/ict_facekit.npz")
    weights = torch.as_tensor(layer(parse("surprise:0.8"))).float().expand(31, -1).clone()
    params = to_params(weights, head)
    params = params.replace(
        shape=torch.zeros(head.shape_size), neck=torch.zeros(31, 3), global_rotation=torch.zeros(31, 3),
        translation=torch.zeros(31, 3),
    )  # fmt: skip
    track = Track(head.arrays.id, params, np.arange(31) / 30)
    felt = judge_emotion(track, head, judge_file=file)
    assert felt.named == "surprise"
    assert felt.shares.sum() == pytest.approx(1, abs=1e-5)
    quiet = dataclasses.replace(track, params=to_params(0 * weights, head).replace(
        shape=params.shape, neck=params.neck, global_rotation=params.neck, translation=params.neck,
    ))  # fmt: skip
    said = judge_lips(quiet, head, judge_file=file)
    assert said.log_probabilities.shape == (31, len(PHONES)) and len(said.said()) == 31
    assert np.mean([name == "rest" for name in said.visemes()]) > 0.8
