"""Sizes, order of operations and bounds of the published architectures."""

import math

import pytest
import torch

from animate.published.biases import causal, slopes, symmetric
from animate.published.emote import SAMPLES
from animate.published.faceformer import positions
from animate.published.flint import FRAMES, MOST_FRAMES
from animate.published.hearing import normalised
from flame_tools.errors import InputError, ShapeError


def test_slopes_are_alibis():
    assert slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    assert slopes(4).tolist() == [0.25**i for i in range(1, 5)]
    with pytest.raises(InputError, match="6 heads"):
        slopes(6)


@pytest.mark.parametrize("period", [1, 7, 30])
def test_biases_entry_by_entry(period):
    both, past = symmetric(4, 40, period=period), causal(4, 40, period=period)
    for head, slope in enumerate(slopes(4).tolist()):
        for i in range(40):
            for j in range(40):
                assert both[head, i, j] == -slope * (abs(i - j) // period)
                assert past[head, i, j] == (-slope * ((i - j) // period) if j <= i else -math.inf)


def test_flint_gives_a_latent_for_eight_frames(flint):
    motion = torch.randn(2, 32, 103)
    latents = flint.motion_encoder(motion)
    assert latents.mean.shape == latents.logvar.shape == (2, 4, 128)
    assert flint.motion_decoder(latents.mean).shape == flint(motion).shape == motion.shape
    with pytest.raises(ShapeError, match="36 frames, wanted a multiple of 8"):
        flint(torch.randn(1, 36, 103))
    with pytest.raises(ShapeError, match="103"):
        flint(torch.randn(1, 32, 53))
    with pytest.raises(InputError, match="1200"):
        flint(torch.zeros(1, MOST_FRAMES + FRAMES, 103))


def test_flint_divergence_is_the_gaussians(flint):
    latents = flint.motion_encoder(torch.randn(1, 64, 103))
    normal = torch.distributions.Normal(latents.mean, (latents.logvar / 2).exp())
    wanted = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(-1).mean()
    torch.testing.assert_close(latents.divergence(), wanted)
    one, same, other = (latents.drawn(torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_flint_latents_stand_where_their_frames_are(flint):
    """A nudge of frame 100 of 192 moves the latents around it, and a nudge of a latent those around its eight."""
    motion = torch.randn(1, 192, 103, generator=torch.Generator().manual_seed(0))
    nudged = motion.clone()
    nudged[:, 100] += 3
    change = (flint.motion_encoder(nudged).mean - flint.motion_encoder(motion).mean).norm(dim=-1)[0]
    assert (change * torch.arange(24)).sum() / change.sum() == pytest.approx(100 / 8 - 0.5, abs=1)
    latents = flint.motion_encoder(motion).mean
    nudged = latents.clone()
    nudged[:, 12] += 3
    change = (flint.motion_decoder(nudged) - flint.motion_decoder(latents)).norm(dim=-1)[0]
    assert (change * torch.arange(192)).sum() / change.sum() == pytest.approx(12.5 * 8 - 0.5, abs=3)


@pytest.mark.parametrize("frames", [1, 8, 13, 125])
def test_emote_gives_25_frames_a_second(emote, sound, frames):
    told = torch.rand(1, frames, 43)
    samples = normalised(sound[None, : frames * SAMPLES + 100])
    assert emote(samples, told).shape == (1, frames, 53)


def test_emote_constant_condition_is_one_for_every_frame(emote, sound):
    samples, told = normalised(sound[None]), torch.rand(1, 1, 43)
    whole = emote(samples, told)
    torch.testing.assert_close(emote(samples, told.expand(1, 125, 43)), whole, atol=1e-5, rtol=1e-5)
    assert (whole - emote(samples, torch.rand(1, 1, 43))).abs().max() > 1e-3
    changing = torch.cat([told.expand(1, 60, 43), torch.rand(1, 65, 43)], 1)
    change = (emote(samples, changing) - whole).abs().amax(-1)[0]
    assert change[90:].mean() > 3 * change[:30].mean()  # attention spreads it, weaker with distance


def test_emote_squashes_eight_frames_and_pads_with_zeros(emote):
    """The road from what is heard to latents, frame by frame."""
    heard, told = torch.randn(1, 13, 128), torch.randn(1, 1, 43)
    decoder = emote.sequence_decoder
    seen = []
    hook = decoder.motion_prior.motion_decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    emote.moved(heard, told)
    hook.remove()
    joined = torch.cat([heard, decoder.obj_vector.map(told).expand(1, 13, -1)], -1)
    bias = symmetric(8, 13, period=30)
    said = decoder.decoder(decoder.bert_decoder(joined, mask=bias))[0]
    assert said.abs().max() > 0.01
    rows = [*said, *[torch.zeros(128)] * 3]
    wanted = [decoder.squasher_2.linear(torch.cat(rows[i : i + 8])) for i in (0, 8)]
    torch.testing.assert_close(seen[0][0], torch.stack(wanted), atol=1e-5, rtol=1e-5)


def test_emote_says_what_it_takes(emote, sound):
    with pytest.raises(ShapeError, match=r"\[1, 3, 43\].*1 or 125"):
        emote(sound[None], torch.rand(1, 3, 43))
    with pytest.raises(InputError, match="0 frames"):
        emote(sound[None, :600], torch.rand(1, 1, 43))
    with pytest.raises(InputError, match=r"1201 frames.*1200"):
        emote(torch.zeros(1, 1201 * SAMPLES), torch.rand(1, 1, 43))


@pytest.mark.parametrize("name", ["vocaset", "biwi"])
def test_faceformer_with_its_past_kept_is_its_prefix_run_again(name, sound, request):
    model = request.getfixturevalue(name)
    samples, style = normalised(sound[None, :22_345]), torch.eye(model.config.subjects)[1:2]
    published = model(samples, style, cached=False)
    kept = model(samples, style)
    assert published.shape == (model.frames((22_345 - 400) // 320 + 1), model.config.vertices, 3)
    assert published.abs().max() > 0.1
    torch.testing.assert_close(kept, published, atol=2e-5, rtol=1e-4)  # worst seen 4e-6 of 1.5, float32
    other = model(samples, torch.eye(model.config.subjects)[2:3])
    assert (other - kept).abs().max() > 1e-3


def test_faceformer_hears_no_future(biwi):
    memory, style = torch.randn(1, 60, 128), torch.randn(1, 128)
    later = memory.clone()
    later[:, 40:] += 1
    one, other = biwi.moved(memory, style), biwi.moved(later, style)
    assert torch.equal(one[:20], other[:20]) and not torch.equal(one[20], other[20])


def test_faceformer_gradients_through_its_published_order(biwi):
    """Training runs the prefixes again, as the authors do: gradients reach the first frame's style."""
    memory = torch.randn(1, 8, 128)
    style = torch.randn(1, 128, requires_grad=True)
    biwi.moved(memory, style, cached=False).square().sum().backward()
    assert style.grad.abs().min() > 0


def test_faceformer_says_what_it_takes(vocaset, sound):
    style = torch.eye(8)[:1]
    with pytest.raises(InputError, match="600"):
        vocaset(torch.zeros(1, 21 * 16000), style)
    with pytest.raises(InputError, match="too short"):
        vocaset(sound[None, :300], style)
    with pytest.raises(ShapeError, match=r"\[1, 8\]"):
        vocaset(sound[None], torch.eye(6)[:1])


def test_positions_repeat():
    once = positions(30, 64)
    assert once.shape == (1, 630, 64) and torch.equal(once[:, :600], once[:, 30:])
    assert once[0, 7, 0] == pytest.approx(math.sin(7)) and once[0, 7, 3] == pytest.approx(
        math.cos(7 * 10000 ** (-2 / 64)), abs=1e-6
    )
