"""The kernels over texels against what they stand for, written plainly."""

import numpy as np
import pytest

from flame_tools.smooth import smooth_step
from flame_tools.types import FaceParams
from readers.sampling import bilinear
from recon.fitting.observation import View, observed
from recon.texture import posed_view, texels_numba
from recon.texture.face_area import face_of, lids_spread
from recon.texture.light import evened, gain
from recon.texture.posed_view import FACING, PosedView, sampled, visible
from recon.texture.skin_mask import beard, skin_like
from recon.texture.surface import unit, unlike_skin, vertex_normals
from render.camera import portrait_camera, project
from render.materials import linear_to_srgb, srgb_to_linear

SIZE = 128


@pytest.fixture(scope="module")
def face(head):
    return face_of(head.arrays, SIZE)


@pytest.fixture(scope="module", params=[False, True], ids=["perspective", "orthographic"])
def view(head, request):
    """A dim picture, larger than the texture, on which every place has its own colour."""
    vertices = head.vertices(FaceParams.neutral(head)).numpy().astype(np.float64)
    camera = portrait_camera((400, 500), vertices, yaw_deg=25, pitch_deg=-10, orthographic=request.param)
    y, x = np.mgrid[:500, :400]
    linear = np.stack([0.1 + 0.1 * np.sin(x / 30), 0.1 + 0.1 * np.cos(y / 25), 0.05 + x * y / 4e6], -1)
    image = np.rint(linear_to_srgb(linear) * 255).astype(np.uint8)
    return PosedView(image, vertices, camera, observed(np.zeros((468, 2)), np.zeros((10, 2)), View((400, 500))))


def test_a_view_is_looked_up_as_its_camera_sees_it(head, face, view):
    arrays, camera, vertices, atlas = head.arrays, view.camera, view.vertices, face.atlas
    found = sampled(view, arrays, face)
    assert found.exposure > 1.5
    points, normals = (
        (v[atlas.corners] * atlas.barycentrics[..., None]).sum(1)
        for v in (vertices, vertex_normals(vertices, arrays.faces))
    )
    pixels, normals, pose = project(points, camera), unit(normals), camera.world_to_camera
    sight = -pose[:3, :3].T @ pose[:3, 3] - points
    if camera.orthographic:
        sight = np.broadcast_to(-pose[2, :3], points.shape)
    distance = np.linalg.norm(sight, axis=1)
    facing = (normals * sight).sum(1) / distance
    lids = (lids_spread(arrays, vertices)[atlas.corners] * atlas.barycentrics).sum(1)
    seen = visible(pixels, vertices, arrays.faces, camera) * smooth_step(facing, *FACING) * lids
    np.testing.assert_allclose(found.seen, seen, atol=1e-5)  # float32; below 1e-6 it is none
    shown = seen > 1e-3
    assert 0.3 < shown.mean() < 0.95
    np.testing.assert_allclose(found.normals[shown], normals[shown], atol=1e-6)
    scale = np.sqrt(np.maximum(facing, 0)) / distance * np.mean(camera.focal)
    np.testing.assert_allclose(found.scale[shown], scale[shown], rtol=1e-5)
    # the picture is reduced, so that blocks of it lie elsewhere: within what it changes over a block
    plain = bilinear(srgb_to_linear(view.image / 255), pixels[:, 0], pixels[:, 1]) * found.exposure
    np.testing.assert_allclose(found.colours[shown], plain[shown], atol=0.02)
    assert not found.colours[found.seen == 0].any()


def test_an_orthographic_camera_sees_what_one_far_away_sees(head):
    vertices = head.vertices(FaceParams.neutral(head)).numpy().astype(np.float64)
    flat = portrait_camera((400, 500), vertices, yaw_deg=60, pitch_deg=15, orthographic=True)
    far = portrait_camera((400, 500), vertices, yaw_deg=60, pitch_deg=15, fov_deg=2)
    seen, wanted = (visible(project(vertices, c), vertices, head.arrays.faces, c) for c in (flat, far))
    assert 0.2 < wanted.mean() < 0.6 and (seen != wanted).mean() < 0.01


def test_what_is_finer_than_the_texture_is_averaged():
    rng = np.random.default_rng(0)
    image, table = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), posed_view._LINEAR
    blocks = texels_numba.decoded_blocks(image, table, 2)
    whole = np.pad(table[image], ((0, 1), (0, 1), (0, 0)), mode="edge").reshape(4, 2, 5, 2, 3).mean((1, 3))
    np.testing.assert_allclose(blocks, whole, rtol=1e-6)
    np.testing.assert_array_equal(texels_numba.decoded_blocks(image, table, 1), table[image])


