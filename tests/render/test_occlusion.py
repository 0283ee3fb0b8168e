"""Light that reaches a vertex, and the paint that is made once a head."""

from functools import cache

import numpy as np
import pytest
import torch

from flame_tools.arkit import INDEX, to_params
from flame_tools.load import load_head
from render.attributes import vertex_attributes
from render.eyes import EYE_EXTENT, eye_texture
from render.kept_looks import look_of
from render.looks import make_look
from render.materials import linear_to_srgb, srgb_to_linear
from render.mip import at_scale
from render.occlusion import eye_centre, light_mouth, lit_by, nearest, sky_seen, smoothed, unfolded
from tests.render.test_raster import ball


@cache
def head():
    return load_head()


def test_a_ball_sees_all_of_the_sky_from_outside_and_none_from_inside():
    points, faces = ball(30, 40)
    out = points / np.linalg.norm(points, axis=1, keepdims=True)
    assert sky_seen(points, faces, out).min() > 0.93  # depth maps of 192 pixels: a few grazing directions are lost
    assert sky_seen(points * 0.6, faces, out).min() > 0.9
    both = np.concatenate([points, 0.5 * points])
    faces = np.concatenate([faces, faces + len(points)])
    seen = sky_seen(both, faces, np.concatenate([out, out]))
    assert seen[: len(points)].min() > 0.9 and seen[len(points) :].max() < 0.05


def test_a_lamp_lights_what_stands_before_and_not_what_stands_behind():
    points, faces = ball(30, 40, 0.02)
    both = np.concatenate([points, 2 * points + [0, 0, -0.2]]).astype(np.float32)
    out = np.tile(points / np.linalg.norm(points, axis=1, keepdims=True), (2, 1)).astype(np.float32)
    lit = lit_by(both, np.concatenate([faces, faces + len(points)]), out, np.array([0.0, 0.0, 1.0]))
    front, back = np.split(lit, 2)
    to_lamp = np.split(out, 2)[0][:, 2]
    assert front[to_lamp > 0.4].min() > 0.95
    middle = np.linalg.norm(2 * points[:, :2], axis=1) < 0.01
    edge = np.linalg.norm(2 * points[:, :2], axis=1) > 0.032
    assert back[middle & (to_lamp > 0)].max() < 0.05 and back[edge & (to_lamp > 0.5)].min() > 0.9


@pytest.mark.parametrize("closer, further", [(0.02, 0.05), (0.05, 0.09)])
def test_a_mouth_is_darker_deeper_in_and_black_when_shut(closer, further):
    x = np.linspace(-0.022, 0.022, 9)
    points = np.array([[0, 0, -closer], [0, 0, -further], [0, 0, 0.01]])

    def light(gap):
        opening = gap * (1 - (x / 0.023) ** 2)
        upper = np.stack([x, opening / 2, np.zeros(9)], 1)
        lower = np.stack([x, -opening / 2, np.zeros(9)], 1)
        pairs = np.stack([np.arange(9), np.arange(9) + 9], 1)
        return light_mouth(np.concatenate([upper, lower, points]), np.arange(18, 21), pairs)

    wide, narrow, shut = light(0.03), light(0.01), light(0.0)
    assert wide[0] > wide[1] > narrow[1] > shut[1]
    assert (shut[:2] < 0.01).all() and shut[2] == wide[2] == 1  # before the lips there is free light


