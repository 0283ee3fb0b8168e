"""What covers made faces: anything may, nothing fails, and most of the face stays in sight."""

import numpy as np

from recon.synthetic.occluders import covered

ANGLES = np.linspace(0, 2 * np.pi, 468, endpoint=False)


def test_any_face_can_be_covered():
    rng = np.random.default_rng(0)
    shares = []
    for k in range(400):
        image = np.full((96, 96, 3), 7, np.uint8)
        marks = 48 + rng.uniform(5, 35, 2) * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1) + rng.normal(0, 4, (468, 2))
        found = covered(image, marks, np.random.default_rng(k))
        assert found.shape == image.shape and found.dtype == np.uint8
        shares.append((found != image).any(-1).mean())
    assert (image == 7).all()
    shares = np.array(shares)
    assert 0.1 < (shares == 0).mean() < 0.5 and 0.05 < shares.mean() < 0.6
