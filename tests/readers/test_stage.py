"""Pictures for networks: they show what the face does, they repeat, and their gradients are those of the pictures."""

import dataclasses

import pytest
import torch

from flame_tools.arkit import INDEX, to_params
from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.identity import random_identities
from flame_tools.types import FaceParams
from readers.stage import VIEWS, Stage
from readers.variation import Variation


def posed(head, **weights):
    row = torch.zeros(1, len(INDEX), dtype=head.v_template.dtype)
    for name, weight in weights.items():
        for column in [INDEX[name]] if name in INDEX else [INDEX[name + side] for side in ("Left", "Right")]:
            row[0, column] = weight
    return to_params(row, head)


def picture(stage, params, variation=None):
    shape = stage.head.v_template.new_zeros(stage.head.shape_size)
    with torch.no_grad():
        return stage(stage.vertices(params), stage.framing(shape), variation)


@pytest.mark.parametrize("view", VIEWS)
def test_pictures_are_grey_and_repeat(stages, view):
    stage = stages[view]
    first, second = (picture(stage, posed(stage.head, jawOpen=0.2)) for _ in range(2))
    assert first.shape == (1, stage.size, stage.size)
    assert first.min() >= 0 and first.max() <= 1 and first.std() > 0.05
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("view", "weights"),
    [
        ("mouth", {"jawOpen": 0.3}),
        ("mouth", {"mouthPucker": 0.8}),
        ("mouth", {"mouthSmile": 0.8}),
        ("mouth", {"mouthRollLower": 0.8}),
        ("face", {"browDown": 1.0}),
        ("face", {"eyeBlink": 1.0}),
        ("face", {"noseSneer": 1.0}),
    ],
)
def test_what_the_face_does_is_seen(stages, view, weights):
    stage = stages[view]
    rest, moved = picture(stage, posed(stage.head)), picture(stage, posed(stage.head, **weights))
    # A brow that comes down changes the least, 1.5 % of the face by more than a tenth of grey.
    assert ((moved - rest).abs() > 0.1).float().mean() > 0.01


def test_an_open_mouth_is_dark(stages):
    stage = stages["mouth"]
    shut, opened = picture(stage, posed(stage.head)), picture(stage, posed(stage.head, jawOpen=0.6))
    assert (opened < 0.12).sum() > (shut < 0.12).sum() + 60  # pixels of 48 x 48


def test_the_head_s_pose_and_place_are_left_out(stages):
    stage = stages["mouth"]
    params = posed(stage.head, jawOpen=0.2)
    turned = params.replace(neck=torch.tensor([0.1, 0.4, 0.0]), translation=torch.tensor([0.0, 0.1, 1.0]))
    assert torch.equal(picture(stage, params), picture(stage, turned))


def test_pictures_are_framed_on_each_person(stages):
    stage = stages["mouth"]
    shapes = random_identities(stage.head, 6, 3)
    params = FaceParams.neutral(stage.head).replace(shape=shapes)
    with torch.no_grad():
        vertices, framing = stage.vertices(params), stage.framing(shapes)
    lips = vertices[:, stage.pairs.flatten()].mean(1)
    place = (lips - framing.centre)[:, :2] / framing.half[:, None]
    assert place.abs().max() < 0.35  # in halves of the picture; the mean person's mouth lies at 0.2 above the middle


def test_variations_are_seeded_and_shared_by_a_sequence(stages):
    stage = stages["mouth"]
    params = posed(stage.head).map(lambda value: value.expand(4, *value.shape[1:]) if value.ndim > 1 else value)
    looks = [picture(stage, params, Variation.random(2, 2, seed)) for seed in (5, 5, 6)]
    assert torch.equal(looks[0], looks[1])
    assert (looks[0] - looks[2]).abs().mean() > 0.03
    first, second = Variation.random(2, 2, 5).clean(), Variation.random(2, 2, 5)
    assert torch.equal(second.key[0], second.key[1]) and not torch.equal(second.key[0], second.key[2])
    assert not first.noise.any() and torch.equal(first.key, second.key)


def test_gradients_are_those_of_the_pictures(stages64):
    stage = stages64
    head = stage.head
    framing = stage.framing(head.v_template.new_zeros(head.shape_size))
    weigh = torch.randn(1, stage.size, stage.size, generator=torch.Generator().manual_seed(0)).double()
    weigh = torch.nn.functional.avg_pool2d(weigh, 5, 1, 2)[0]  # smooth: single pixels would jump
    start = posed(head, jawOpen=0.25, mouthSmile=0.2)

    def value(params):
        return (stage(stage.vertices(params), framing)[0] * weigh).sum()

    expression = start.expression.clone().requires_grad_(True)
    jaw = start.jaw.clone().requires_grad_(True)
    grads = torch.autograd.grad(value(start.replace(expression=expression, jaw=jaw)), (expression, jaw))
    columns = [c for c, name in enumerate(head.arrays.expression_names) if name.startswith("mouth")]
    step, measured = 0.01, []
    with torch.no_grad():
        for column in columns:
            change = torch.zeros_like(start.expression)
            change[..., column] = step
            ends = [value(start.replace(expression=start.expression + sign * change)) for sign in (1, -1)]
            measured.append(float(ends[0] - ends[1]) / (2 * step))
        change = torch.tensor([[0.01, 0.0, 0.0]], dtype=torch.float64)
        ends = [value(start.replace(jaw=start.jaw + sign * change)) for sign in (1, -1)]
    # Where lips pass through each other the picture moves without a gradient: correlation 0.974 seen, 5 % on the jaw.
    told = grads[0][0, columns]
    assert torch.corrcoef(torch.stack([told, told.new_tensor(measured)]))[0, 1] > 0.95
    assert grads[1][0, 0] == pytest.approx(float(ends[0] - ends[1]) / 0.02, rel=0.15)


def test_refusals(stages, head):
    stage = stages["mouth"]
    with pytest.raises(InputError, match="view 'ear'"):
        Stage(stage.head, "ear")
    bare = dataclasses.replace(head.arrays, landmarks={})
    with pytest.raises(InputError, match="68 landmarks"):
        Stage(Head(bare))
    framing = stage.framing(torch.zeros(stage.head.shape_size))
    with pytest.raises(ShapeError, match=r"stage\.vertices"):
        stage(torch.zeros(1, 7, 3), framing)
    with pytest.raises(ShapeError, match="variation is of 3"):
        stage(stage.vertices(posed(stage.head)), framing, Variation.none(3))
