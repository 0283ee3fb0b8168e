"""Mouths, teeth and eyes' backs of modelled heads, which no scanner sees."""

import numpy as np
import pytest
import torch
import trimesh

from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.identity import random_identities
from flame_tools.posing import person, posed_frames, still
from recon.evaluation.inputs import mesh_of_track, own_marks, read_face_scan
from recon.evaluation.now import face_ball, scan_to_mesh
from recon.scan.file import Scan
from recon.scan.inside import inside
from recon.scan.pipeline import fit_scans
from tests.recon.scan.made_scans import exposed, ict_identity, scanned, turned, visible
from tests.shared_data import shared_file


@pytest.fixture(scope="module")
def someone(head):
    return still(head, random_identities(head, 2, seed=5)[1])


@pytest.fixture(scope="module")
def vertices(head, someone) -> np.ndarray:
    return person(someone, head).v_template.double().numpy()


def ball(vertices, head):
    return face_ball(own_marks(vertices, head.arrays))


def test_mouth_and_teeth_are_inside_and_the_face_is_not(head, vertices):
    arrays = head.arrays
    found = inside(vertices, arrays.faces, *ball(vertices, head))
    assert found[arrays.regions["teeth"]].mean() > 0.95 and found[arrays.regions["gums"]].mean() > 0.95
    for name in ("nose", "brow", "left_lids", "right_iris", "ears", "neck"):
        assert not found[arrays.regions[name]].any(), name
    # but for the lips' inner side near the corners, which lies against the other lip
    assert not found[np.setdiff1d(arrays.regions["face"], arrays.regions["lips"])].any()
    assert found[arrays.regions["lips"]].mean() < 0.1
    again = inside(vertices, arrays.faces[:, ::-1], *ball(vertices, head))
    np.testing.assert_array_equal(again, found, "whichever way the file winds its triangles")


@pytest.mark.parametrize("noise_m", [0.0, 0.00025])
def test_a_scan_has_no_inside(head, vertices, noise_m):
    faces = head.arrays.faces[exposed(head.arrays)]
    scan, clean = scanned(vertices, faces[visible(vertices, faces)], seed=1, noise_m=0.0)
    noisy = clean + np.random.default_rng(0).normal(size=clean.shape) * noise_m
    assert not inside(noisy, scan.faces, *ball(vertices, head)).any()
    assert not inside(clean, np.zeros((0, 3), int), *ball(vertices, head)).any(), "points hide nothing"


def test_a_truth_with_a_mouth_measures_as_one_without(head, someone, vertices, tmp_path):
    arrays, mesh = head.arrays, mesh_of_track(someone, head)
    faces = arrays.faces[exposed(arrays)]
    np.save(tmp_path / "marks.npy", own_marks(vertices, arrays))
    medians, left_out = [], []
    for name, shown in (("whole", arrays.faces), ("seen", faces[visible(vertices, faces)])):
        used, rows = np.unique(shown, return_inverse=True)
        trimesh.Trimesh(vertices[used], rows.reshape(-1, 3), process=False).export(tmp_path / f"{name}.ply")
        scan = read_face_scan(tmp_path / f"{name}.ply", arrays, landmarks=tmp_path / "marks.npy")
        medians.append(float(np.median(scan_to_mesh(scan.face, mesh).distances)))
        left_out.append(scan.inside)
    assert left_out[0] > 2000 and left_out[1] == 0
    assert max(medians) < 0.01  # mm; 1.6 with the mouth


def test_an_open_mouth_is_measured_as_far_as_it_is_seen(head, someone, tmp_path):
    """Teeth and tongue that the scan shows must have something to lie on, or they pull the whole face askew."""
    weights = torch.zeros(1, len(ARKIT_NAMES))
    weights[0, INDEX["jawOpen"]] = 0.5
    opened = to_params(weights, head)
    wide = someone.replace(params=someone.params.replace(expression=opened.expression, jaw=opened.jaw))
    (posed,) = posed_frames(wide, head)
    posed, arrays = posed.astype(np.float64), head.arrays
    trimesh.Trimesh(posed, arrays.faces, process=False).export(tmp_path / "whole.ply")
    np.save(tmp_path / "marks.npy", own_marks(posed, arrays))
    scan = read_face_scan(tmp_path / "whole.ply", arrays, landmarks=tmp_path / "marks.npy")
    errors = scan_to_mesh(scan.face, mesh_of_track(wide, head))
    assert errors.distances.mean() < 0.01  # mm; 3 without teeth and tongue
    assert len(mesh_of_track(wide, head).faces) > len(mesh_of_track(someone, head).faces) + 500


@pytest.mark.long
def test_a_whole_mesh_is_fitted_by_its_outside(head):
    data = dict(np.load(shared_file("heads/ict_facekit.npz"), allow_pickle=False))
    vertices, _ = ict_identity(data, seed=3)
    whole = Scan(vertices @ turned(np.random.default_rng(1)).T, data["faces"])
    found = fit_scans([whole], head).track.provenance
    assert found["scans"][0]["inside_left_out"] > 5000
    assert found["quality"]["scan_mean_mm"] < 1.2  # 0.8; 2.7 with mouth, teeth and the eyes' backs
