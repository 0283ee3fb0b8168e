"""The prior takes motion of any length and gives the same whole or piece by piece."""

import pytest
import torch

from animate.prior import Prior, PriorConfig, stacked
from flame_tools.errors import InputError, ShapeError


def small(bottleneck="gaussian"):
    torch.manual_seed(0)
    return Prior(PriorConfig(motion=5, latent=16, width=16, heads=2, bottleneck=bottleneck))


def motion(frames, count=2, seed=0):
    return torch.randn(count, frames, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bottleneck", ["gaussian", "codebook"])
@pytest.mark.parametrize("frames", [1, 7, 8, 9, 32, 75])
def test_lengths_come_back(bottleneck, frames):
    prior = small(bottleneck).eval()
    latents, cost = prior.encode(motion(frames))
    assert latents.shape == (2, -(-frames // 8), 16) and cost >= 0
    assert prior(motion(frames)).motion.shape == (2, frames, 5)


def test_a_length_between_is_the_one_with_the_last_frame_held():
    prior = small().eval()
    short = motion(13)
    held = torch.cat([short, short[:, -1:].expand(-1, 3, -1)], 1)
    # The convolution in front of the latents sees the end of the sound, not the held frames: compare what is stacked.
    torch.testing.assert_close(stacked(short, 8), stacked(held, 8))
    torch.testing.assert_close(prior(short).motion[:, :8], prior(held).motion[:, :8], atol=0.2, rtol=0)


def test_the_far_past_and_future_do_not_matter():
    prior = small().eval()
    long = motion(160)
    latents, _ = prior.encode(long)
    other = long.clone()
    other[:, :32], other[:, 128:] = 9.0, -9.0
    changed, _ = prior.encode(other)
    torch.testing.assert_close(latents[:, 8:12], changed[:, 8:12])
    assert (latents[:, 4] - changed[:, 4]).abs().max() > 1e-4


@pytest.mark.parametrize("pieces", [(1, 1, 1, 1, 1, 1, 1, 1, 1, 1), (4, 6), (10, 0)])
def test_a_stream_decodes_as_the_whole(pieces):
    decoder = small().eval().decoder
    latents = motion(10, seed=3).new_empty(1, 10, 16).normal_(generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        whole = decoder(latents)
        delays, parts = decoder.delays(), []
        for i, part in enumerate(latents.split(list(pieces), 1)):
            parts.append(decoder(part, delays, last=i == len(pieces) - 1))
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=0)


def test_draws_are_the_seeds_and_means_need_none():
    prior = small()
    one, two, three = (prior(motion(16), torch.Generator().manual_seed(seed)).motion for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, three)
    assert torch.equal(prior(motion(16)).motion, prior(motion(16)).motion)


def test_codes_follow_what_they_stand_for():
    prior = small("codebook")
    book = prior.bottleneck
    x = torch.randn(12, 1, 16, generator=torch.Generator().manual_seed(0)).expand(-1, 4, -1)
    first = book(x)[1].item()
    for step in range(300):
        book(x, torch.Generator().manual_seed(step))
    assert book(x)[1].item() < 0.01 * first  # twelve things to tell apart
    latents, _ = book(x)
    assert latents.requires_grad  # straight through
    assert all(any(torch.allclose(row[:2], code) for code in book.codes[0]) for row in latents[0, :3])
    frozen = book.eval().codes.clone()
    book(x + 1, torch.Generator().manual_seed(0))
    assert torch.equal(frozen, book.codes)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"\[B, T, 5\]"):
        small().encode(torch.zeros(1, 8, 6))
    with pytest.raises(InputError, match="gaussian, codebook"):
        PriorConfig(motion=5, bottleneck="none")
