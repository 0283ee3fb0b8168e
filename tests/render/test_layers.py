"""Passes at pixels, pictures onto UV and back, relief."""

import numpy as np
import pytest
import torch

from flame_tools.errors import ShapeError
from flame_tools.load import load_head
from flame_tools.normals import vertex_normals
from render.camera import portrait_camera, project
from render.layers import draw_layers
from render.preview import head_bounds
from render.uv import atlas, bake, detail_normals, displace, tangent_normals, vertex_uv
from tests.render.test_raster import ball


def view(side=96, **angles):
    head = load_head().arrays
    vertices = torch.from_numpy(head.v_template).double()[None]
    camera = portrait_camera((side, side), head_bounds(head), **angles)
    uv = torch.from_numpy(head.uv).double()
    faces, uv_faces = torch.from_numpy(head.faces), torch.from_numpy(head.uv_faces)
    return draw_layers(vertices, faces, camera, uv=uv, uv_faces=uv_faces), vertices, (faces, uv, uv_faces)


@pytest.mark.parametrize("orthographic", [False, True])
def test_positions_project_onto_their_pixels_and_depths_are_metres(orthographic):
    layers, _, _ = view(yaw_deg=30, orthographic=orthographic)
    seen = layers.raster.face_id >= 0
    found = project(layers.points[seen], layers.camera)
    _, y, x = torch.where(seen)
    torch.testing.assert_close(found[:, :2], torch.stack([x, y], 1).double() + 0.5, rtol=0, atol=1e-3)
    torch.testing.assert_close(layers.depth_m[seen], found[:, 2])
    assert (layers.depth_m[~seen] == torch.inf).all() and (layers.mask[~seen] < 1).all()
    length = layers.normals.norm(dim=-1)
    assert 0.97 < length[seen].mean() <= 1 and (length[~seen] == 0).all()
    assert layers.mask.min() >= 0 and layers.mask.max() <= 1 and ((layers.mask > 0) & (layers.mask < 1)).any()


def test_a_picture_baked_onto_the_head_and_drawn_again_is_the_picture():
    layers, vertices, (faces, uv, uv_faces) = view(160)
    y, x = torch.meshgrid(torch.arange(160) / 160, torch.arange(160) / 160, indexing="ij")
    image = torch.stack([0.5 + 0.4 * torch.sin(9 * x), y, 0.5 + 0.4 * torch.cos(7 * y + 5 * x)], -1)[None].double()
    onto = atlas(faces, uv, uv_faces, (512, 512))
    baked, seen = bake(image, layers, vertices, onto)
    assert 0.2 < float((seen > 0).double().mean()) < 0.8 and seen.max() <= 1
    again = layers.albedo(torch.where((seen > 0)[..., None], baked, torch.nan))
    trusted = ~again.isnan().any(-1) & (layers.raster.face_id >= 0)
    assert float(trusted.double().sum() / (layers.raster.face_id >= 0).sum()) > 0.6
    assert float((again - image)[trusted].abs().max()) < 0.05 and float((again - image)[trusted].abs().mean()) < 0.005
    # the back of the head is not in the picture
    back = onto.spread(vertices)[0, ..., 2] < -0.08
    assert back.sum() > 1000 and not seen[0][back & onto.covered].any()


