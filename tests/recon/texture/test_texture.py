import numpy as np
import pytest

from flame_tools.types import FaceParams
from recon.fitting.observation import View, observed
from recon.texture.albedo import make_albedo
from recon.texture.eyes import COMMON, common_colour, iris_colours
from recon.texture.fill import past_borders, push_pull
from recon.texture.light import fit_light, gain, harmonics, white_balance
from recon.texture.posed_view import PosedView, exposed, face_exposure
from recon.texture.uv_map import uv_map
from render.camera import portrait_camera
from render.materials import linear_to_srgb, srgb_to_linear

SIZE = 256


@pytest.fixture(scope="module")
def atlas(head):
    return uv_map(head.arrays, SIZE)


def test_texels_know_their_place(head, atlas):
    uv = np.zeros((len(head.arrays.v_template), 2))
    uv[head.arrays.faces] = head.arrays.uv[head.arrays.uv_faces]  # right away from seams
    row, column = np.divmod(atlas.texels, SIZE)
    wanted = np.stack([(column + 0.5) / SIZE, 1 - (row + 0.5) / SIZE], 1)
    assert (np.abs(atlas.spread(uv) - wanted).max(1) < 1e-3).mean() > 0.9


def test_the_texel_across_is_the_mirrored_place(head, atlas):
    rest = atlas.spread(head.arrays.v_template)
    across = atlas.across(rest)
    known = (atlas.mirror < SIZE * SIZE) & (across != 0).any(1)
    assert known.mean() > 0.95
    away = np.linalg.norm(across[known] * (-1, 1, 1) - rest[known], axis=1)
    assert np.median(away) < 0.001 and (away < 0.004).mean() > 0.98  # a texel is 1 to 2 mm wide


def test_push_pull_keeps_what_is_known_and_stays_within_it():
    rng = np.random.default_rng(0)
    values, weights = rng.random((64, 64, 3)), (rng.random((64, 64)) < 0.1).astype(float)
    filled = push_pull(values, weights)
    known = weights > 0
    np.testing.assert_allclose(filled[known], values[known], atol=1e-6)
    assert filled.min() >= values[known].min() - 1e-5 and filled.max() <= values[known].max() + 1e-5


def test_push_pull_of_one_colour_is_that_colour():
    weights = np.zeros((32, 32))
    weights[5, 7] = 1
    np.testing.assert_allclose(push_pull(np.full((32, 32, 3), 0.3), weights), 0.3, atol=1e-6)


def test_colours_go_on_past_the_borders_of_islands():
    texture, inside = np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool)
    texture[:, :3], inside[:, :3] = (9, 8, 7), True
    grown = past_borders(texture, inside, 2)
    assert (grown[:, :5] == (9, 8, 7)).all() and not grown[:, 5:].any() and not texture[:, 3:].any()


def test_hair_is_seen_past_the_islands_border(person, head):
    """Right beyond the edge of the scalp the atlas has what is right within it, so that no seam shows."""
    albedo = person.appearance.albedo.astype(int)
    inside = uv_map(head.arrays, 1024).material >= 0
    scalp = np.isin(np.arange(len(head.arrays.v_template)), head.arrays.regions["scalp"]).astype(float)
    hair = uv_map(head.arrays, 1024)
    hair = hair.image(hair.spread(scalp) > 0.99)
    row, column = np.nonzero(hair[:, :-4] & ~inside[:, 1:-3] & ~inside[:, 3:-1])
    assert len(row) > 50
    assert np.abs(albedo[row, column] - albedo[row, column + 3]).mean() < 8


def test_light_is_found_and_taken_out():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    shade = np.maximum(0.25, 0.5 + 0.3 * normals[:, :1] + 0.1 * normals[:, 1:2])
    colours = shade * np.array([0.8, 0.6, 0.5])
    light = fit_light(normals, colours, np.ones(len(normals)))
    np.testing.assert_allclose(harmonics(normals) @ light, colours, atol=0.05)
    even = colours * gain(normals, light, strength=1.0)
    assert even.std(0).max() < 0.3 * colours.std(0).max()


@pytest.mark.parametrize(("yaw", "orthographic"), [(0, False), (35, False), (35, True)])
def test_a_picture_painted_by_place_comes_back_at_its_place(head, yaw, orthographic):
    """A 'photo' whose colour says where each pixel lies is found in the atlas at the texel of that place."""
    arrays = head.arrays
    vertices = head.vertices(FaceParams.neutral(head)).numpy().astype(np.float64)
    camera = portrait_camera((500, 500), vertices, yaw_deg=yaw, orthographic=orthographic)
    mid = 0.35  # linear light; a gentle ramp over the picture
    y, x = np.mgrid[:500, :500] + 0.5
    paint = np.stack([mid + 0.1 * x / 500, mid * 0.8 + 0.1 * y / 500, 0.25 + 0 * x], -1)
    image = np.rint(linear_to_srgb(paint) * 255).astype(np.uint8)
    unread = observed(np.zeros((468, 2)), np.zeros((10, 2)), View((500, 500)))
    albedo, fused = make_albedo([PosedView(image, vertices, camera, unread)], arrays, size=SIZE)
    assert albedo.shape == (SIZE, SIZE, 3) and albedo.dtype == np.uint8 and fused.lit[0].light.shape == (9, 3)
    assert fused.coverage[0] > (0.75 if yaw == 0 else 0.35)
    # all of it is about the paint's own colour: nothing dark, nothing of another hue on the skin
    skin = srgb_to_linear(albedo.reshape(-1, 3)[uv_map(arrays, SIZE).texels] / 255.0)
    face = np.isin(np.arange(len(arrays.v_template)), arrays.regions["nose"])
    nose = uv_map(arrays, SIZE).spread(face.astype(float)) > 0.9
    np.testing.assert_allclose(np.median(skin[nose], 0), [0.40, 0.33, 0.25], atol=0.04)


