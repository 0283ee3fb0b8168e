"""Made people with known scans."""

import numpy as np
import pytest

from flame_tools.identity import random_identities
from flame_tools.posing import still
from flame_tools.surface.alignment import Alignment
from recon.evaluation.inputs import mesh_of_track
from recon.evaluation.now import FaceScan
from recon.fitting.rotation import rotation_matrix

ELSEWHERE = Alignment(rotation_matrix(np.array([0.5, 0.9, -0.3])), np.array([100.0, 20.0, -50.0]))


@pytest.fixture(scope="session")
def tracks(head):
    """Two people at rest."""
    return [still(head, shape) for shape in random_identities(head, 2, seed=5)]


@pytest.fixture(scope="session")
def meshes(head, tracks):
    return [mesh_of_track(track, head) for track in tracks]


@pytest.fixture(scope="session")
def seen(head, meshes) -> np.ndarray:
    """Vertices [n] that a scanner sees from the front, about: skin before the ears."""
    middle = meshes[0].vertices[head.arrays.regions["ears"], 2].mean()
    skin = np.unique(head.arrays.faces[head.arrays.face_material <= 1])
    return skin[meshes[0].vertices[skin, 2] > middle]


@pytest.fixture(scope="session")
def scan(meshes, seen) -> FaceScan:
    """The first person, scanned exactly, somewhere else."""
    return FaceScan(ELSEWHERE(meshes[0].vertices[seen]), ELSEWHERE(meshes[0].marks))
