"""Squares that follow what they show, and pull it: mouths, faces, and the readers behind them."""

import math

import pytest
import torch

from flame_tools.errors import InputError, ShapeError
from flame_tools.types import FaceParams
from readers.published.emotions import EmotionNet
from readers.published.lips import LipReader, LipsConfig
from readers.stage import VIEWS
from recon.losses.emotion import BundledEmotion, EmotionLoss, PublishedEmotion
from recon.losses.features import feature_loss
from recon.losses.identity import IdentityLoss
from recon.losses.lipread import BundledLips, LipReadLoss, PublishedLips
from recon.losses.patch import (
    ARCFACE_POINTS,
    Patch,
    arcface_patch,
    box_patch,
    five_points,
    grey,
    mouth_patch,
    view_patch,
)
from recon.losses.photometric import ShadedFace
from tests.recon.losses.made import posed, rows
from tests.recon.networks.golden import filled

SIZE = 80


def shown(head, params, camera=(9.0, 0.0, 0.03)):
    """Pictures [B, 3, SIZE, SIZE] and landmarks of faces in one light."""
    now = posed(head, params, camera)
    albedo = torch.tensor([0.8, 0.6, 0.5]).expand(1, len(head.v_template), 3)
    light = torch.zeros(len(now.vertices), 9, 3)
    light[:, 0], light[:, 2], light[:, 3] = 1.5, 0.5, 0.6
    shaded = ShadedFace(head.arrays, size=SIZE, region=None)(now.vertices, now.projected, albedo, light)
    return shaded.picture.clamp(0, 1), now.landmarks


@pytest.fixture(scope="module")
def talking(head):
    """A film [1, 6, 3, S, S] of an opening jaw, its landmarks, and the same a little aside."""
    jaw = torch.zeros(6, 3)
    jaw[:, 0] = torch.linspace(0, 0.3, 6)
    params = FaceParams.neutral(head, 6).replace(jaw=jaw)
    with torch.no_grad():
        return shown(head, params), shown(head, params, (9.0, 0.01, 0.02)), shown(head, params.replace(jaw=0 * jaw))


def test_the_whole_picture_is_the_picture():
    images = rows(2, 3, 8, 8)
    whole = Patch(torch.zeros(2, 2), torch.tensor([[1.0, 0.0]]).expand(2, 2))
    torch.testing.assert_close(whole.cut(images, 8), images)
    torch.testing.assert_close(whole.cut(images, 4, finer=2), torch.nn.functional.avg_pool2d(images, 2))
    turned = Patch(torch.zeros(2, 2), torch.tensor([[0.0, 1.0]]).expand(2, 2))  # its right is the picture's down
    torch.testing.assert_close(turned.cut(images, 8), images.rot90(1, (-2, -1)))
    with pytest.raises(ShapeError, match="square ones"):
        whole.cut(images[..., :4], 8)


def test_a_cut_has_gradients_to_pixels_and_place():
    images, centre, across = rows(1, 1, 6, 6), 0.1 * rows(1, 2, seed=1), 0.3 + 0.05 * rows(1, 2, seed=2)
    inputs = [x.requires_grad_() for x in (images, centre, across)]
    assert torch.autograd.gradcheck(lambda i, c, a: Patch(c, a).cut(i, 3), inputs)


def test_a_mouth_crop_follows_the_mouth(talking):
    (film, marks), (aside, marks_aside), _ = talking
    (here, there) = (mouth_patch(m, 0.35).cut(f, 40) for f, m in ((film, marks), (aside, marks_aside)))
    assert (here - there).abs().mean() < 0.015 < 0.04 < (film - aside).abs().mean()
    centre = mouth_patch(marks, 0.35).to_picture(torch.zeros(6, 1, 2))[:, 0]
    torch.testing.assert_close(centre, marks[:, 48:].mean(1))


def test_a_view_turns_and_grows_with_the_head():
    marks = rows(3, 68, 2)
    turn = torch.tensor([[math.cos(0.5), -math.sin(0.5)], [math.sin(0.5), math.cos(0.5)]], dtype=torch.float64)
    places = rows(3, 4, 2, seed=1)
    for patch in (lambda m: view_patch(m, VIEWS["face"]), lambda m: arcface_patch(five_points(m))):
        moved = patch(1.3 * marks @ turn.T + 0.2).to_picture(places)
        torch.testing.assert_close(moved, 1.3 * patch(marks).to_picture(places) @ turn.T + 0.2)
    box = box_patch(marks, 1.25)
    torch.testing.assert_close(box_patch(2 * marks + 1, 1.25).to_picture(places), 2 * box.to_picture(places) + 1)


def test_a_view_is_the_stages(head):
    """Landmarks lie in the square where readers.stage has them."""
    marks = posed(head, FaceParams.neutral(head, 1)).landmarks
    for name, view in VIEWS.items():
        patch = view_patch(marks, view)
        inside = torch.linalg.solve(
            torch.stack([patch.across[0], torch.stack([-patch.across[0, 1], patch.across[0, 0]])], -1),
            (marks[0] - patch.centre[0]).T,
        ).T
        above, below = (inside[list(rows)].mean(0) for rows in (view.above, view.below))
        assert above[1] == pytest.approx(-view.centre / view.reach, abs=1e-4), name
        assert below[1] == pytest.approx((1 - view.centre) / view.reach, abs=1e-4), name


