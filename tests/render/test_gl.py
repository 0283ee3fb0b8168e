"""The head by OpenGL has our outline and about our colours."""

import sys

import numpy as np
import pytest

from flame_tools import AssetError, ShapeError, load_head
from render.camera import portrait_camera
from render.preview import draw_rgba, head_bounds


@pytest.fixture(scope="module")
def gl():
    from render import gl

    try:
        gl._renderer(gl._pyrender(), (16, 16))
    except AssetError as error:
        pytest.skip(str(error))
    return gl


@pytest.mark.parametrize(
    "yaw, orthographic, size", [(0, False, (160, 200)), (65, False, (200, 160)), (30, True, (128, 128))]
)
def test_outlines_and_colours_agree(gl, yaw, orthographic, size):
    head = load_head()
    camera = portrait_camera(size, head_bounds(head), yaw_deg=yaw, orthographic=orthographic)
    ours = draw_rgba(head, head.arrays.v_template, camera)
    theirs = gl.draw_gl_rgba(head, head.arrays.v_template, camera)
    assert theirs.shape == ours.shape and theirs.dtype == np.uint8
    a, b = ours[..., 3] > 127, theirs[..., 3] > 127
    assert (a & b).sum() / (a | b).sum() > 0.98
    both = a & b
    assert np.abs(ours[both][:, :3].astype(int) - theirs[both][:, :3]).mean() < 40  # lamps differ, skin is skin
    assert np.corrcoef(ours[both][:, 0], theirs[both][:, 0])[0, 1] > 0.7  # hair, brows and lips are where they are


def test_pictures_have_their_own_size_and_albedo(gl):
    head = load_head()
    camera = portrait_camera((90, 70), head_bounds(head))
    red = gl.draw_gl(head, head.arrays.v_template, camera, albedo=np.full((8, 8, 3), (220, 20, 20), np.uint8))
    assert red.shape == (70, 90, 3)
    assert red[22, 45, 0] > 2 * red[22, 45, 1]
    with pytest.raises(ShapeError, match="vertices are"):
        gl.draw_gl(head, head.arrays.v_template[:-1], camera)


def test_a_missing_extra_explains_itself(monkeypatch):
    from render.gl import draw_gl

    monkeypatch.setitem(sys.modules, "pyrender", None)
    head = load_head()
    with pytest.raises(AssetError, match=r"pip install 'emberface\[gl\]'"):
        draw_gl(head, head.arrays.v_template, portrait_camera((16, 16), head_bounds(head)))
