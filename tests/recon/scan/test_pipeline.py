"""Raw scans to heads, from files' units and orientations to figures."""

import dataclasses

import numpy as np
import pytest
import torch
import trimesh

from flame_tools.errors import InputError
from flame_tools.identity import random_identities
from flame_tools.posing import person
from flame_tools.surface.nearest import Surface
from flame_tools.types import FaceParams
from recon.scan.file import Scan, read_scan
from recon.scan.pipeline import fit_files, fit_scans
from recon.scan.skin import ScanModel
from recon.stabilise import stillness
from tests.recon.scan.made_scans import exposed, ict_identity, scanned, turned, visible
from tests.shared_data import shared_file

UPSIDE_DOWN = np.diag([1.0, -1.0, -1.0])


def face_of(head, shape, **changes) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] of a person of the head, and the triangles that a scanner sees."""
    params = FaceParams.neutral(head).replace(shape=shape, **changes)
    vertices = head.vertices(params).numpy().astype(np.float64)
    faces = head.arrays.faces[exposed(head.arrays)]
    return vertices, faces[visible(vertices, faces)]


@pytest.fixture(scope="module")
def people(head) -> torch.Tensor:
    return random_identities(head, 3, seed=5)


@pytest.fixture(scope="module")
def scans(head, people) -> list[Scan]:
    """A person who talks, scanned in centimetres and upside down, and the same one at rest, in metres."""
    talking = scanned(
        *face_of(head, people[1], jaw=torch.tensor([0.12, 0, 0])), seed=1, per_metre=100, rotation=UPSIDE_DOWN
    )
    resting = scanned(*face_of(head, people[1]), seed=2, rotation=turned(np.random.default_rng(2)))
    return [talking[0], resting[0]]


@pytest.fixture(scope="module")
def fitted(head, scans):
    return fit_scans(scans, head)


def test_a_person_of_the_head_is_met_to_the_noise(head, scans, fitted):
    frames = head.vertices(fitted.track.params).numpy()
    for scan, frame, facts, unit in zip(scans, frames, fitted.track.provenance["scans"], ("cm", "m"), strict=True):
        assert facts["unit"] == unit
        assert facts["quality"]["scan_median_mm"] < 0.3  # the noise alone, 0.25 mm in each axis, gives 0.17
        off = Surface(frame, head.arrays.faces).nearest(scan.vertices * facts["metres_per_unit"]).distance
        assert np.median(off) < 5e-4  # the fitted head lies on the scan, in the scan's axes


def test_a_file_is_read_once_and_what_is_not_finite_left_out(head, scans, tmp_path, monkeypatch):
    mesh = trimesh.Trimesh(scans[1].vertices, scans[1].faces, process=False)
    (tmp_path / "a.obj").write_text(mesh.export(file_type="obj") + "\nv nan nan nan\n")
    read = []
    monkeypatch.setattr("recon.scan.pipeline.read_scan", lambda file: read.append(file) or read_scan(file))
    track = fit_files(tmp_path / "a.obj", head).track
    assert read == [tmp_path / "a.obj"]
    assert track.provenance["quality"]["scan_median_mm"] < 0.3 and track.provenance["metric_scale"] == "the scan's unit"
    assert torch.isnan(track.std.jaw[:, 2]).all() and (track.std.jaw[:, :2] > 0).all()


def test_several_scans_share_their_identity_and_differ_in_the_jaw(fitted):
    assert len(fitted.track) == 2
    talking, resting = fitted.track.params.jaw[:, 0].tolist()
    assert abs(talking - 0.12) < 0.05
    assert talking - resting > 0.08


@pytest.mark.long
def test_half_a_face_as_points_is_filled_in(head, people):
    vertices, faces = face_of(head, people[2])
    rotation = turned(np.random.default_rng(4))
    scan, _ = scanned(vertices, faces, seed=2, half=True, cloud=True, rotation=rotation, per_metre=1000)
    found = fit_scans([scan], head)
    assert found.track.provenance["quality"]["scan_median_mm"] < 0.4  # 0.25 measured; points 3 mm apart
    assert found.track.provenance["scans"][0]["unit"] == "mm"
    # the half that was not seen
    back = np.array(found.track.provenance["scans"][0]["to_head"])
    truth = vertices[head.arrays.regions["face"]]
    shift = scan.vertices.mean(0) - 1000 * _mean_seen(vertices, faces, seed=2) @ rotation.T
    there = (1000 * truth @ rotation.T + shift) @ back[:3, :3].T + back[:3, 3]
    fit = Surface(found.vertices[0], head.arrays.faces)
    unseen = truth[:, 0] < -0.02
    assert np.median(fit.nearest(there[unseen]).distance) < 0.003  # measured 1.1 mm, from symmetry and the prior alone
    assert np.median(fit.nearest(there[~unseen]).distance) < 0.0008


def _mean_seen(vertices, faces, *, seed):
    """The mean of a half scan's points before they were moved."""
    return scanned(vertices, faces, seed=seed, half=True, cloud=True)[1].mean(0)


