"""Values as colours on a head."""

import numpy as np
import pytest

from flame_tools.errors import ShapeError
from flame_tools.load import load_head
from render.camera import portrait_camera
from render.heat import HEAT, SIGNED, UNKNOWN, draw_heat, heat_colours, painted
from render.preview import draw, head_bounds


def test_colours_run_from_pale_to_dark_and_stop_at_the_limit():
    colours = heat_colours(np.array([0, 1, 2, 9, np.nan, -3]), 2.0)
    assert [tuple(c) for c in colours[[0, 2, 3, 4, 5]].tolist()] == [HEAT[0], HEAT[-1], HEAT[-1], UNKNOWN, HEAT[0]]
    assert tuple(colours[1]) == HEAT[2]
    signed = heat_colours(np.array([-5.0, -1, 0, 1]), 1.0, signed=True)
    assert [tuple(c) for c in signed.tolist()] == [SIGNED[0], SIGNED[0], SIGNED[2], SIGNED[-1]]
    luminance = heat_colours(np.linspace(0, 1, 50), 1.0) @ [0.21, 0.72, 0.07]
    assert (np.diff(luminance) < 0).all()  # readable without colour


def test_a_hot_nose_is_red_and_the_rest_is_not():
    head = load_head()
    camera = portrait_camera((160, 160), head_bounds(head))
    values = np.zeros(len(head.arrays.v_template))
    values[head.arrays.regions["nose"]] = 3.0
    picture = draw_heat(head, head.arrays.v_template, camera, values, 3.0, title="nose").astype(int)
    plain = draw(painted(head, heat_colours(0 * values, 3.0)), head.arrays.v_template, camera).astype(int)
    changed = np.abs(picture - plain).max(-1) > 20
    rows, columns = np.nonzero(changed[40:120, 40:120])
    assert 50 < len(rows) < 900 and abs(columns.mean() - 40) < 4
    nose = picture[40:120, 40:120][rows, columns]
    assert (nose[:, 0] > nose[:, 2] + 15).mean() > 0.9
    eyes = plain[60:80, 50:110]
    assert np.ptp(eyes, axis=-1).mean() < 25  # no iris, no lips: grey all over


def test_bad_values_are_named():
    head = load_head()
    with pytest.raises(ShapeError, match=r"colours are uint8 \[3, 3\], wanted uint8"):
        painted(head, np.zeros((3, 3), np.uint8))
    with pytest.raises(ShapeError, match="limit is 0"):
        heat_colours(np.zeros(3), 0)
