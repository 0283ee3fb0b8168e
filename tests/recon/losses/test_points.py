"""Losses of points: gradients, zero at the truth, values by hand, and what must not matter."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from flame_tools.errors import InputError, ShapeError
from flame_tools.rotations import matrix_from_axis_angle
from flame_tools.types import Embedding
from readers.face_parts import LEFT_EYE, RIGHT_EYE
from recon.losses.distances import (
    CORNERS_68,
    CORNERS_468,
    LIDS_68,
    LIDS_468,
    LIPS_68,
    LIPS_468,
    SPECTRE_68,
    distance_loss,
    distances,
)
from recon.losses.landmarks import PoseWeights, form_loss, landmark_loss, of_mediapipe, weights_68, weights_468
from recon.losses.weighted import lengths, weighted_mean
from tests.recon.losses.made import rows


@pytest.mark.parametrize("measure", ["absolute", "square"])
def test_landmarks_have_the_gradient_of_their_formula(measure):
    found, wanted = rows(2, 5, 2).requires_grad_(), rows(2, 5, 2, seed=1)
    weights = torch.tensor([1.0, 0.0, 2.0, 3.0, 0.5])
    assert torch.autograd.gradcheck(lambda a: landmark_loss(a, wanted, weights, measure=measure), found)
    assert landmark_loss(wanted, wanted, weights, measure=measure) == 0
    loss = landmark_loss(found, wanted, weights, measure=measure)
    (gradient,) = torch.autograd.grad(loss, found)
    assert gradient[:, 1].abs().max() == 0 and gradient[:, 0].abs().min() > 0
    apart = (found - wanted).abs() if measure == "absolute" else (found - wanted) ** 2
    by_hand = (apart.mean(-1) * weights).sum() / (2 * 6.5)
    torch.testing.assert_close(loss, by_hand)


def test_the_form_is_what_an_affine_map_leaves():
    wanted, weights = rows(2, 9, 2), torch.rand(9, generator=torch.Generator().manual_seed(3)).double()
    turned = wanted @ torch.tensor([[0.3, -1.2], [0.9, 0.4]]).double() + 5
    assert form_loss(turned, wanted, weights) < 1e-9 < landmark_loss(turned, wanted, weights, measure="square")
    found = rows(2, 9, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: form_loss(a, wanted, weights), found, atol=1e-4)  # the map moves, too
    with pytest.raises(ShapeError, match="twice"):
        form_loss(found[:, 1:], wanted, weights)


def test_what_has_no_weight_is_not_looked_at():
    wanted = rows(1, 3, 2)
    found = wanted.clone()
    found[0, 1] = math.nan
    assert landmark_loss(found, wanted, torch.tensor([1.0, 0.0, 1.0])) == 0
    assert landmark_loss(found, wanted, torch.zeros(3)) == 0
    found.requires_grad_()
    (gradient,) = torch.autograd.grad(landmark_loss(found, wanted, torch.tensor([1.0, 0.0, 1.0])), found)
    assert gradient.isfinite().all()


def test_weights_of_the_68_are_decas():
    weights = weights_68()
    assert weights[[0, 5, 27, 30, 31, 36, 48, 50, 62]].tolist() == [1, 2, 1.5, 3, 3, 1, 3, 1.5, 1.5]
    assert weights.sum() == 68 + 4 * 1 + 6 * 0.5 + 3 * 2 + 18 * 0.5 + 2 * 2
    assert weights_68(mouth=False)[48:].abs().max() == 0 and weights_68(mouth=False)[:48].equal(weights[:48])
    assert len(weights_468()) == 468 and weights_468()[13] > weights_468()[64]


def test_the_chosen_of_mediapipe():
    values = torch.arange(478.0)[:, None].expand(2, 478, 3)
    chosen = Embedding(np.zeros(3, int), np.zeros((3, 3)), np.array([7, 467, 0]))
    assert of_mediapipe(values, chosen)[1, :, 2].tolist() == [7, 467, 0]
    with pytest.raises(ShapeError, match="468"):
        of_mediapipe(values[:, :400], chosen)
    with pytest.raises(InputError, match="set of their own"):
        of_mediapipe(values, dataclasses.replace(chosen, index=np.zeros(0, int)))


def test_a_turned_head_hides_its_far_cheek(head):
    front, turned, away = (torch.tensor([0.0, math.radians(a), 0.0]) for a in (0, 60, 180))
    for name, right, left in (("68", 0, 16), ("468", 234, 454)):
        weights = PoseWeights(head.arrays, name, least=0.1)
        seen = weights(matrix_from_axis_angle(torch.stack([front, turned, -turned, away])))
        assert seen.shape == (4, len(head.arrays.landmarks[name].faces))
        assert seen.min() >= 0.1 and seen.max() <= 1
        # a turn to the subject's left (+x, right in the picture) hides the left cheek
        assert seen[1, left] == pytest.approx(0.1) and seen[1, right] > 0.9
        assert seen[2, right] == pytest.approx(0.1) and seen[2, left] > 0.9
        assert seen[0, 30 if name == "68" else 4] == 1 and seen[3, 30 if name == "68" else 4] == pytest.approx(0.1)
    rotation = matrix_from_axis_angle(turned).requires_grad_()
    assert not PoseWeights(head.arrays)(rotation).requires_grad
    assert PoseWeights(head.arrays, base=weights_68())(torch.eye(3))[30] == 3
    with pytest.raises(InputError, match="has no landmarks '105'"):
        PoseWeights(head.arrays, "105")


@pytest.mark.parametrize("pairs", [LIDS_68, LIPS_68, CORNERS_68, SPECTRE_68])
def test_distances_ignore_where_a_face_is_and_how_it_is_turned(pairs):
    wanted = rows(2, 68, 2)
    turn = torch.tensor([[math.cos(0.7), -math.sin(0.7)], [math.sin(0.7), math.cos(0.7)]], dtype=torch.float64)
    assert distance_loss(wanted @ turn.T + 5.0, wanted, pairs) < 1e-12
    torch.testing.assert_close(distance_loss(1.5 * wanted, wanted, pairs), 0.5 * distances(wanted, pairs).mean())
    found = rows(2, 68, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: distance_loss(a, wanted, pairs), found)


def test_closed_lids_have_a_gradient_and_unseen_pairs_none():
    shut = torch.zeros(1, 68, 2, dtype=torch.float64, requires_grad=True)
    open_ = torch.zeros(1, 68, 2, dtype=torch.float64)
    open_[0, 37, 1] = -0.1
    loss = distance_loss(shut, open_, LIDS_68)
    assert loss.item() == pytest.approx(0.1 / 4)
    (gradient,) = torch.autograd.grad(loss, shut)
    assert gradient.isfinite().all()
    weights = torch.ones(68)
    weights[37] = 0
    assert distance_loss(shut, open_, LIDS_68, weights) == 0


def test_pairs_of_mediapipe_lie_on_lids_and_lips(head):
    marks = head.landmarks(head.v_template, "468")
    for (upper, lower), (_, _) in zip(LIDS_468, LIDS_468, strict=True):
        assert {upper, lower} <= {*RIGHT_EYE, *LEFT_EYE} and marks[upper, 1] > marks[lower, 1]
    lips = marks[torch.tensor(LIPS_468)]
    assert (lips[:, 0] - lips[:, 1]).norm(dim=-1).max() < 0.004  # shut at rest
    (right, left) = CORNERS_468[0]
    assert 0.035 < marks[left, 0] - marks[right, 0] < 0.065
    marks68 = head.landmarks(head.v_template, "68")
    assert (marks68[48] - marks[right]).norm() < 0.01 and (marks68[54] - marks[left]).norm() < 0.01
    for upper, lower in LIDS_68:
        assert marks68[upper, 1] > marks68[lower, 1] and abs(marks68[upper, 0] - marks68[lower, 0]) < 0.006


def test_means_and_lengths():
    values = rows(2, 3)
    assert weighted_mean(values) == values.mean()
    torch.testing.assert_close(weighted_mean(values, torch.tensor([1.0, 0.0, 3.0])), (values[:, [0, 2, 2, 2]]).mean())
    vectors = torch.zeros(2, 3, dtype=torch.float64)
    vectors[1] = torch.tensor([3.0, 0, 4])
    vectors.requires_grad_()
    (gradient,) = torch.autograd.grad(lengths(vectors).sum(), vectors)
    assert lengths(vectors).tolist() == [0, 5]
    torch.testing.assert_close(gradient, torch.tensor([[0, 0, 0], [0.6, 0, 0.8]], dtype=torch.float64))


def test_refused():
    with pytest.raises(ShapeError, match="twice"):
        landmark_loss(rows(2, 68, 2), rows(2, 51, 2))
    with pytest.raises(InputError, match="absolute or square"):
        landmark_loss(rows(2, 68, 2), rows(2, 68, 2), measure="huber")
    with pytest.raises(ShapeError, match="the pairs name point 67"):
        distances(rows(2, 51, 2), LIPS_68)