def test_what_stands_behind_something_is_not_seen():
    """Two balls in one line: the farther one takes nothing from the picture but around the nearer one's outline."""
    points, faces = ball(20, 30, 0.1)
    both = torch.from_numpy(np.concatenate([points, points * 1.2 - [0, 0, 0.5]]))[None]
    faces = torch.from_numpy(np.concatenate([faces, faces + len(points)]))
    camera = portrait_camera((120, 120), points, fov_deg=20)
    layers = draw_layers(both, faces, camera)
    corners = torch.arange(len(faces) * 3).reshape(-1, 3)
    side = int(np.ceil(np.sqrt(len(faces))))
    cell = torch.stack([torch.arange(len(faces)) % side, torch.arange(len(faces)) // side], 1).double()
    apart = torch.tensor([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]).double()
    uv = ((cell[:, None] + apart) / side).reshape(-1, 2)  # a cell for each triangle
    onto = atlas(faces, uv, corners, (side * 4, side * 4))
    _, seen = bake(torch.ones(1, 120, 120, 1), layers, both, onto)
    face = onto.raster.face_id[0].long()
    near, far = (face >= 0) & (face < len(faces) // 2), face >= len(faces) // 2
    assert 0.25 < float((seen[0][near] > 0).double().mean()) < 0.55  # the half that faces the camera
    assert float((seen[0][far] > 0).double().mean()) < 0.02


def test_relief_moves_vertices_and_bends_normals():
    _, vertices, (faces, uv, uv_faces) = view()
    onto = atlas(faces, uv, uv_faces, (256, 256))
    flat = torch.zeros(1, 256, 256).double()
    torch.testing.assert_close(displace(vertices, flat, onto), vertices)
    moved = displace(vertices, flat + 0.001, onto) - vertices
    used = torch.zeros(vertices.shape[1], dtype=torch.bool).index_fill(0, faces.long().flatten(), True)
    torch.testing.assert_close(moved[0][used], 0.001 * vertex_normals(vertices, faces.long())[0][used])
    smooth = detail_normals(flat, vertices, onto)
    local = tangent_normals(smooth, vertices, onto)
    covered = onto.covered
    inner = -torch.nn.functional.max_pool2d(-covered[None, None].double(), 5, 1, 2)[0, 0] > 0
    assert float(local[0, inner][:, 2].mean()) > 0.98  # facets bend a little at their edges
    torch.testing.assert_close(local[0, ~covered], torch.tensor([0.0, 0, 1]).double().expand(int((~covered).sum()), 3))
    column = torch.arange(256).double()
    waves = 0.0004 * torch.sin(column * 0.3).expand(1, 256, 256)
    slope = torch.cos(column * 0.3).expand(256, 256)
    # a relief that rises along u turns normals towards -u; one that rises down the rows, towards +v
    for relief, rises, axis, turn in ((waves, slope, 0, -1.0), (waves.mT, slope.T, 1, 1.0)):
        bent = tangent_normals(detail_normals(relief, vertices, onto), vertices, onto)
        steep = inner & (rises.abs() > 0.9)
        assert float((torch.sign(turn * bent[0, ..., axis]) == torch.sign(rises))[steep].double().mean()) > 0.9
    lengths = bent[0, inner].norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-3, rtol=0)


def test_gradients_of_relief_and_baking():
    points, faces = ball(5, 6)
    vertices, faces = torch.from_numpy(points)[None], torch.from_numpy(faces)
    corners = torch.arange(len(faces) * 3).reshape(-1, 3)
    uv = torch.rand(len(corners) * 3, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    onto = atlas(faces, uv, corners, (6, 6))
    heights = 0.001 * torch.rand(1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    heights.requires_grad_()
    assert torch.autograd.gradcheck(lambda h: displace(vertices, h, onto), (heights,))
    assert torch.autograd.gradcheck(lambda h: detail_normals(h, vertices, onto), (heights,), eps=1e-7, atol=1e-3)
    layers = draw_layers(vertices, faces, portrait_camera((8, 8), points))
    image = torch.rand(1, 8, 8, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda i: bake(i, layers, vertices, onto)[0], (image,))


def test_bad_input_is_named():
    layers, vertices, (faces, uv, uv_faces) = view(16)
    with pytest.raises(ShapeError, match=r"vertices are \[\d+, 3\], wanted \[B, V, 3\]"):
        draw_layers(vertices[0], faces, layers.camera)
    with pytest.raises(ShapeError, match="uv came without uv_faces"):
        draw_layers(vertices, faces, layers.camera, uv=uv)
    with pytest.raises(ShapeError, match="no uv"):
        draw_layers(vertices, faces, layers.camera).albedo(torch.zeros(1, 4, 4, 3))
    with pytest.raises(ShapeError, match="1 uv_faces for"):
        atlas(faces, uv, uv_faces[:1], (8, 8))
    with pytest.raises(ShapeError, match=r"image is \[1, 8, 8, 3\], wanted \[1, 16, 16, C\]"):
        bake(torch.zeros(1, 8, 8, 3), layers, vertices, atlas(faces, uv, uv_faces, (8, 8)))
    assert vertex_uv(faces[:0], uv, uv_faces[:0], 3).tolist() == [[0, 0]] * 3
