"""Pictures of faces: masks are heeded, gradients reach face, albedo and light, a mask leaves what it is to leave."""

import math

import numpy as np
import pytest
import torch

from flame_tools.errors import InputError, ShapeError
from flame_tools.types import FaceParams
from recon.losses.hull import hull_mask
from recon.losses.neural import GreyFace, neural_loss
from recon.losses.photometric import ShadedFace, photometric_loss
from recon.networks.masking import DILATION
from render.lighting import GREY_ALBEDO, GREY_INTENSITY, GREY_LIGHTS
from tests.recon.losses.made import posed, rows

SIZE = 48


@pytest.fixture(scope="module")
def face(head):
    turns = torch.tensor([[0.0, 0.3, 0.0], [0.1, -0.2, 0.1]])
    return posed(head, FaceParams.neutral(head, 2).replace(global_rotation=turns))


@pytest.mark.parametrize("measure", ["absolute", "l21"])
def test_masked_pixels_do_not_count(measure):
    found, wanted = rows(2, 3, 4, 5).requires_grad_(), rows(2, 3, 4, 5, seed=1)
    mask = (rows(2, 1, 4, 5, seed=2) > 0).double()

    def loss(a):
        return photometric_loss(a, wanted, mask, measure=measure)

    assert torch.autograd.gradcheck(loss, found)
    (gradient,) = torch.autograd.grad(loss(found), found)
    hidden = (mask == 0).expand_as(gradient)
    assert gradient[hidden].abs().max() == 0 and gradient[~hidden].abs().min() > 0
    assert loss(wanted) == 0 and photometric_loss(found, wanted, torch.zeros(2, 1, 4, 5), measure=measure) == 0
    each = (found - wanted).abs().mean(1) if measure == "absolute" else (found - wanted).norm(dim=1)
    torch.testing.assert_close(loss(found), each[mask[:, 0] > 0].mean())


def test_even_light_shows_the_albedo(head, face):
    shade = ShadedFace(head.arrays, size=SIZE)
    albedo = torch.tensor([0.8, 0.5, 0.4]).expand(1, len(head.v_template), 3)
    light = torch.zeros(2, 9, 3)
    light[:, 0] = 0.5 * math.sqrt(4 * math.pi)
    shaded = shade(face.vertices, face.projected, albedo, light)
    inner = torch.nn.functional.avg_pool2d(shaded.silhouette, 3, 1, 1) > 0.999  # outlines are blended
    assert 0.1 < inner.float().mean() < 0.6
    for channel, value in enumerate((0.4, 0.25, 0.2)):
        torch.testing.assert_close(
            shaded.picture[:, channel][inner[:, 0]], torch.full((int(inner.sum()),), value), atol=1e-5, rtol=0
        )
    painted = torch.tensor([0.8, 0.5, 0.4])[:, None, None].expand(1, 3, 16, 16)
    mapped = shade(face.vertices, face.projected, painted, light)
    torch.testing.assert_close(mapped.picture, shaded.picture, atol=1e-5, rtol=0)
    with pytest.raises(ShapeError, match="albedo is"):
        shade(face.vertices, face.projected, albedo[0], light)


def test_photometric_gradients_reach_face_albedo_and_light(head, face):
    """Down the gradient of each the picture comes nearer to that of the truth."""
    shade = ShadedFace(head.arrays, size=SIZE)
    generator = torch.Generator().manual_seed(0)
    albedo = 0.4 + 0.4 * torch.rand(1, len(head.v_template), 3, generator=generator)
    light = 0.3 * torch.rand(2, 9, 3, generator=generator)
    light[:, 0] = 3
    truth = shade(face.vertices, face.projected, albedo, light)

    def loss(params, albedo, light):
        now = posed(head, params)
        shaded = shade(now.vertices, now.projected, albedo, light)
        mask = truth.silhouette * shaded.silhouette
        return photometric_loss(shaded.picture, truth.picture.detach(), mask)

    start = FaceParams.neutral(head, 2).replace(global_rotation=torch.tensor([[0.0, 0.33, 0.0], [0.1, -0.23, 0.1]]))
    turn = start.global_rotation.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(start.replace(global_rotation=turn), albedo, light), turn)
    true = FaceParams.neutral(head, 2).replace(global_rotation=torch.tensor([[0.0, 0.3, 0.0], [0.1, -0.2, 0.1]]))
    assert gradient[0, 1] > 0 and gradient[1, 1] < 0  # turned too far to one side each
    for wrong in ((0.9 * albedo).requires_grad_(), (1.1 * light).requires_grad_()):
        given = (wrong, light) if wrong.shape == albedo.shape else (albedo, wrong)
        before = loss(true, *given)
        (slope,) = torch.autograd.grad(before, wrong)
        step = wrong.detach() - 0.2 * before.detach() / slope.square().sum() * slope
        given = (step, light) if wrong.shape == albedo.shape else (albedo, step)
        assert loss(true, *given) < 0.9 * before