def test_five_points_come_to_arcfaces():
    template = (torch.tensor(ARCFACE_POINTS, dtype=torch.float64) + 0.5) * 2 / 112 - 1
    turn = 0.4 * torch.tensor([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]], dtype=torch.float64)
    points = template[None] @ turn.T + 0.1
    torch.testing.assert_close(arcface_patch(points).to_picture(template[None]), points)
    noisy = points + 0.01 * rows(1, 5, 2)
    assert torch.autograd.gradcheck(lambda p: arcface_patch(p).to_picture(template[None]), noisy.requires_grad_())


def test_features():
    found, wanted = rows(3, 4).requires_grad_(), rows(3, 4, seed=1)
    mask = torch.tensor([True, False, True])
    for measure in ("cosine", "square"):
        assert torch.autograd.gradcheck(lambda a, m=measure: feature_loss(a, wanted, mask, measure=m), found)
        assert feature_loss(wanted, wanted, measure=measure).abs() < 1e-12
        (gradient,) = torch.autograd.grad(feature_loss(found, wanted, mask, measure=measure), found)
        assert gradient[1].abs().max() == 0 and gradient[0].abs().max() > 0
    assert feature_loss(3 * wanted, wanted).abs() < 1e-12 and feature_loss(-wanted, wanted) == pytest.approx(2)
    assert feature_loss(wanted + 0.5, wanted, measure="square") == pytest.approx(0.25)
    with pytest.raises(InputError, match="cosine or square"):
        feature_loss(found, wanted, measure="manhattan")


def test_lips_that_move_alike_read_alike(talking):
    (film, marks), (aside, marks_aside), (still, marks_still) = (tuple(x[None] for x in pair) for pair in talking)
    for measure in ("cosine", "square"):
        loss = LipReadLoss(BundledLips(), measure=measure)
        assert loss(film, film, marks).abs() < 1e-6
        moved, silent = loss(aside, film, marks, marks_aside), loss(still, film, marks, marks_still)
        assert moved < 0.2 * silent, measure
    there = marks_still.clone().requires_grad_()
    image = still.clone().requires_grad_()
    gradients = torch.autograd.grad(loss(image, film, marks, there), (image, there))
    assert all(g.isfinite().all() and g.abs().max() > 0 for g in gradients)
    mask = torch.zeros(1, 6)
    assert loss(still, film, marks, marks_still, mask) == 0


def test_emotions_of_a_smile_are_not_those_of_a_frown(head):
    from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params

    weights = torch.zeros(4, len(ARKIT_NAMES))
    for row, name in enumerate(("mouthSmile", "mouthSmile", "mouthFrown", "browDown")):
        weights[row, [INDEX[f"{name}Left"], INDEX[f"{name}Right"]]] = 1.0 if row else 0.85
    with torch.no_grad():
        images, marks = shown(head, to_params(weights, head))
    images, marks = images[:, None], marks[:, None]
    features = BundledEmotion()
    loss = EmotionLoss(features)
    assert features(images, marks).shape == (4, 1, features.reader.config.width)
    assert loss(images, images, marks) < 1e-9
    alike, other = loss(images[:1], images[1:2], marks[:1]), loss(images[2:3], images[1:2], marks[1:2])
    assert alike < 0.5 * other
    image = images[2:3].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(image, images[1:2], marks[1:2]), image)
    assert gradient.isfinite().all() and gradient.abs().max() > 0


def test_published_readers_see_crops_of_their_own(talking):
    (film, marks), _, (still, marks_still) = talking
    film, still, marks, marks_still = film[None, :2], still[None, :2], marks[None, :2], marks_still[None, :2]
    lips = PublishedLips(filled(lambda: LipReader(LipsConfig(blocks=1, inner=64))))
    assert lips(film, marks).shape == (1, 2, 512)
    image = still.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(LipReadLoss(lips)(image, film, marks, marks_still), image)
    assert gradient.isfinite().all() and gradient.abs().max() > 0
    assert not any(p.requires_grad for p in lips.parameters())
    emotions = PublishedEmotion(filled(EmotionNet))
    with torch.no_grad():
        assert emotions(film[:, :1], marks[:, :1]).shape == (1, 1, 2048)


class Corners(torch.nn.Module):
    """An embedder by hand: mean colours of the four quarters."""

    size, width = 24, 12

    def forward(self, faces):
        return torch.nn.functional.adaptive_avg_pool2d(faces, 2).flatten(1)


def test_identity_takes_any_embedder_and_no_place(talking):
    (film, marks), (aside, marks_aside), _ = talking
    loss = IdentityLoss(Corners())
    assert loss(film, film, marks).abs() < 1e-6
    assert loss(aside, film, marks, marks_aside) < 0.3 * loss(aside, film, marks)
    wrong = film.clone()
    wrong[3:] = 1 - wrong[3:]
    mask = torch.tensor([1.0, 1, 1, 0, 0, 0])
    assert loss(wrong, film, marks) > 0.01 and loss(wrong, film, marks, mask=mask).abs() < 1e-6
    assert grey(torch.ones(1, 3, 2, 2)).allclose(torch.ones(1, 1, 2, 2))
