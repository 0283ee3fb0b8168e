"""OpenGL's picture of a head, where pyrender and EGL are, against ours."""

import ctypes.util
import sys

import numpy as np
import pytest
import torch

from flame_tools.errors import InputError, ShapeError
from flame_tools.load import load_head
from render.camera import cut, portrait_camera
from render.gl import draw_gl
from render.preview import draw, draw_rgba, head_bounds


def need_gl():
    pytest.importorskip("pyrender", reason="pyrender is not installed: pip install 'emberface[gl]'")
    if ctypes.util.find_library("EGL") is None:
        pytest.skip("there is no libEGL")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_opengl_and_we_see_the_same_head():
    need_gl()
    head = load_head()
    views = [portrait_camera((160, 120), head_bounds(head), yaw_deg=25, orthographic=flat) for flat in (False, True)]
    views.append(cut(views[0], (30, 10, 80, 100), (80, 100)))  # its centre is not the picture's
    for view in views:
        theirs = draw_gl(head, torch.from_numpy(head.arrays.v_template), view, background=(0, 0, 255))
        ours = draw(head, head.arrays.v_template, view, background=(0, 0, 255))
        cover = draw_rgba(head, head.arrays.v_template, view)[..., 3]
        blue = (theirs == [0, 0, 255]).all(-1)
        assert ((cover == 0) & ~blue).mean() < 0.002 and ((cover == 255) & blue).mean() < 0.002
        assert np.corrcoef(theirs[cover == 255].ravel(), ours[cover == 255].ravel())[0, 1] > 0.8


def test_without_pyrender_it_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrender", None)
    head = load_head()
    with pytest.raises(InputError, match=r"needs pyrender and EGL: pip install 'emberface\[gl\]'"):
        draw_gl(head, head.arrays.v_template, portrait_camera((8, 8), head_bounds(head)))


def test_bad_input_is_named():
    need_gl()
    head = load_head()
    with pytest.raises(ShapeError, match=r"vertices are \[3, 3\]"):
        draw_gl(head, np.zeros((3, 3)), portrait_camera((8, 8), head_bounds(head)))