def test_nearest_and_sphere_fit_agree_with_plain_numpy():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 3)).astype(np.float32)
    some, others = np.arange(10, dtype=np.int32), np.arange(10, 40, dtype=np.int32)
    found = np.empty(10, np.float32)
    nearest(points, some, others, found)
    wanted = np.linalg.norm(points[some][:, None] - points[others][None], axis=-1).min(1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    direction = rng.normal(size=(50, 3))
    on_ball = 0.012 * direction / np.linalg.norm(direction, axis=1, keepdims=True) + [0.03, 1.5, 0.08]
    np.testing.assert_allclose(eye_centre(on_ball), [0.03, 1.5, 0.08], atol=1e-9)


def test_smoothing_keeps_a_constant_and_spreads_a_peak():
    _, faces = ball(10, 12)
    np.testing.assert_allclose(smoothed(np.full(120, 0.3, np.float32), faces, 3), 0.3, rtol=1e-6)
    peak = np.zeros(120, np.float32)
    peak[60] = 1
    assert 0 < (smoothed(peak, faces) > 0).sum() < 12


def test_the_look_is_made_once_and_always_the_same():
    first = look_of(head())
    assert look_of(head().arrays) is first
    again = make_look(head().arrays)
    np.testing.assert_array_equal(first.skin_texture, again.skin_texture)
    np.testing.assert_array_equal(first.occlusion, again.occlusion)


@pytest.mark.parametrize("side", ["Left", "Right"])
def test_a_lid_that_shuts_comes_out_of_the_dark(side):
    looked = look_of(head())
    ball = looked.balls[0 if side == "Left" else 1]
    light, far = [], []
    for shut in (0.0, 0.5, 1.0):
        weights = torch.zeros(1, 52)
        weights[0, INDEX[f"eyeBlink{side}"]] = shut
        with torch.no_grad():
            posed = head().vertices(to_params(weights, head()))[0].numpy()
        attributes = vertex_attributes(looked, posed, np.eye(3, dtype=np.float32), np.array([0.0, 0.0, 1.0]))
        light.append(attributes[ball.lids, 3])
        far.append(unfolded(posed, ball))
    assert far[0] < 0.02 and 0.3 < far[1] < 0.7 and far[2] > 0.8
    assert (light[0] <= light[1]).all() and (light[1] <= light[2] + 1e-6).all()
    assert light[0].min() < 0.6 < 0.75 < light[2].min()  # folded away and unfolded


def test_brows_and_lips_are_painted_where_the_landmarks_are():
    arrays, look = head().arrays, look_of(head())
    mark = arrays.landmarks["68"]
    corners = arrays.uv[arrays.uv_faces[mark.faces]]
    uv = np.einsum("lk,lkc->lc", mark.barycentrics, corners)
    size = look.skin_texture.shape[0]
    texels = look.skin_texture[((1 - uv[:, 1]) * size).astype(int), (uv[:, 0] * size).astype(int)].astype(int)
    cheeks = texels[[2, 14, 29]].mean(0)
    assert (texels[[19, 24]].sum(1) < cheeks.sum() - 150).all()  # the middle of each brow
    lips = texels[[51, 57, 62, 66]]
    assert ((lips[:, 0] - lips[:, 1]) > cheeks[0] - cheeks[1] + 8).all()


def test_the_eye_has_pupil_iris_and_white():
    texture = eye_texture().astype(float).mean(-1)
    size = len(texture)
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    radius = np.hypot(*np.meshgrid(grid, grid)) * EYE_EXTENT
    pupil, iris, white = (texture[(radius > a) & (radius < b)] for a, b in ((0, 0.25), (0.45, 0.75), (1.3, 2.5)))
    assert pupil.max() < 10 < iris.min() and iris.mean() < 130 < 190 < white.mean()
    np.testing.assert_array_equal(eye_texture(), eye_texture())


def test_gaze_coordinates_of_the_iris_reach_one():
    look, arrays = look_of(head()), head().arrays
    chosen = [k for k, name in enumerate(arrays.materials) if name in ("iris", "pupil")]
    iris = np.unique(arrays.faces[np.isin(arrays.face_material, chosen)])
    radius = np.linalg.norm(look.eye[iris], axis=1)
    assert 0.97 < radius.max() <= 1.0 + 1e-6 and radius.min() < 0.05


def test_textures_are_halved_to_the_scale_and_keep_their_mean():
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    np.testing.assert_array_equal(at_scale(image, 1.0), image)
    small = at_scale(image, 4.0)
    assert small.shape == (16, 24, 3)
    np.testing.assert_allclose(small.mean((0, 1)), image.mean((0, 1)), atol=1)
    assert at_scale(image, 1e9).shape[0] >= 2


def test_srgb_is_its_own_inverse():
    values = np.linspace(0, 1, 256)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-12)
    assert abs(float(srgb_to_linear(0.5)) - 0.21404) < 1e-5  # IEC 61966-2-1


def test_an_albedo_with_painted_eyes_gives_the_iris_its_colour():
    from render.eyes import iris_of
    from render.preview import _eye_like

    look = look_of(head())
    plain = np.full((256, 256, 3), (200, 170, 150), np.uint8)
    assert iris_of(plain, look.eye_uv) is None and _eye_like(look, plain) is look.eye_texture
    painted = plain.copy()
    for uv, colour in zip(look.eye_uv, ((8, 8, 9), (60, 90, 140), (225, 215, 205)), strict=True):
        painted[((1 - uv[:, 1]) * 256).astype(int), (uv[:, 0] * 256).astype(int)] = colour
    assert iris_of(painted, look.eye_uv) == (60, 90, 140)
    eye = _eye_like(look, painted).astype(float)
    size = len(eye)
    ring = eye[size // 2, size // 2 + int(0.65 / EYE_EXTENT * size / 2)]
    assert ring[2] > ring[0] + 20
    assert iris_of(painted, (look.eye_uv[0], look.eye_uv[1], np.empty((0, 2)))) is None
