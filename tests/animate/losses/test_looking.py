"""Losses that look at drawn faces: nothing for the same motion, more for another, gradients as measured."""

import pytest
import torch

from animate.emotion import EMOTIONS, layer, parse
from animate.encoder.corpus import PHONES
from animate.losses.felt import Felt
from animate.losses.lipread import LipReading, lip_reading_loss
from animate.losses.seen import stretch
from flame_tools.arkit import to_params
from flame_tools.errors import InputError
from flame_tools.transfer.motion import motion_of
from readers.emotion import load_emotion_reader
from readers.mouth import MouthConfig, MouthReader


def feeling(head, emotion, frames=6):
    """Motion [1, T, D] of a still face that feels."""
    params = to_params(torch.as_tensor(layer(parse(emotion)))[None].float(), head)
    rows = torch.as_tensor(motion_of(params)).float()
    return torch.cat([rows, torch.zeros(1, 3)], -1).expand(1, frames, -1)


@pytest.fixture(scope="module")
def felt(head):
    return Felt(head, load_emotion_reader())


def test_lips_that_read_alike_cost_nothing(head):
    lips = LipReading(head)
    motion = torch.zeros(1, 5, head.expression_size + 14)
    opened = motion.clone()
    opened[..., head.expression_size] = 0.15  # the jaw, radians
    mask = torch.ones(1, 5, dtype=torch.bool)
    assert lips(motion, motion, mask) == pytest.approx(0, abs=1e-5)
    assert lips(opened, motion, mask) > 0.05
    half = mask.clone()
    half[:, 2:] = False
    partly = motion.clone()
    partly[:, 4, head.expression_size] = 0.01
    assert lips(partly, motion, half) < lips(partly, motion, mask) + 1e-6
    assert lips(opened, motion, half & False) == 0


def test_lip_reading_is_learnt_by_descent(head):
    lips = LipReading(head)
    jaw = head.expression_size
    wanted = torch.zeros(1, 6, head.expression_size + 14)
    wanted[..., jaw] = torch.tensor([0.02, 0.06, 0.10, 0.06, 0.02, 0.0])
    found = wanted.clone()
    found[..., jaw] += 0.05
    found[..., head.arrays.expression_names.index("mouthPucker")] = 0.2
    found.requires_grad_(True)
    mask = torch.ones(1, 6, dtype=torch.bool)
    optimiser = torch.optim.Adam([found], 0.005)
    losses = []
    for _ in range(25):
        losses.append(lips(found, wanted, mask))
        optimiser.zero_grad()
        losses[-1].backward()
        assert found.grad.isfinite().all()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]


def test_measures():
    found, wanted = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]), torch.tensor([[[2.0, 0.0], [2.0, 0.0]]])
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert lip_reading_loss(found, wanted, mask) == pytest.approx(0.5)
    assert lip_reading_loss(found, wanted, mask, measure="square") == pytest.approx((0.5 + 4) / 2)


def test_an_unknown_measure_is_refused(head):
    with pytest.raises(InputError, match="cosine or square"):
        LipReading(head, MouthReader(MouthConfig(PHONES)), measure="hearsay")


def test_stretches_are_seeded_and_fit():
    seeds = [torch.Generator().manual_seed(seed) for seed in (1, 1)]
    first, second = (stretch(30, 12, seed) for seed in seeds)
    assert first == second and first.start >= 0 and first.stop <= 30 and first.stop - first.start == 12
    assert stretch(8, 12, None) == slice(0, 8) == stretch(8, None, None)


def test_feelings_that_are_alike_cost_least(head, felt):
    mask = torch.ones(1, 6, dtype=torch.bool)
    happy, sad = feeling(head, "happy:0.8"), feeling(head, "sad:0.8")
    assert felt(happy, happy, mask) == pytest.approx(0, abs=1e-5)
    assert felt(sad, happy, mask) > 0.2
    asked = torch.zeros(1, 8)
    asked[0, EMOTIONS.index("happy")], asked[0, 0] = 0.8, 0.2
    assert felt.intensities(happy, asked, mask) < felt.intensities(sad, asked, mask)
    assert felt.intensities(sad, asked, mask & False) == 0


def test_feelings_can_be_learnt_by_descent(head, felt):
    mask = torch.ones(1, 6, dtype=torch.bool)
    asked = torch.zeros(1, 8)
    asked[0, EMOTIONS.index("happy")], asked[0, 0] = 0.8, 0.2
    motion = feeling(head, "neutral").clone().requires_grad_(True)
    before = felt.intensities(motion, asked, mask)
    (grad,) = torch.autograd.grad(before, motion)
    assert grad.isfinite().all() and grad[..., : head.expression_size].abs().max() > 0
    step = motion - 0.05 * grad / grad.abs().max()
    assert felt.intensities(step, asked, mask) < before
