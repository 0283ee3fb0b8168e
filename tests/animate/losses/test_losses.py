"""Every loss is nothing at the truth, has the gradient that its formula says, and looks at what counts alone."""

import pytest
import torch

from animate.losses.contact import contact_loss, lip_gaps
from animate.losses.divergence import kl_divergence
from animate.losses.velocity import velocity_loss
from animate.losses.vertices import SparseFace, vertex_loss
from animate.motion import NECK, face_of
from flame_tools.errors import InputError

MASK = torch.tensor([[True, True, True, False], [True, True, False, False]])


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    "loss, shape",
    [
        (lambda a, b: vertex_loss(a, b, torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64), MASK), (2, 4, 3, 3)),
        (lambda a, b: velocity_loss(a, b, MASK), (2, 4, 3, 3)),
        (lambda a, b: contact_loss(a, b, MASK), (2, 4, 5)),
    ],
)
def test_gradient_zero_at_the_truth_and_blind_behind_the_mask(loss, shape):
    found, wanted = rows(*shape).requires_grad_(), rows(*shape, seed=1)
    assert torch.autograd.gradcheck(lambda a: loss(a, wanted), found)
    assert loss(wanted, wanted) == 0
    (gradient,) = torch.autograd.grad(loss(found, wanted), found)
    assert gradient[~MASK].abs().max() == 0
    assert gradient[MASK].abs().min(0).values.max() > 0


def test_divergence_is_torchs():
    mean, log_variance = rows(3, 5).requires_grad_(), rows(3, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(kl_divergence, (mean, log_variance))
    own = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    truth = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(kl_divergence(mean, log_variance), truth)


def test_a_velocity_does_not_mind_an_offset():
    wanted = rows(2, 4, 3)
    assert velocity_loss(wanted + 7.0, wanted, MASK) < 1e-24


def test_a_gap_left_open_at_a_closure_costs_more_than_in_a_vowel():
    shut, open_ = torch.zeros(1, 1, 3), torch.full((1, 1, 3), 10.0)
    mask = torch.ones(1, 1, dtype=torch.bool)
    assert contact_loss(shut + 2.0, shut, mask) > 100 * contact_loss(open_ + 2.0, open_, mask)


def test_the_sparse_face_is_the_heads_own(head):
    face = SparseFace(head)
    assert 300 < len(face.vertices) < 600
    motion = 0.2 * rows(2, 3, head.expression_size + 11 + NECK).abs().float()
    posed = face_of(motion, head)
    still = posed.replace(neck=torch.zeros_like(posed.neck))
    whole = head.vertices(still)
    torch.testing.assert_close(face(motion), 1e3 * whole[..., torch.as_tensor(face.vertices), :], atol=1e-3, rtol=0)
    pairs = head.inner_lip_pairs
    truth = 1e3 * (whole[..., pairs[:, 0], 1] - whole[..., pairs[:, 1], 1])
    torch.testing.assert_close(lip_gaps(face(motion), face.pairs), truth, atol=1e-3, rtol=0)


def test_gradients_reach_jaw_lids_and_expression(head):
    motion = torch.zeros(1, head.expression_size + 11 + NECK, requires_grad=True)
    SparseFace(head)(motion).square().sum().backward()
    e = head.expression_size
    assert motion.grad[0, e].abs() > 0 and motion.grad[0, e + 9 : e + 11].abs().min() > 0
    assert motion.grad[0, :e].abs().max() > 0


def test_a_head_without_landmarks_is_refused(head):
    import copy
    import dataclasses

    bare = copy.copy(head)
    bare.arrays = dataclasses.replace(head.arrays, landmarks={})
    with pytest.raises(InputError, match="lacks the 468 landmarks"):
        SparseFace(bare)
