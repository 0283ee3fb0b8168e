"""Relief on planes, where slopes are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from flame_tools.errors import ShapeError
from flame_tools.surface.relief import normal_map, slopes_of

CELLS = 24


def plane(right, up):
    """A sheet whose u grows along `right` and v along `up`, metres a unit, over the whole UV."""
    v, u = np.mgrid[: CELLS + 1, : CELLS + 1] / CELLS
    uv = np.stack([u.ravel(), v.ravel()], 1)
    corner = (np.arange(CELLS)[:, None] * (CELLS + 1) + np.arange(CELLS)).ravel()
    quads = np.stack([corner, corner + 1, corner + CELLS + 2, corner + CELLS + 1], 1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return SimpleNamespace(faces=faces, uv=uv, uv_faces=faces), uv @ np.array([right, up])


@pytest.mark.parametrize("right", [(0.2, 0.0, 0.0), (-0.2, 0.0, 0.0)])  # as seen, and mirrored
@pytest.mark.parametrize("shear", [0.0, 0.05])
def test_a_tilt_is_the_slope_that_it_has(right, shear):
    head, vertices = plane(right, (shear, 0.1, 0.0))
    row, column = np.mgrid[:100, :200]
    u, v = (column + 0.5) / 200, 1 - (row + 0.5) / 100
    places = np.stack([u, v], -1) @ np.array([right, (shear, 0.1, 0.0)])
    slopes = slopes_of(0.03 * places[..., 0] - 0.07 * places[..., 1], head, vertices)
    assert slopes.shape == (500, 1000, 2)
    inner = slopes[50:-50, 50:-50].reshape(-1, 2)
    np.testing.assert_allclose(inner, np.tile([0.03 * np.sign(right[0]), -0.07], (len(inner), 1)), atol=1e-4)


def test_a_normal_map_says_it_in_colours():
    flat = normal_map(np.zeros((2, 2, 2), np.float32))
    assert flat.dtype == np.uint8 and (flat == (128, 128, 255)).all()
    red, green, blue = normal_map(np.array([[[1.0, -1.0]]]))[0, 0]  # rises along u, falls along v
    assert (red, green, blue) == (54, 201, 201)  # (-1, 1, 1) / sqrt(3)


def test_what_is_no_relief_is_refused():
    head, vertices = plane((1, 0, 0), (0, 1, 0))
    with pytest.raises(ShapeError, match=r"heights are \[4, 4, 3\]"):
        slopes_of(np.zeros((4, 4, 3)), head, vertices)
    head.uv = np.zeros((0, 2))
    with pytest.raises(ShapeError, match="on 0 UVs"):
        slopes_of(np.zeros((4, 4)), head, vertices)