def test_a_photo_gives_colours_of_its_face(person, head):
    albedo = person.appearance.albedo
    assert albedo.shape == (1024, 1024, 3)
    skin = uv_map(head.arrays, 1024)
    colours = albedo.reshape(-1, 3)[skin.texels].astype(float)
    nose = np.isin(np.arange(len(head.arrays.v_template)), head.arrays.regions["nose"]).astype(float)
    red, green, blue = np.median(colours[skin.spread(nose) > 0.9], 0)
    assert red > green > blue and red > 150  # fair skin in good light
    # nothing is left empty
    assert colours.min(1).max() > 100 and colours.max(1).min() > 20


def test_hair_and_irises_take_the_colours_of_the_photo(person, head):
    brown = np.array(person.provenance["iris_srgb"])
    assert brown[0] > brown[1] > brown[2] and brown.max() < 130
    albedo = person.appearance.albedo
    irises = uv_map(head.arrays, 1024, ("iris",))
    np.testing.assert_allclose(np.median(albedo.reshape(-1, 3)[irises.texels], 0), brown, atol=40)
    skin = uv_map(head.arrays, 1024)
    scalp = np.isin(np.arange(len(head.arrays.v_template)), head.arrays.regions["scalp"]).astype(float)
    hair = np.median(albedo.reshape(-1, 3)[skin.texels[skin.spread(scalp) > 0.99]], 0)
    neck = np.isin(np.arange(len(head.arrays.v_template)), head.arrays.regions["neck"]).astype(float)
    bare = np.median(albedo.reshape(-1, 3)[skin.texels[skin.spread(neck) > 0.99]], 0)
    assert hair.mean() < bare.mean() - 15 and hair[0] > hair[2] + 15  # blond before fair skin


@pytest.mark.parametrize("radius", [1.0, 20.0])
def test_an_iris_is_seen_between_pupil_and_rim_or_not_at_all(radius):
    y, x = np.mgrid[:100, :200] + 0.5
    image = np.full((100, 200, 3), 235, np.uint8)
    centres = np.array([[50.0, 50.0], [150.0, 50.0]])
    for centre in centres:
        away = np.hypot(x - centre[0], y - centre[1]) / radius
        image[away < 1] = (60, 90, 140)
        image[away < 0.4] = 0
    image[45:48, 45:48] = image[45:48, 145:148] = 255  # a lamp
    colour = common_colour([iris_colours(image, centres, np.full(2, radius))])
    np.testing.assert_allclose(colour, (60, 90, 140) if radius > 10 else COMMON, atol=4)


def test_white_balance_leaves_skins_alone_and_tames_a_red_print():
    for skin in ((205, 176, 155), (209, 152, 120), (92, 58, 42), (241, 206, 184)):
        np.testing.assert_allclose(white_balance(srgb_to_linear(np.array(skin) / 255)), 1, atol=1e-6)
    red = srgb_to_linear(np.array([221, 145, 108]) / 255)
    balanced = red * white_balance(red)
    assert balanced[0] / balanced[1] < 2.1 < red[0] / red[1]
    luminance = np.array([0.2126, 0.7152, 0.0722])
    assert luminance @ balanced == pytest.approx(luminance @ red, rel=1e-5)


def test_only_dark_pictures_are_brightened(astronaut):
    assert exposed(astronaut) is astronaut
    linear = srgb_to_linear(astronaut / 255)
    dark = np.rint(linear_to_srgb(linear / 4) * 255).astype(np.uint8)
    lit = srgb_to_linear(exposed(dark) / 255)
    assert lit.mean() > 1.7 * (linear / 4).mean() and lit.mean() < 1.1 * linear.mean()
    assert exposed(np.zeros((4, 4, 3), np.uint8)).max() == 0


@pytest.mark.parametrize(
    ("skin", "light", "least", "most"),
    [
        ((222, 178, 156), 1.0, 1, 1),  # pale and well lit
        ((222, 178, 156), 0.4, 1.25, 2),  # pale, before a bright wall
        ((92, 58, 42), 1.0, 1, 1.05),  # dark
        ((78, 52, 40), 0.8, 1, 1.2),
        ((150, 100, 76), 0.7, 1, 1.15),
    ],
)
def test_only_faces_too_dark_for_their_hue_are_brightened(skin, light, least, most):
    rng = np.random.default_rng(0)
    shade = light * rng.uniform(0.6, 1.0, (2000, 1))
    assert least <= face_exposure(srgb_to_linear(np.array(skin) / 255) * shade, np.ones(2000)) <= most
