"""Contour landmarks: where the jaw line is seen as the head turns."""

import dataclasses

import numpy as np
import pytest
import torch

from flame_tools import Embedding, FaceParams, InputError, load_head
from flame_tools.contour_table import LARGEST, contour_table
from flame_tools.regions import region

FAR = {1: slice(9, 17), -1: slice(0, 8)}  # the points that turn away, by the sign of the yaw


@pytest.fixture(scope="module")
def head():
    return load_head().arrays


@pytest.fixture(scope="module")
def places(head):
    """[79, 17, 3] metres at rest."""
    table = head.contour
    return np.einsum("elc,elcd->eld", table.barycentrics, head.v_template[head.faces[table.faces]])


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points after a yaw to the subject's left."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]).T


def entry(degrees: int) -> int:
    return degrees if degrees >= 0 else LARGEST - degrees


def test_the_bundled_table_is_what_the_function_gives(head):
    table = contour_table(head)
    assert table.faces.shape == (79, 17) and np.array_equal(table.faces, head.contour.faces)
    assert np.abs(table.barycentrics - head.contour.barycentrics).max() < 1e-5


def test_straight_ahead_and_on_the_near_side_the_points_are_the_static_ones(head, places):
    static = head.landmarks["68"]
    at_rest = np.einsum("lc,lcd->ld", static.barycentrics, head.v_template[head.faces[static.faces]])[:17]
    assert np.abs(places[0] - at_rest).max() < 1e-6
    assert np.abs(places[: LARGEST + 1, :9] - at_rest[:9]).max() < 1e-6
    assert np.abs(places[LARGEST + 1 :, 8:] - at_rest[8:]).max() < 1e-6


@pytest.mark.parametrize("degrees", [10, 20, 30, 39, -10, -20, -30, -39])
def test_far_points_lie_on_the_outline(head, places, degrees):
    sign = 1 if degrees > 0 else -1
    # The face without what sticks out in front of the cheek: an outline as the jaw line's.
    cheek = turned(head.v_template[region(head, "face", without=("nose", "lips"))].astype(float), degrees)
    found, static = (turned(places[i], degrees)[FAR[sign]] for i in (entry(degrees), 0))
    away, before = [], []
    for point, old in zip(found, static, strict=True):
        near = cheek[np.abs(cheek[:, 1] - point[1]) < 4e-3]
        edge = (sign * near[:, 0]).max()
        away.append(edge - sign * point[0])
        before.append(edge - sign * old[0])
    assert np.mean(away) < 2.5e-3 and max(away) < 7e-3  # the averaged way cuts corners of the cheek
    if abs(degrees) >= 20:
        assert np.mean(before) > 2 * np.mean(away)


def test_sides_mirror_each_other_and_points_slide_gently(places):
    right = places[np.r_[0, LARGEST + 1 : 2 * LARGEST + 1]][:, ::-1] * [-1.0, 1.0, 1.0]
    assert np.linalg.norm(places[: LARGEST + 1] - right, axis=-1).max() < 1.1e-3
    slide = np.linalg.norm(np.diff(places[: LARGEST + 1], axis=0), axis=-1)
    assert slide.max() < 4e-3  # metres per degree


def test_on_a_column_the_outline_runs_against_the_turn():
    # A closed tube of radius 7 cm about the vertical: its outline stands at 90 degrees to the view.
    sides, rows, radius = 360, 12, 0.07
    angle = np.radians(np.arange(sides)) + 0.003
    ring = np.stack([radius * np.sin(angle), np.zeros(sides), radius * np.cos(angle)], -1)
    vertices = np.concatenate([ring + np.array([0.0, 0.01 * row, 0.0]) for row in range(rows)]).astype(np.float32)
    i, j = np.divmod(np.arange((rows - 1) * sides), sides)
    a, b = i * sides + j, i * sides + (j + 1) % sides
    faces = np.concatenate([np.stack([a, b, b + sides], -1), np.stack([a, b + sides, a + sides], -1)])
    # The jaw's points: from 120 degrees on one side through the front to 120 on the other, at some height.
    where = np.round(np.linspace(240, 480, 17)).astype(int) % sides
    marks = Embedding(5 * sides + where, np.tile([0.4, 0.3, 0.3], (17, 1)))
    full = load_head().arrays
    table = contour_table(dataclasses.replace(full, v_template=vertices, faces=faces, landmarks={"68": marks}))
    places = np.einsum("elc,elcd->eld", table.barycentrics, vertices[faces[table.faces]])
    azimuth = np.degrees(np.arctan2(places[..., 0], places[..., 2]))
    for degrees in (10, 25, 39):
        start = azimuth[0, 16]  # 120: further back than the outline, so that it slides at once
        assert start > 110 and azimuth[degrees, 16] == pytest.approx(90 - degrees, abs=1.5)
        assert azimuth[entry(-degrees), 0] == pytest.approx(degrees - 90, abs=1.5)
        assert azimuth[degrees, 9] == pytest.approx(azimuth[0, 9], abs=1e-3)  # in front of the outline: stays


def test_the_head_takes_the_points_of_its_yaw():
    head = load_head()
    params = FaceParams.neutral(head, 2).replace(global_rotation=torch.tensor([[0.0, 0.4, 0.0], [0.0, -0.4, 0.0]]))
    posed = head(params)
    seen, static = head.landmarks(posed, "68"), head.landmarks(posed.vertices, "68")
    moved = (seen - static).norm(dim=-1)
    assert (moved[0, 12:17] > 0.01).all() and (moved[0, :9] < 1e-7).all() and (moved[:, 17:] < 1e-7).all()
    assert (moved[1, :5] > 0.01).all() and (moved[1, 8:17] < 1e-7).all()


def test_a_head_without_the_68_says_so(head):
    with pytest.raises(InputError, match="no landmarks '68'"):
        contour_table(dataclasses.replace(head, landmarks={}, id="bare"))
