"""Expressions dealt into four groups, and what comes back; codes and their priors; wrinkles."""

import pytest
import torch

from flame_tools.errors import InputError, ShapeError
from flame_tools.types import FaceParams
from recon.losses.cycle import CycleWeights, Expressions, arkit_templates, changed, cycle_loss
from recon.losses.detail import exchanged, size_loss, smoothness_loss, symmetry_loss
from recon.losses.priors import bound_prior, code_prior, near, white_light
from recon.networks.codes import FlameCodes
from tests.recon.losses.made import rows


def codes(count, seed=0):
    return FlameCodes(
        shape=rows(count, 6, seed=seed), expression=rows(count, 5, seed=seed + 1), camera=rows(count, 3, seed=seed + 2),
        global_rotation=rows(count, 3, seed=seed + 3), jaw=0.1 * rows(count, 3, seed=seed + 4).abs(),
        eyelids=torch.full((count, 2), 0.5, dtype=torch.float64),
    )  # fmt: skip


def groups(new, old, templates):
    """Which of the four each face belongs to, by its direction: noise of the others is 0.2 SD at most."""
    found = []
    for row, value in enumerate(new.expression):
        if value.norm() < 2.0 and new.jaw[row].abs().max() == 0:
            found.append("still")
        else:
            cosine = torch.cosine_similarity(value[None], torch.cat([templates, old.expression]), dim=-1)
            best = int(cosine.argmax())
            found.append("classed" if best < len(templates) else "read" if best - len(templates) == row else "borrowed")
    return found


def test_a_batch_has_four_groups():
    templates = torch.zeros(2, 5, dtype=torch.float64)
    templates[0, 0], templates[1, 1] = 30.0, -30.0  # bounds make them 4
    old = codes(64)
    expressions = Expressions.of_flame(templates)
    new = changed(old, expressions, generator=torch.Generator().manual_seed(3))
    found = groups(new, old, templates)
    assert found.count("still") == 16 and 12 <= found.count("classed") <= 20
    assert found.count("borrowed") >= 8
    for name in ("shape", "camera", "global_rotation"):
        assert getattr(new, name).equal(getattr(old, name))
    assert new.expression.abs().max() <= 4 and new.jaw[:, 0].min() >= 0 and new.jaw[:, 0].max() <= 0.5
    assert new.eyelids.min() >= 0 and new.eyelids.max() <= 1
    still = torch.tensor([kind == "still" for kind in found])
    assert (new.eyelids[still] - 0.5).abs().max() > 0.25 >= (new.eyelids[~still] - 0.5).abs().max()
    again = changed(old, expressions, generator=torch.Generator().manual_seed(3))
    assert again.expression.equal(new.expression) and not new.expression.requires_grad
    assert old.expression.equal(codes(64).expression)  # nothing is written into what was given


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_small_batches(count):
    new = changed(codes(count), Expressions.of_flame(rows(3, 5)), generator=torch.Generator().manual_seed(0))
    assert new.expression.shape == (count, 5) and new.expression.isfinite().all()


def test_lids_that_nobody_said_stay_unsaid():
    new = changed(
        codes(8).replace(eyelids=None), Expressions.of_flame(rows(3, 5)), generator=torch.Generator().manual_seed(0)
    )
    assert new.eyelids is None and cycle_loss(new, new) == 0


def test_expressions_of_our_own_head(head):
    expressions = Expressions.of(head)
    templates = arkit_templates(head)
    moved = 1e3 * (head.vertices(templates) - head.v_template).norm(dim=-1).amax(1)
    assert len(moved) == 12 and moved.min() > 3  # every class moves the face by some millimetres
    face = FaceParams.neutral(head, 40)
    new = changed(face, expressions, generator=torch.Generator().manual_seed(0))
    low, high = head.arrays.expression_bounds.T
    assert (new.expression >= torch.as_tensor(low) - 1e-6).all() and (
        new.expression <= torch.as_tensor(high) + 1e-6
    ).all()
    assert new.jaw[:, 0].max() <= head.arrays.jaw_open_rad + 1e-6 and new.jaw[:, 2].abs().max() == 0
    assert new.jaw[:, 0].max() > 0.05 and head.vertices(new).isfinite().all()


