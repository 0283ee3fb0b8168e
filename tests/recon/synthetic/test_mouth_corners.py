"""The line between the lips that goes on to the corners of the mouth."""

import numpy as np
import pytest

from recon.synthetic.mouth_corners import CORNERS, creased
from render.looks import make_look


@pytest.fixture(scope="module")
def look(head):
    return make_look(head.arrays)


def darkened(look, head, seed):
    """[h, w] by how much of 255 the line is darker, and where CORNERS are in it [2, 2, 2]."""
    new = creased(look, head.arrays, np.random.default_rng(seed))
    changed = look.skin_texture.astype(int).mean(-1) - new.skin_texture.mean(-1)
    marks = head.arrays.landmarks["468"]
    uv = np.einsum("lk,lkc->lc", marks.barycentrics, look.uv[look.uv_faces[marks.faces]])
    return changed, uv[list(CORNERS)] * (1, -1) + (0, 1)


def test_the_line_is_dark_from_the_opening_to_the_corner_and_nowhere_else(look, head):
    differ = []
    for seed in range(6):
        changed, corners = darkened(look, head, seed)
        size = np.array(changed.shape[::-1])
        rows, columns = np.nonzero(changed > 1)
        at = (np.stack([columns, rows], -1) + 0.5) / size
        lengths = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
        away = np.linalg.norm(at[:, None, None] - corners, axis=-1).min(-1) / lengths
        assert (away.min(1) < 2).all() and changed.min() > -1
        near = (away < 1.2).sum(0)
        assert near.min() > 0.5 * near.max() - 10  # alike on both sides
        differ.append(changed.max())
    assert max(differ) > 60 and np.std(differ) > 10


def test_the_look_it_began_with_is_not_touched(look, head):
    before = look.skin_texture.copy()
    again = [creased(look, head.arrays, np.random.default_rng(3)).skin_texture for _ in range(2)]
    assert np.array_equal(*again) and np.array_equal(before, look.skin_texture)
    assert not np.array_equal(again[0], before)