def test_values_are_spread_averaged_and_interpolated_as_written_plainly(face):
    rng, atlas, count = np.random.default_rng(1), face.atlas, len(face.cells)
    vertex = rng.normal(size=(int(atlas.corners.max()) + 1, 4)).astype(np.float32)
    plain = (vertex[atlas.corners] * atlas.barycentrics[..., None]).sum(1)
    np.testing.assert_allclose(atlas.spread(vertex), plain, atol=2e-6)
    np.testing.assert_array_equal(atlas.spread(vertex[:, 2]), atlas.spread(vertex)[:, 2])
    weights = np.maximum(rng.normal(size=len(plain)), 0).astype(np.float32)
    means, known = face.mean(plain, weights)
    total = np.bincount(face.cell, weights, count)
    sums = np.stack([np.bincount(face.cell, weights * column, count) for column in plain.T.astype(np.float64)], 1)
    np.testing.assert_allclose(means, sums / np.maximum(total, 1e-9)[:, None], atol=1e-5)
    np.testing.assert_allclose(known, total / (SIZE // face.grid) ** 2, rtol=1e-6)
    image = rng.random((32, 16, 2)).astype(np.float32)
    row, column = np.divmod(atlas.texels, SIZE)
    plain = bilinear(image, (column + 0.5) * 16 / SIZE, (row + 0.5) * 32 / SIZE)
    np.testing.assert_allclose(atlas.interpolated(image), plain, atol=1e-6)


def test_colours_are_evened_by_the_gain_where_they_are_seen():
    rng = np.random.default_rng(2)
    normals = unit(rng.normal(size=(500, 3))).astype(np.float32)
    colours, openness = rng.random((500, 3)).astype(np.float32), rng.uniform(0.3, 1, 500).astype(np.float32)
    seen = np.maximum(rng.normal(size=500), 0).astype(np.float32)
    light = np.concatenate([np.full((1, 3), 0.5), rng.normal(0, 0.3, (8, 3))])
    plain = np.clip(colours / openness[:, None] * gain(normals, light), 0, 1) * (seen > 0)[:, None]
    np.testing.assert_allclose(evened(colours, normals, openness, seen, light), plain, atol=1e-5)


def test_what_is_unlike_skin_is_told_as_written_plainly():
    rng = np.random.default_rng(3)
    tone, where = np.array([0.5, 0.3, 0.2]), rng.normal(size=2000).astype(np.float32)
    colours = np.clip(tone * rng.uniform(0.4, 1.6, (2000, 1)) + rng.normal(0, 0.03, (2000, 3)), 0, 1).astype(np.float32)
    found = np.full(2000, -1, np.float32)
    texels_numba.unlike_skin(colours, where, tone, found)
    np.testing.assert_allclose(found[where > 0], unlike_skin(colours, tone)[where > 0], atol=1e-5)
    assert (found[where <= 0] == -1).all() and 0.1 < np.mean(found[where > 0] > 0.5) < 0.9


def test_what_lies_above_a_fringe_is_no_skin_whatever_its_colour(face):
    tone = np.array([0.5, 0.3, 0.2], np.float32)
    colours, seen = np.tile(tone, (len(face.cell), 1)), np.ones(len(face.cell), np.float32)
    inner = np.abs(face.rest[:, 0]) < 0.03
    height = face.rest[:, 1] - face.brow
    assert skin_like(colours, seen, tone, face).min() == 1
    fringe = (height > 0.015) & (height < 0.02)
    colours[fringe] = 0.02
    found = skin_like(colours, seen, tone, face)
    above, below = inner & (height > 0.024) & (height < 0.04), inner & (height < 0.005)
    assert above.sum() > 20 and found[above].max() < 0.1 and found[below].min() > 0.99
    unseen = np.where(fringe, 0, seen).astype(np.float32)  # of what is not seen nobody knows that it is hair
    assert skin_like(colours, unseen, tone, face).min() == 1


def test_a_beard_is_kept_to_the_rim_and_a_dark_collar_is_not(face):
    tone = np.array([0.5, 0.3, 0.2], np.float32)
    colours, seen = np.tile(tone, (len(face.cell), 1)), np.ones(len(face.cell), np.float32)
    rim = (face.rim > 0.9) & (face.jaw > 0.9)
    colours[rim] = 0.06
    assert not beard(colours, seen, tone, face).any() and skin_like(colours, seen, tone, face)[rim].max() < 0.15
    colours[(face.chin > 0.3) & (face.jaw > 0.5)] = 0.06
    assert beard(colours, seen, tone, face)[rim].min() > 0.9 and skin_like(colours, seen, tone, face)[rim].min() > 0.9
    assert not beard(colours, seen, tone, face)[face.forehead > 0].any()


def test_a_beard_with_a_grey_chin_is_kept_and_shade_is_not(face):
    tone = np.array([0.5, 0.3, 0.2], np.float32)
    skin, seen = np.tile(tone, (len(face.cell), 1)), np.ones(len(face.cell), np.float32)
    chin = face.chin > 0.3
    flanks = (face.jaw > 0.5) & ~chin
    bearded = np.where(flanks[:, None], 0.06, np.where(chin[:, None], 0.9, 1.0) * skin).astype(np.float32)
    assert beard(bearded, seen, tone, face)[flanks & (face.jaw > 0.95)].min() > 0.9
    half = np.where((face.rest[:, 0] > 0)[:, None], bearded, skin)
    assert not beard(half, seen, tone, face).any(), "one half is in shade"
    lit = np.where(chin[:, None], 1.5 * bearded, bearded)
    assert not beard(lit, seen, tone, face).any(), "the chin is lit from above, the jaw is in shade"
