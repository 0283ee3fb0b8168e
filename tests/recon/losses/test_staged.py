"""Faces that move alike read alike on the readers' stage, whatever their pose; gradients reach what moves."""

import pytest
import torch

from flame_tools.errors import InputError
from flame_tools.types import FaceParams
from recon.losses.cycle import arkit_templates
from recon.losses.features import feature_loss
from recon.losses.staged import StagedLoss


@pytest.fixture(scope="module")
def felt(head):
    """Twelve expressions, and the same faces at rest."""
    return arkit_templates(head), FaceParams.neutral(head, 12)


@pytest.mark.parametrize("view", ["mouth", "face"])
def test_what_moves_is_read(head, felt, view):
    moving, still = felt
    loss = StagedLoss(head, view)
    assert loss(moving, moving).abs() < 1e-6
    turned = moving.replace(global_rotation=torch.full((12, 3), 0.4), translation=torch.full((12, 3), 0.1))
    assert loss(turned, moving).abs() < 1e-6  # pose is nobody's expression
    half = still.replace(**{n: 0.5 * getattr(moving, n) for n in ("expression", "jaw", "eyelids")})
    assert 0 < loss(half, moving) < loss(still, moving)
    begun = still.replace(expression=still.expression.clone().requires_grad_(), jaw=still.jaw.clone().requires_grad_())
    gradients = torch.autograd.grad(loss(begun, moving), (begun.expression, begun.jaw))
    assert all(g.isfinite().all() and g.abs().max() > 0 for g in gradients)


def test_the_gradient_opens_the_jaw(head):
    """A step against the gradient brings a closed mouth nearer to an open one."""
    loss = StagedLoss(head, "mouth")
    closed, opened = FaceParams.neutral(head, 1), FaceParams.neutral(head, 1)
    opened = opened.replace(jaw=torch.tensor([[0.15, 0.0, 0.0]]))
    jaw = torch.tensor([[0.05, 0.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(closed.replace(jaw=jaw), opened), jaw)
    assert gradient[0, 0] < 0


def test_measures_and_views(head, felt):
    moving, still = felt
    loss = StagedLoss(head, "face", measure="cosine")
    torch.testing.assert_close(loss(still, moving), feature_loss(loss.features(still), loss.features(moving)))
    with pytest.raises(InputError, match="mouth or face"):
        StagedLoss(head, "profile")
