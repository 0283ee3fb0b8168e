"""A stream moves the face as the whole recording does, however long it is."""

import pytest
import torch

from animate.model import Conditions, ModelConfig, SpeechToMotion, Stream
from animate.network_file import load_model, load_prior, save_model, save_prior
from animate.prior import Prior, PriorConfig
from animate.style import STYLE
from flame_tools.errors import FormatError, InputError, ShapeError

SMALL = {"features": 6, "motion": 5, "width": 16, "blocks": 2, "heads": 2, "back": 5, "ahead": 2, "reach": 2}


def made(with_prior):
    torch.manual_seed(0)
    prior = Prior(PriorConfig(motion=5, latent=8, width=16, heads=2, back=1, ahead=1)) if with_prior else None
    model = SpeechToMotion(ModelConfig(**SMALL), prior)
    torch.nn.init.normal_(model.leave.weight, std=0.3)
    return model.eval()


def given(frames, count=1):
    draw = torch.Generator().manual_seed(1)
    features = torch.randn(count, frames, 6, generator=draw)
    return features, Conditions(
        torch.rand(count, frames, 8, generator=draw), torch.randn(count, 1, STYLE, generator=draw)
    )


@pytest.mark.parametrize("ahead", [None, (1, 0)])
@pytest.mark.parametrize("with_prior", [False, True])
@pytest.mark.parametrize("sizes", [(50,), (1,) * 21, (3, 17, 0, 11, 9), (40, 0), (7, 1)])
def test_a_stream_equals_the_whole(with_prior, sizes, ahead):
    model = made(with_prior)
    features, conditions = given(sum(sizes))
    with torch.no_grad():
        whole = model(features, conditions, ahead)[0]
    stream, at, parts = Stream(model, ahead), 0, []
    for i, size in enumerate(sizes):
        part = slice(at, at + size)
        parts.append(stream.push(features[0, part], conditions.rows(part), last=i == len(sizes) - 1))
        at += size
        assert at - sum(map(len, parts)) <= model.ahead_frames(ahead)
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("with_prior", [False, True])
def test_memory_does_not_grow(with_prior):
    stream = Stream(made(with_prior))

    def held():
        delays = [delay for pair in stream._delays for delay in pair] + list(stream._prior_delays or ())
        return sum(delay._kept.numel() for delay in delays)

    sizes = []
    for _ in range(12):
        stream.push(*(lambda f, c: (f[0], c))(*given(80)))
        sizes.append(held())
    assert len(set(sizes[3:])) == 1


def test_conditions_act_at_their_frames_and_around():
    model = made(False)
    features, conditions = given(80)
    other = conditions.emotion.clone()
    other[:, 40:] += 1.0
    with torch.no_grad():
        before, after = model(features, conditions), model(features, Conditions(other, conditions.style))
    changed = (before - after)[0].abs().amax(-1) > 1e-6
    assert changed[40:].all() and not changed[: 40 - model.ahead_frames()].any()
    assert changed[40 - model.ahead_frames() : 40].any()


def test_a_style_is_of_the_manner_not_of_the_moment():
    model = made(False)
    reference = torch.randn(1, 64, 5, generator=torch.Generator().manual_seed(0))
    style = model.style_encoder(reference)
    assert style.shape == (1, STYLE)
    assert (style - model.style_encoder(2 * reference)).abs().max() > 0.01
    later = model.style_encoder(torch.roll(reference, 20, 1))
    assert (style - later).abs().max() < 0.1 * (style - model.style_encoder(2 * reference)).abs().max()


def test_a_new_model_rests_at_the_mean():
    model = SpeechToMotion(ModelConfig(**SMALL))
    model.scale.mean.fill_(0.3)
    features, conditions = given(10, count=2)
    assert torch.equal(model(features, conditions), torch.full((2, 10, 5), 0.3))


def test_a_file_brings_the_same_model(tmp_path):
    model = made(True)
    save_model(model, tmp_path / "m.npz", encoder="log-mel", fps=30, head_id="default")
    back, header = load_model(tmp_path / "m.npz")
    features, conditions = given(20)
    assert torch.equal(back(features, conditions), model(features, conditions))
    assert (header["encoder"], header["fps"], header["head_id"]) == ("log-mel", 30, "default")
    save_prior(model.prior, tmp_path / "p.npz")
    assert torch.equal(load_prior(tmp_path / "p.npz").decoder.leave.weight, model.prior.decoder.leave.weight)
    with pytest.raises(FormatError, match="wanted 'emberface-motion-prior'"):
        load_prior(tmp_path / "m.npz")


def test_the_prior_is_frozen():
    model = made(True)
    model(*given(16)).sum().backward()
    assert all(value.grad is None for value in model.prior.parameters())
    assert model.hear.weight.grad.abs().max() > 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"\[B, T, 6\]"):
        made(False)(torch.zeros(1, 4, 7), given(4)[1])
    with pytest.raises(ShapeError, match="prior was made for 4"):
        SpeechToMotion(ModelConfig(**SMALL), Prior(PriorConfig(motion=4, width=16, heads=2)))
    with pytest.raises(InputError, match="heads divide"):
        ModelConfig(features=6, motion=5, width=10, heads=4)
