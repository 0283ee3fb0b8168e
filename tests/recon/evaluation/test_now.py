"""NoW's distances on faces whose distances are known."""

import dataclasses

import numpy as np
import pytest

from flame_tools.errors import InputError, ShapeError
from flame_tools.surface.alignment import Alignment
from recon.evaluation.now import FaceMesh, FaceScan, face_ball, scan_to_mesh
from recon.evaluation.summary import Pool, cumulative, summarised
from recon.fitting.rotation import rotation_matrix
from tests.recon.evaluation.conftest import ELSEWHERE

GRID = np.stack(np.meshgrid(np.arange(-60, 61, 4.0), np.arange(-70, 71, 4.0)), -1).reshape(-1, 2)
MARKS = np.array([[-45, 40, 0], [-17, 40, 0], [17, 40, 0], [45, 40, 0], [0, 0, 0], [-25, -30, 0], [25, -30, 0]], float)


def hill(points: np.ndarray) -> np.ndarray:
    """A face of sorts over the plane [n, 2] -> [n, 3], curved everywhere."""
    x, y = points.T
    return np.stack([x, y, -(x**2) / 100 - y**2 / 160 + 8 * np.exp(-(x**2 + y**2) / 200)], 1)


def as_mesh(vertices: np.ndarray) -> FaceMesh:
    from scipy.spatial import Delaunay

    marks = MARKS.copy()
    marks[:, 2] = hill(MARKS[:, :2])[:, 2]
    return FaceMesh(vertices, Delaunay(GRID).simplices, marks)


def test_the_ball_is_that_of_the_published_rules():
    centre, radius = face_ball(MARKS)
    assert centre == pytest.approx([0, 12, 0])  # 0.3 of 40 mm above the nose
    assert radius == pytest.approx(0.7 * (90 + 40))


def test_a_scan_of_the_same_head_is_at_no_distance_wherever_it_lies(scan, meshes):
    turn = Alignment(rotation_matrix(np.array([-1.2, 0.4, 2.0])), np.array([-300.0, 5.0, 80.0]))
    moved = FaceMesh(turn(meshes[0].vertices), meshes[0].faces, turn(meshes[0].marks))
    for mesh in (meshes[0], moved):
        errors = scan_to_mesh(scan, mesh)
        assert summarised(errors.distances).mean_mm < 1e-6
        assert errors.to_scan.scale == pytest.approx(1)
        middle, radius = face_ball(scan.marks)
        assert np.linalg.norm(errors.points - middle, axis=1).max() <= radius
        assert len(errors.points) == (np.linalg.norm(scan.points - middle, axis=1) <= radius).sum()


def test_another_person_is_at_the_same_distance_wherever_the_scan_lies(scan, meshes):
    first = scan_to_mesh(scan, meshes[1]).distances
    back = ELSEWHERE.inverse()
    second = scan_to_mesh(FaceScan(back(scan.points), back(scan.marks)), meshes[1]).distances
    assert 0.5 < np.median(first) < 4
    assert np.median(second) == pytest.approx(np.median(first), abs=1e-3)  # where minimisation stops


def test_size_counts_in_the_metrical_challenge_alone(scan, meshes):
    grown = dataclasses.replace(meshes[0], vertices=1.06 * meshes[0].vertices, marks=1.06 * meshes[0].marks)
    resized = scan_to_mesh(scan, grown, scale=True)
    assert resized.distances.mean() < 1e-4
    assert resized.to_scan.scale == pytest.approx(1 / 1.06, abs=1e-5)
    rigid = scan_to_mesh(scan, grown)
    assert rigid.to_scan.scale == pytest.approx(1)
    assert rigid.distances.mean() > 0.5  # 6 % of a face 180 mm wide


def test_bad_landmarks_are_mended_by_the_nearest_points(scan, meshes):
    shaken = meshes[0].marks + np.random.default_rng(0).normal(size=(7, 3)) * 3
    found = scan_to_mesh(scan, dataclasses.replace(meshes[0], marks=shaken))
    assert found.distances.mean() < 1e-3


def test_known_deformations_give_known_distances():
    flat = hill(GRID)
    scan = FaceScan(flat, as_mesh(flat).marks)
    ripple = 0.8 * np.sign(np.sin(GRID[:, 0] * np.pi / 8 + 0.1) * np.sin(GRID[:, 1] * np.pi / 8 + 0.1))
    # no rigid motion takes up a chequered pattern: every vertex of the scan is 0.8 mm off along z, before slopes
    rough = FaceScan(flat + ripple[:, None] * (0, 0, 1), scan.marks)
    distances = scan_to_mesh(rough, as_mesh(flat)).distances
    assert 0.5 < np.median(distances) <= 0.8
    assert distances.max() < 0.85


def test_outliers_count_and_holes_do_not(scan, meshes):
    middle, radius = face_ball(scan.marks)
    rng = np.random.default_rng(1)
    whole = scan_to_mesh(scan, meshes[1]).distances
    holes = np.ones(len(scan.points), bool)
    for centre in scan.points[rng.choice(len(scan.points), 12)]:
        holes &= np.linalg.norm(scan.points - centre, axis=1) > 7
    assert 0.03 < (~holes).mean() < 0.5
    holed = scan_to_mesh(dataclasses.replace(scan, points=scan.points[holes]), meshes[1]).distances
    assert np.median(holed) == pytest.approx(np.median(whole), rel=0.15)
    stray = middle + rng.normal(size=(20, 3)) * radius / 4
    dirty = scan_to_mesh(dataclasses.replace(scan, points=np.concatenate([scan.points, stray])), meshes[0]).distances
    assert np.median(dirty) < 0.5 and dirty.max() > 5  # NoW leaves nothing out
    assert len(dirty) == len(whole) + 20


def test_a_scan_apart_from_its_landmarks_is_refused(scan, meshes):
    with pytest.raises(InputError, match="one unit"):
        scan_to_mesh(dataclasses.replace(scan, points=scan.points * 1000), meshes[0])
    with pytest.raises(ShapeError, match=r"\[6, 3\]"):
        scan_to_mesh(dataclasses.replace(scan, marks=scan.marks[:6]), meshes[0])


def test_figures_of_distances_and_of_pools():
    rng = np.random.default_rng(0)
    parts = [rng.gamma(2, 0.6, 4000), rng.gamma(3, 0.9, 1000)]
    together = np.concatenate(parts)
    pool = Pool()
    for part in parts:
        pool.add(part)
    exact, pooled = summarised(together), pool.summary()
    assert exact.median_mm == np.median(together) and exact.points == pooled.points == 5000
    assert (pooled.mean_mm, pooled.std_mm) == pytest.approx((exact.mean_mm, exact.std_mm))
    assert (pooled.median_mm, pooled.p90_mm) == pytest.approx((exact.median_mm, exact.p90_mm), abs=0.01)
    assert pool.cumulative() == pytest.approx(cumulative(together), abs=0.005)
    assert cumulative(np.array([1.0, 2.0, 4.0]), (0.5, 1, 3, 9)) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    with pytest.raises(ShapeError, match="empty"):
        Pool().summary()
    with pytest.raises(ShapeError, match="no distance"):
        summarised(np.zeros(0))
