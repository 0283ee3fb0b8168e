import csv
import math

import numpy as np
import pytest
import torch

from flame_tools import Head
from flame_tools.arkit import ARKIT_NAMES, from_params
from flame_tools.export import write_csv
from flame_tools.export.livelink import COLUMNS, timecodes, yaw_pitch_roll
from flame_tools.rotations import matrix_from_axis_angle
from tests.flame_tools.export.conftest import lively_track


def test_columns_are_the_52_by_their_own_names(arrays, tmp_path):
    assert sorted(n[0].lower() + n[1:] for n in COLUMNS) == sorted(ARKIT_NAMES)
    head = Head(arrays)
    track = lively_track(head)
    write_csv(track, head, tmp_path / "x.csv")
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(track) and len(rows[0]) == 63
    assert [r["Timecode"] for r in rows[:3]] == ["00:00:00:00.000", "00:00:00:01.000", "00:00:00:02.000"]
    weights = from_params(track.params, head).clamp(0, 1).numpy()
    for row, ours in zip(rows, weights, strict=True):
        assert row["BlendShapeCount"] == "61"
        read = [float(row[n[0].upper() + n[1:]]) for n in ARKIT_NAMES]
        np.testing.assert_allclose(read, ours, atol=1e-6)
    assert float(rows[4]["LeftEyePitch"]) == pytest.approx(
        float(yaw_pitch_roll(matrix_from_axis_angle(track.params.eyes[4, 0]))[1]), abs=1e-5
    )


def test_angles_have_the_apps_signs(arrays, tmp_path):
    """Its packets: an eye that looks to the subject's left has a negative yaw, one that looks down a positive pitch."""
    head = Head(arrays)
    track = lively_track(head, 2)
    still = torch.zeros(2, 3)
    eyes = torch.tensor([[0.1, 0.2, 0.0], [0.1, 0.2, 0.0]]).expand(2, 2, 3)
    params = track.params.replace(global_rotation=still, neck=still + torch.tensor([0.3, 0.0, 0.0]), eyes=eyes)
    write_csv(track.replace(params=params), head, tmp_path / "x.csv")
    with open(tmp_path / "x.csv", newline="") as file:
        row = next(csv.DictReader(file))
    assert float(row["HeadPitch"]) == pytest.approx(-0.3, abs=1e-5)  # the head nods down
    for side in ("Left", "Right"):
        assert float(row[f"{side}EyeYaw"]) < -0.19 and float(row[f"{side}EyePitch"]) > 0.09


def test_timecodes_count_hours_and_parts_of_frames(arrays):
    track = lively_track(Head(arrays), 3).replace(time_s=np.array([0.5, 59.99999, 3723.05]))
    assert timecodes(track) == ["00:00:00:15.000", "00:01:00:00.000", "01:02:03:01.500"]
    slow = track.replace(fps=(1, 2))  # a frame every two seconds: codes count seconds
    assert timecodes(slow) == ["00:00:00:00.500", "00:01:00:00.000", "01:02:03:00.050"]


@pytest.mark.parametrize(
    ("axis_angle", "angles"),
    [((0, 0.3, 0), (0.3, 0, 0)), ((0.2, 0, 0), (0, 0.2, 0)), ((0, 0, -0.4), (0, 0, -0.4))],
)
def test_angles_have_the_axes_they_claim(axis_angle, angles):
    found = yaw_pitch_roll(matrix_from_axis_angle(torch.tensor(axis_angle, dtype=torch.float64)))
    np.testing.assert_allclose(found, angles, atol=1e-7)


def test_angles_rebuild_the_rotation():
    r = matrix_from_axis_angle(torch.randn(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    yaw, pitch, roll = yaw_pitch_roll(r).unbind(-1)
    zero = torch.zeros_like(yaw)
    again = (
        matrix_from_axis_angle(torch.stack([zero, yaw, zero], -1))
        @ matrix_from_axis_angle(torch.stack([pitch, zero, zero], -1))
        @ matrix_from_axis_angle(torch.stack([zero, zero, roll], -1))
    )
    assert (again - r).abs().max() < 1e-6
    assert pitch.abs().max() <= math.pi / 2
