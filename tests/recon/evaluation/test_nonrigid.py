"""What slides along the surface is seen by correspondence, and a misplaced part in its own region."""

import dataclasses

import numpy as np
import pytest

from recon.evaluation.nonrigid import REGIONS, by_region, corresponding, regions_of_face
from recon.evaluation.now import FaceScan, scan_to_mesh


def test_regions_lie_where_they_are_named(head, scan, meshes, seen):
    masks = regions_of_face(meshes[0].vertices[seen], meshes[0].marks)
    assert tuple(masks) == REGIONS
    assert sum(mask.astype(int) for mask in masks.values()).max() == 1
    there = {name: np.isin(seen, head.arrays.regions[name]) for name in ("nose", "lips", "left_lids", "ears")}
    assert masks["nose"][there["nose"]].mean() > 0.8
    assert masks["mouth"][there["lips"]].mean() > 0.95
    assert not any(mask[there["left_lids"]].mean() > 0.1 for mask in masks.values())
    assert masks["cheeks"].sum() > 100 and masks["forehead"].sum() > 100
    # wherever the scan lies
    moved = regions_of_face(scan.points, scan.marks)
    assert all((moved[name] == masks[name]).mean() > 0.999 for name in REGIONS)


def test_the_same_face_corresponds_to_itself(scan, meshes):
    errors = scan_to_mesh(scan, meshes[0])
    assert corresponding(errors, scan, meshes[0]).max() < 1e-4
    for region in by_region(errors, scan, meshes[0]).values():
        assert region.nearest.max() < 1e-3 and region.corresponding.max() < 1e-3


def test_correspondence_is_never_nearer_than_the_nearest(scan, meshes):
    errors = scan_to_mesh(scan, meshes[1])
    far = corresponding(errors, scan, meshes[1])
    assert len(far) == len(errors.distances)
    assert (far >= errors.distances - 1e-9).all() and far.mean() > 1.05 * errors.distances.mean()


def test_a_mouth_that_slid_is_seen_by_correspondence(head, scan, meshes):
    mesh = meshes[0]
    away = np.linalg.norm(mesh.vertices - mesh.marks[5:].mean(0), axis=1)
    slide = np.array([5.0, 0, 0]) * np.exp(-((away / 30) ** 2))[:, None]
    marks = mesh.marks.copy()
    marks[5:] += (5.0 * np.exp(-((25 / 30) ** 2)), 0, 0)
    slid = dataclasses.replace(mesh, vertices=mesh.vertices + slide, marks=marks)
    errors = scan_to_mesh(scan, slid)
    mouth = regions_of_face(errors.points, scan.marks)["mouth"]
    nearest, far = errors.distances[mouth], corresponding(errors, scan, slid)[mouth]
    assert far.mean() > 1.5 * nearest.mean()
    assert far.mean() == pytest.approx(2.5, abs=1.5)  # the mean slide of the mouth's region, 0 to 5 mm


def test_a_region_with_holes_or_without_points(scan, meshes):
    masks = regions_of_face(scan.points, scan.marks)
    kept = ~masks["forehead"] & (~masks["nose"] | (np.arange(len(scan.points)) % 2 == 0))
    bare = FaceScan(scan.points[kept], scan.marks)
    found = by_region(scan_to_mesh(bare, meshes[1]), bare, meshes[1])
    assert set(found) == {"nose", "mouth", "cheeks"}
    assert all(np.isfinite(region.corresponding).all() for region in found.values())