def test_cycle_loss_is_smirks_sum():
    found, wanted = codes(3), codes(3, seed=9)
    weights = CycleWeights()

    def mse(name):
        return (getattr(found, name) - getattr(wanted, name)).square().mean()

    by_hand = mse("expression") + 10 * mse("jaw") + 10 * mse("eyelids") + mse("shape")
    torch.testing.assert_close(cycle_loss(found, wanted, weights), by_hand)
    torch.testing.assert_close(cycle_loss(found, wanted, CycleWeights(shape=0)), by_hand - mse("shape"))
    sd = torch.full((5,), 2.0, dtype=torch.float64)
    only = CycleWeights(jaw=0, eyelids=0, shape=0)
    torch.testing.assert_close(cycle_loss(found, wanted, only, sd=sd), mse("expression") / 4)
    expression = found.expression.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda e: cycle_loss(found.replace(expression=e), wanted), expression)
    assert cycle_loss(wanted, wanted) == 0


def test_refused():
    with pytest.raises(ShapeError, match=r"wanted \[B, 7\]"):
        changed(codes(4), Expressions.of_flame(rows(3, 7)), generator=torch.Generator())
    with pytest.raises(InputError, match="no template"):
        changed(codes(4), Expressions.of_flame(rows(0, 5)), generator=torch.Generator())
    with pytest.raises(ShapeError, match="integers"):
        exchanged(rows(4, 3), torch.zeros(4), generator=torch.Generator())


def test_detail_codes_are_exchanged_within_a_person():
    values = rows(7, 3).requires_grad_()
    people = torch.tensor([4, 4, 9, 4, 9, 1, 4])
    mixed = exchanged(values, people, generator=torch.Generator().manual_seed(0))
    source = [(values == row).all(-1).nonzero().item() for row in mixed]
    assert sorted(source) == list(range(7)) and (people[source] == people).all()
    assert [i for i, s in enumerate(source) if i == s] == [5]  # only who has no other picture keeps their own
    (gradient,) = torch.autograd.grad(mixed[0].sum(), values)
    assert gradient[source[0]].tolist() == [1, 1, 1] and gradient.abs().sum() == 3


def test_heights():
    heights = (0.001 * rows(2, 4, 6)).requires_grad_()
    mask = torch.ones(4, 6, dtype=torch.float64)
    mask[:, 3:] = 0
    for loss in (size_loss, smoothness_loss):
        assert torch.autograd.gradcheck(lambda h, f=loss: 1e3 * f(h, mask), heights)
        (gradient,) = torch.autograd.grad(loss(heights, mask), heights)
        assert gradient[..., 3:].abs().max() == 0 and gradient[..., :3].abs().max() > 0
        assert loss(torch.zeros(2, 4, 6)) == 0
    ramp = torch.arange(6.0).expand(1, 4, 6)
    assert smoothness_loss(ramp) == 1 and size_loss(ramp) == 2.5
    both = heights.detach() + heights.detach().flip(-1)
    unseen = torch.zeros(2, 4, 6)
    assert symmetry_loss(both, torch.ones(2, 4, 6)) < 1e-18 and symmetry_loss(heights, unseen) == 0
    unseen[:, :, 0] = 1
    (gradient,) = torch.autograd.grad(symmetry_loss(heights, unseen), heights)
    assert gradient[..., 0].abs().min() > 0 and gradient[..., 1:].abs().max() == 0  # the seen side is not moved


def test_priors():
    values = rows(2, 3).requires_grad_()
    sd = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    for loss in (
        lambda v: code_prior(v, mean=0.3, sd=sd), lambda v: near(v, rows(2, 3, seed=1)),
        lambda v: bound_prior(v, -0.2, 0.3), lambda v: white_light(v.expand(9, 2, 3).transpose(0, 1)),
    ):  # fmt: skip
        assert torch.autograd.gradcheck(loss, values)
    assert code_prior(torch.tensor([[3.0, 4.0]])) == 12.5 and code_prior(torch.tensor([[2.0]]), mean=2.0) == 0
    density = torch.distributions.Normal(0.3, sd).log_prob(values).sum(-1)
    constant = torch.distributions.Normal(0.3, sd).log_prob(torch.full((3,), 0.3, dtype=torch.float64)).sum()
    torch.testing.assert_close(code_prior(values, mean=0.3, sd=sd), (constant - density).mean())
    assert near(values, values) == 0
    inside = torch.tensor([0.0, 0.5, 1.0])
    assert bound_prior(inside, 0.0, 1.0) == 0 and bound_prior(inside + 1, 0.0, 1.0) == pytest.approx((0.25 + 1) / 3)
    assert white_light(torch.ones(1, 9, 3)) == 0 and white_light(torch.tensor([[[0.0, 0.0, 3.0]] * 9])) == 2