def test_the_grey_face_is_smirks(head, face):
    """A surface that faces the camera has the mean of five lights' cosines on grey 180."""
    grey, silhouette = GreyFace(head.arrays, size=SIZE)(face.vertices, face.projected)
    lights = np.array(GREY_LIGHTS)
    facing = GREY_ALBEDO * GREY_INTENSITY * np.mean(lights[:, 2] / np.linalg.norm(lights, axis=1))
    brightest = grey[:, 0].flatten(1).amax(1)
    assert (brightest - facing).abs().max() < 0.06 and grey.min() >= 0 and grey.max() <= 1
    assert grey.shape == (2, 3, SIZE, SIZE) and ((grey[:, :1] > 0.05) == (silhouette > 0)).float().mean() > 0.93


def test_gradients_of_the_grey_face_reach_the_jaw(head):
    grey = GreyFace(head.arrays, size=SIZE)
    jaw = torch.zeros(1, 3, requires_grad=True)
    open_ = posed(head, FaceParams.neutral(head, 1).replace(jaw=torch.tensor([[0.25, 0.0, 0.0]])))
    now = posed(head, FaceParams.neutral(head, 1).replace(jaw=jaw))
    loss = neural_loss(grey(now.vertices, now.projected)[0], grey(open_.vertices, open_.projected)[0])
    (gradient,) = torch.autograd.grad(loss, jaw)
    assert loss > 0.005 and gradient[0, 0] < 0  # to open it lessens the loss


def test_a_mask_leaves_the_surroundings_and_pixels_that_move_with_the_face(head, face):
    grey = GreyFace(head.arrays, size=SIZE)
    _, silhouette = grey(face.vertices, face.projected)
    photo = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    seeds = (torch.Generator().manual_seed(s) for s in (1, 2, 3))
    points = grey.points(face.projected, generator=next(seeds), share=0.05)
    left = grey.masked(photo, face.landmarks, silhouette, points, face.projected, generator=next(seeds))
    hull = hull_mask(face.landmarks, SIZE)
    far = round(DILATION * SIZE / 224)
    around = (torch.nn.functional.max_pool2d(hull, 2 * far + 1, 1, far) + silhouette) == 0
    assert around.float().mean() > 0.3 and left[around.expand_as(left)].equal(photo[around.expand_as(left)])
    inside = (hull * silhouette).expand_as(left) > 0
    assert 0.005 < (left[inside] > 0).float().mean() < 0.12
    moved = face.projected + torch.tensor([4 / SIZE, 0.0, 0.0])  # two pixels to the right
    there = grey.masked(photo, face.landmarks, silhouette, points, face.projected, moved, generator=next(seeds))
    kept = [(m > 0) & inside for m in (left, there)]
    same = kept[0][..., :-2] & kept[1][..., 2:]
    assert same.sum() > 0.15 * kept[0].sum()  # squares that are dropped leave 30 % of the pixels; by chance 2 % meet
    ratio = there[..., 2:][same] / left[..., :-2][same]
    assert (ratio - 1).abs().median() < 0.15  # noise of 5 % on each
    with pytest.raises(ShapeError, match="pixels a side"):
        grey.masked(
            photo[..., :32, :32], face.landmarks, silhouette, points, face.projected, generator=torch.Generator()
        )


def test_the_hull_of_a_triangle():
    triangle = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [-0.25, -0.25]]])
    mask = hull_mask(triangle, 64)[0, 0]
    assert mask.mean() == pytest.approx(0.125, abs=0.01)  # half of a quarter of the picture
    assert mask[20, 20] == 1 and mask[44, 44] == 0
    box = torch.tensor([[[-0.5, -0.25], [0.5, -0.25], [0.5, 0.75], [-0.5, 0.75]]])  # level and upright edges
    assert (
        hull_mask(box, 64)[0, 0].nonzero().aminmax(dim=0).min.tolist() == [24, 16] and hull_mask(box, 64).sum() == 1024
    )
    line = torch.linspace(-1, 1, 5)[None, :, None].expand(1, 5, 2)
    assert hull_mask(line, 16).sum() == 0


def test_neural_loss_adds_what_a_network_finds():
    painted, photo = torch.full((1, 3, 16, 16), 0.5), torch.full((1, 3, 16, 16), 0.25)
    assert neural_loss(painted, photo) == 0.25 and neural_loss(photo, photo) == 0
    assert neural_loss(painted, photo, lambda a, b: (a - b).square().mean(), weight=4.0) == 0.25 + 4 * 0.0625
    with pytest.raises(ShapeError, match="twice"):
        neural_loss(painted, photo[..., :8])
    with pytest.raises(InputError, match="absolute or l21"):
        photometric_loss(painted, photo, measure="psnr")
