"""Faces moved with scans, and how sure of their poses one is afterwards."""

import numpy as np
import pytest
import torch

from flame_tools.surface.alignment import Alignment
from flame_tools.types import FaceParams
from recon.fitting.landmark_model import LandmarkModel
from recon.scan.placing import moved_pose, place_in, root_joints
from tests.recon.scan.made_scans import turned


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_how_a_pose_changes_when_it_is_moved(head, seed):
    """The Jacobian of `place_in`, the root joint's own motion included, by finite differences."""
    rng, head = np.random.default_rng(seed), type(head)(head.arrays, dtype=torch.float64)
    sizes = (head.shape_size, head.expression_size, 3, 3)
    motion = Alignment(turned(rng), rng.normal(size=3))
    at = rng.normal(size=sum(sizes)) * 0.3

    def placed(vector: np.ndarray) -> np.ndarray:
        shape, expression, rotation, translation = torch.as_tensor(vector).split(sizes)
        face = FaceParams.neutral(head).replace(
            shape=shape, expression=expression, global_rotation=rotation, translation=translation
        )
        moved = place_in(face, root_joints(face, head), motion)
        return torch.cat([moved.global_rotation, moved.translation]).numpy()

    step = 1e-6
    wanted = np.stack([(placed(at + d) - placed(at - d)) / (2 * step) for d in step * np.eye(len(at))], 1)
    root = LandmarkModel(head.arrays).joint_basis[0]
    found = moved_pose(at[sum(sizes[:2]) : -3], root, motion)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
