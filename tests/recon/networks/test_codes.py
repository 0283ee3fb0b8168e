"""What codes are on a FLAME head: parameters, cameras, crops."""

import dataclasses

import numpy as np
import pytest
import torch

from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from readers.sampling import Square
from recon.networks.codes import FlameCodes, camera_code, crop_camera, face_params, image_camera, projected
from recon.networks.crop import MARGINS, SIZE, crop, face_square
from render.camera import project
from tests.flame_tools.flame_shaped import flame_shaped


@pytest.fixture(scope="module")
def flame():
    return Head(flame_shaped(vertices=60, faces=100, shapes=120, expressions=60, eyelids=True))


def codes(batch=2, **changes):
    torch.manual_seed(0)
    return FlameCodes(
        shape=torch.randn(batch, 100),
        expression=torch.randn(batch, 50),
        global_rotation=torch.randn(batch, 3) * 0.2,
        jaw=torch.rand(batch, 3) * 0.2,
        camera=torch.tensor([[7.0, 0.02, -0.01]]).repeat(batch, 1),
        eyelids=torch.tensor([[0.25, 1.0]]).repeat(batch, 1),
    ).replace(**changes)


def test_codes_pose_a_flame_head(flame):
    given = codes()
    params = face_params(given, flame)
    assert params.shape.shape == (2, 120) and params.expression.shape == (2, 60)
    assert torch.equal(params.shape[:, :100], given.shape) and not params.shape[:, 100:].any()
    assert torch.equal(params.expression[:, :50], given.expression) and not params.expression[:, 50:].any()
    assert torch.equal(params.global_rotation, given.global_rotation) and torch.equal(params.jaw, given.jaw)
    assert torch.equal(params.eyelids, given.eyelids)
    assert not params.neck.any() and not params.eyes.any() and not params.translation.any()
    still = flame(face_params(given.replace(eyelids=None), flame)).vertices
    assert (flame(params).vertices - still).abs().max() > 1e-4  # the lids move


def test_films_keep_their_dimensions(flame):
    film = FlameCodes(**{k: (v.expand(4, *v.shape) if v is not None else None) for k, v in vars(codes()).items()})
    assert flame(face_params(film, flame)).vertices.shape == (4, 2, 60, 3)


def test_gradients_pass_to_every_code(flame):
    leaves = {k: v.clone().requires_grad_() for k, v in vars(codes()).items() if v is not None}
    given = FlameCodes(**leaves)
    projected(flame(face_params(given, flame)).vertices, given.camera)[..., :2].square().sum().backward()
    assert all((leaf.grad != 0).any() for leaf in leaves.values())


def test_other_heads_are_refused(flame):
    with pytest.raises(ShapeError, match="130 components of identity, head 'flame_shaped' has 120"):
        face_params(codes(shape=torch.zeros(2, 130)), flame)
    other = Head(dataclasses.replace(flame_shaped(vertices=60, faces=100), joints_follow_expression=False))
    with pytest.raises(InputError, match="is no FLAME head"):
        face_params(codes(), other)


def test_lids_that_a_head_has_no_shapes_for_are_left_out():
    plain = Head(flame_shaped(vertices=60, faces=100))
    assert not face_params(codes(), plain).eyelids.any()


def test_the_camera_sees_what_the_published_projection_says(flame):
    given = codes()
    points = flame(face_params(given, flame)).vertices
    place = projected(points, given.camera)
    # DECA's and SMIRK's: s (X + t), then y and z turned over
    wanted = 7 * (points + torch.tensor([0.02, -0.01, 0.0])) * torch.tensor([1.0, -1.0, -1.0])
    assert torch.allclose(place, wanted, atol=1e-6)
    camera = crop_camera(given.camera, SIZE)
    assert camera.orthographic and camera.size == (SIZE, SIZE)
    pixels = project(points.double(), camera)[..., :2]
    assert torch.allclose(pixels, ((place[..., :2] + 1) * SIZE / 2).double(), atol=1e-4)


def test_the_camera_of_the_image_is_the_crops(flame):
    square = Square(300.0, 200.0, 180.0)
    given = codes(1)
    points = flame(face_params(given, flame)).vertices[0].double().numpy()
    inside = project(points, image_camera(given.camera[0], square, (640, 480)))[:, :2]
    on_crop = project(points, crop_camera(given.camera[0]))[:, :2]
    assert np.allclose(inside, square.to_image(on_crop / SIZE), atol=1e-4)
    with pytest.raises(ShapeError, match="wanted \\[3\\] and upright"):
        image_camera(given.camera[0], Square(0, 0, 1, 0.1), (640, 480))


def test_a_camera_of_an_image_is_a_code_again(flame):
    """Whatever the head's place in the world: the networks have none, their camera has it."""
    square, given = Square(300.0, 200.0, 180.0), codes(1)
    camera, move = image_camera(given.camera[0], square, (640, 480)), torch.tensor([0.03, -0.2, -1.2])
    assert torch.allclose(camera_code(camera, torch.zeros(3), square), given.camera[0].double(), atol=1e-7)
    camera.world_to_camera[:3, 3] = 0.01, 0.02, 0.7
    points = flame(face_params(given, flame)).vertices[0].double()
    code = camera_code(camera, move, square)
    place = (projected(points, code)[:, :2] + 1).numpy() / 2
    wanted = project(points.numpy() + move.double().numpy(), camera)[:, :2]
    np.testing.assert_allclose(square.to_image(place), wanted, atol=1e-9)
    each = dataclasses.replace(camera, focal=camera.focal * [[1.0], [2.0]])  # a film's
    assert torch.allclose(camera_code(each, move.expand(2, 3), square)[:, 0], code[0] * torch.arange(1, 3))
    with pytest.raises(InputError, match="in perspective"):
        camera_code(dataclasses.replace(camera, orthographic=False), move, square)
    with pytest.raises(InputError, match="turned"):
        camera_code(camera, move, dataclasses.replace(square, angle=0.1))


def test_the_square_round_landmarks():
    landmarks = np.array([[100.0, 50.0], [200.0, 90.0], [160.0, 150.0]])  # 100 x 100
    square = face_square(landmarks, MARGINS["smirk"])
    assert (square.x, square.y, square.angle) == (150.0, 100.0, 0.0)
    # the first and last pixels of 224 are centred 140 apart
    ends = square.to_image(np.array([[0.5, 0.5], [SIZE - 0.5, 0.5]]) / SIZE)
    assert np.allclose(ends[1] - ends[0], [140, 0])
    with pytest.raises(ShapeError, match="finite pixels"):
        face_square(np.full((5, 2), np.nan), 1.4)
    with pytest.raises(InputError, match="a face of some size"):
        face_square(np.zeros((5, 2)), 1.4)


def test_the_crop_shows_the_square():
    image = np.zeros((120, 160, 3), np.uint8)
    image[:, 80:] = (255, 128, 0)
    found = crop(image, Square(80.0, 60.0, 60.0))
    assert found.shape == (1, 3, SIZE, SIZE) and found.dtype == torch.float32
    assert found[0, :, 100, 10].tolist() == [0, 0, 0]
    assert found[0, :, 100, 200].tolist() == pytest.approx([1, 128 / 255, 0], abs=1e-3)
    outside = crop(image, Square(0.0, 0.0, 60.0))
    assert not outside[0, :, :100, :100].any()