@pytest.mark.long
def test_offsets_follow_the_face_and_not_the_noise(head, people):
    vertices, faces = face_of(head, people[0])
    cheek = vertices[head.arrays.regions["nose"]].mean(0) + np.array((0.03, -0.01, -0.015))
    bump = np.exp(-((vertices - cheek) ** 2).sum(1) / 0.012**2)
    scan, _ = scanned(vertices + 0.003 * bump[:, None] * (0, 0, 1), faces, seed=3, holes=0)
    bent = fit_scans([scan], head, offsets=True)
    offsets = bent.track.appearance.vertex_offsets
    assert np.linalg.norm(offsets[bump > 0.8], axis=1).mean() > 3 * np.linalg.norm(offsets[bump < 0.01], axis=1).mean()
    assert np.linalg.norm(offsets, axis=1).max() < 0.008
    assert bent.track.provenance["quality"]["scan_median_mm"] < 0.25
    worn = person(bent.track, head).v_template - person(bent.track.replace(appearance=None), head).v_template
    assert np.allclose(worn.numpy(), offsets, atol=1e-7)


@pytest.mark.long
def test_hair_does_not_pull(head, people):
    vertices, faces = face_of(head, people[1])
    high = np.clip((vertices[:, 1] - 0.05) / 0.02, 0, 1) * np.clip((0.02 - vertices[:, 2]) / 0.02, 0, 1)
    tall = vertices * (1 + 0.25 * high[:, None])  # up to 3 cm over the scalp
    found = fit_scans([scanned(tall, faces, seed=1)[0]], head)
    assert found.track.provenance["quality"]["scan_median_mm"] < 0.4
    size = np.ptp(found.vertices[0][:, 1]) - np.ptp(vertices[:, 1])
    assert abs(size) < 0.012  # the skull does not grow to fill the hair


@pytest.mark.long
def test_an_ict_identity_is_met_below_a_millimetre(head):
    with np.load(shared_file("heads/ict_facekit.npz"), allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    face = ict_identity(data, seed=3)
    scan, _ = scanned(*face, seed=3, cloud=True, per_metre=39.37, rotation=turned(np.random.default_rng(1)))
    quality = fit_scans([scan], head).track.provenance["quality"]
    assert quality["scan_median_mm"] < 0.8  # wanted 1.0; parameters alone give 0.4 to 0.6


@pytest.mark.long
def test_what_is_no_face_is_refused(head):
    box = trimesh.creation.box((0.2, 0.3, 0.25)).subdivide().subdivide().subdivide().subdivide()
    with pytest.raises(InputError, match="no face"):
        fit_scans([Scan(np.asarray(box.vertices), np.asarray(box.faces, np.int32))], head)
    with pytest.raises(InputError, match="no scan"):
        fit_scans([], head)


def test_a_head_without_named_regions_has_a_face_too(head):
    arrays = head.arrays
    bare = dataclasses.replace(arrays, regions={"face": arrays.regions["face"]})
    model = ScanModel(bare)
    assert np.array_equal(model.vertices, ScanModel(arrays).vertices)
    still = stillness(bare)
    assert np.count_nonzero(still) == len(model.vertices)
