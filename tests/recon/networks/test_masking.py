"""What SMIRK's generator is shown: which pixels are kept, and where they go."""

import numpy as np
import pytest
import torch

from flame_tools.errors import ShapeError
from flame_tools.load import load_head
from recon.networks.codes import projected
from recon.networks.masking import DILATION, masked, moved_pixels, region_weights, sample_points

SIZE = 64


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def face(head):
    """The default head from the front, [1, V, 3] on a crop."""
    return projected(head.v_template[None].float(), torch.tensor([[6.0, 0.0, 0.0]]))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_regions_weigh_as_published(head):
    weights = region_weights(head.arrays).numpy()
    assert set(np.unique(weights)) == {0.0, 0.5, 1.0}
    inside = {n: np.isin(head.arrays.faces, head.arrays.regions[n]).all(1) for n in ("lips", "neck", "left_eyeball")}
    assert (weights[inside["lips"]] == 0.5).all()
    assert not weights[inside["neck"]].any() and not weights[inside["left_eyeball"]].any()


def test_points_lie_on_what_is_seen_of_weighted_triangles(head, face):
    weights, triangles = region_weights(head.arrays), torch.as_tensor(head.arrays.faces).long()
    points = sample_points(face, triangles, weights, 2000, generator=seeded())
    assert (weights[points.faces] > 0).all()
    assert torch.allclose(points.barycentrics.sum(-1), torch.ones(1, 2000)) and (points.barycentrics >= 0).all()
    again = sample_points(face, triangles, weights, 2000, generator=seeded())
    assert torch.equal(points.faces, again.faces) and torch.equal(points.barycentrics, again.barycentrics)
    a, b, c = (head.v_template.float()[triangles[points.faces[0]]]).unbind(1)
    toward = torch.linalg.cross(b - a, c - a)[:, 2]
    assert (toward > 0).float().mean() > 0.99  # out of the face is towards the eye
    turned = sample_points(face * torch.tensor([-1.0, 1.0, -1.0]), triangles, weights, 200, generator=seeded())
    assert torch.isin(turned.faces, points.faces).float().mean() < 0.1  # the other side of the head


def test_places_are_whole_pixels_inside(head, face):
    triangles = torch.as_tensor(head.arrays.faces).long()
    points = sample_points(face, triangles, region_weights(head.arrays), 500, generator=seeded())
    pixels = points.pixels(face, triangles, SIZE)
    assert pixels.dtype == torch.int64 and pixels.min() >= 0 and pixels.max() < SIZE
    shifted = points.pixels(face + torch.tensor([2 * 3 / SIZE, 0.0, 0.0]), triangles, SIZE)
    assert (shifted[..., 0] - pixels[..., 0] == 3).float().mean() > 0.99 and torch.equal(
        shifted[..., 1], pixels[..., 1]
    )


def test_a_mesh_without_anything_to_show_is_refused(head, face):
    with pytest.raises(ShapeError, match="shows none of the triangles"):
        sample_points(
            face, torch.as_tensor(head.arrays.faces), torch.zeros(len(head.arrays.faces)), 5, generator=seeded()
        )


def test_pixels_move_with_their_points():
    images = torch.rand(2, 3, SIZE, SIZE) + 0.1
    before = torch.tensor([[[3, 5], [10, 20]], [[7, 7], [8, 8]]])  # x, y
    after = before + 2
    found = moved_pixels(images, before, after)
    assert torch.equal(found[0, :, 7, 5], images[0, :, 5, 3]) and torch.equal(found[1, :, 10, 10], images[1, :, 8, 8])
    assert (found != 0).sum() == 2 * 2 * 3


def test_the_face_is_gone_but_for_the_kept_pixels():
    images = torch.rand(1, 3, SIZE, SIZE) * 0.5 + 0.25
    hull, silhouette, kept = torch.zeros(1, 1, SIZE, SIZE), torch.zeros(1, 1, SIZE, SIZE), torch.zeros_like(images)
    hull[..., 30, 30] = 1
    silhouette[..., 50:, :] = 1
    kept[..., 31, 31] = images[..., 31, 31]
    images.requires_grad_()
    found = masked(images, kept, hull, silhouette, generator=seeded(), noise=0, drop=0)
    assert not found.requires_grad
    far = round(DILATION * SIZE / 224)
    around = slice(30 - far, 30 + far + 1)
    assert (found[0, :, around, around] != 0).sum() == 3 and torch.equal(found[..., 31, 31], images[..., 31, 31])
    assert not found[..., 50:, :].any()
    assert torch.equal(found[..., : 30 - far, :], images[..., : 30 - far, :])


@pytest.mark.parametrize("size", [64, 224])
def test_kept_pixels_waver_and_drop_in_squares(size):
    whole = torch.ones(4, 3, size, size)
    none = torch.zeros(4, 1, size, size)
    black = torch.zeros_like(whole)
    wavering = masked(black, whole, none, none, generator=seeded(), drop=0)
    assert wavering.mean() == pytest.approx(1, abs=0.01) and wavering.std() == pytest.approx(0.05, abs=0.005)
    dropped = masked(black, whole, none, none, generator=seeded(), noise=0)
    gone = (dropped == 0).float().mean().item()
    assert gone == pytest.approx(1 - (1 - 0.01) ** 121, abs=0.04)  # any of 121 middles takes a pixel away
