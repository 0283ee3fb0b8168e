"""Takes are the seed's, whatever the pieces that a recording comes in; guidance is what its formula says."""

import dataclasses

import pytest
import torch

from animate.flow import EVERYTHING, Flow, FlowConfig, Told
from animate.model import Conditions
from animate.network_file import load_flow, load_prior, save_flow
from animate.prior import Prior, PriorConfig
from animate.style import STYLE
from animate.takes import Guidance, Heard, Sampling, Take, noise, perform
from flame_tools.errors import FormatError, InputError, ShapeError

SMALL = {"width": 16, "heads": 2, "back": 3, "ahead": 2, "reach": 1, "blocks": 2, "latents_back": 2, "latents_ahead": 1}
PLAIN, GUIDED = Sampling(), Sampling(steps=3, guidance=Guidance(2.0, 1.5, 0.5))


def made():
    torch.manual_seed(0)
    flow = Flow(FlowConfig(6, 2, **SMALL), Prior(PriorConfig(motion=5, latent=8, width=16, heads=2, back=1, ahead=1)))
    for layer in (flow.leave, flow.clock[-1]):
        torch.nn.init.normal_(layer.weight, std=0.3)
    torch.nn.init.normal_(flow.unheard)
    torch.nn.init.normal_(flow.unfelt)
    return flow.eval()


def given(frames):
    draw = torch.Generator().manual_seed(1)
    features = torch.randn(frames, 6, generator=draw)
    return features, Conditions(torch.rand(1, frames, 8, generator=draw), torch.randn(1, 1, STYLE, generator=draw))


def solved(flow, features, conditions, *, seed, sampling=PLAIN, take=0):
    """The same by the book: everything at once, no piece, no memory."""
    with torch.no_grad():
        parts = flow.gathered(flow.heard(features[None]), conditions)
        x = sampling.spread * noise(seed, take, range(parts[0].shape[1]), 8)[None]

        def velocity(x, t):
            t, (a, e, s) = torch.tensor([t]), vars(sampling.guidance).values()
            full = flow.velocity(x, t, flow.told(*parts))
            out = full
            for weight, which in ((a, Told(audio=False)), (e, Told(emotion=False)), (s, Told(style=False))):
                out = out + (weight - 1) * (full - flow.velocity(x, t, flow.told(*parts, which)))
            return out

        dt = 1 / sampling.steps
        for k in range(sampling.steps):
            v = velocity(x, k * dt)
            if sampling.method == "heun":
                v = (v + velocity(x + dt * v, (k + 1) * dt)) / 2
            x = x + dt * v
        return flow.decode(x, len(features))[0]


@pytest.mark.parametrize("sampling", [PLAIN, Sampling(4, "heun"), GUIDED, dataclasses.replace(GUIDED, spread=0.0)])
def test_pieces_are_the_whole(sampling):
    flow = made()
    features, conditions = given(61)
    whole = solved(flow, features, conditions, seed=3, sampling=sampling)
    for sizes in ((61,), (1,) * 61, (30, 0, 3, 28), (8,) * 7 + (5, 0)):
        ear, take, at, motion = Heard(flow), Take(flow, seed=3, sampling=sampling), 0, []
        for i, size in enumerate(sizes):
            part, last = slice(at, at + size), i == len(sizes) - 1
            told = ear.push(features[part], conditions.rows(part), last=last)
            motion.append(take.push(*told, last=last))
            at += size
        torch.testing.assert_close(torch.cat(motion)[:61], whole, atol=2e-5, rtol=0)


def test_long_recordings_are_cut_without_a_seam():
    flow = made()
    features, conditions = given(1500)  # three pieces
    (motion,) = perform(flow, features, conditions, seed=3)
    torch.testing.assert_close(motion, solved(flow, features, conditions, seed=3), atol=2e-5, rtol=0)


def test_memory_does_not_grow():
    flow = made()
    ear, take, sizes = Heard(flow), Take(flow, seed=0), []
    for _ in range(14):
        take.push(*ear.push(*(lambda f, c: (f, c))(*given(80))))
        delays = [d for step in take._steps for pair in step._first._delays for d in pair]
        delays += [step._wait for step in take._steps] + list(take._decoder) + [d for pair in ear._delays for d in pair]
        sizes.append(sum(delay._kept.numel() for delay in delays))
    assert len(set(sizes[6:])) == 1


def test_a_take_is_its_seed_and_number():
    flow = made()
    features, conditions = given(40)
    takes = list(perform(flow, features, conditions, seed=5, takes=3))
    again = list(perform(flow, features, conditions, seed=5, takes=2))
    assert all(map(torch.equal, takes, again)) and len(takes) == 3
    (other,) = perform(flow, features, conditions, seed=6)
    for a, b in ((takes[0], takes[1]), (takes[1], takes[2]), (takes[0], other)):
        assert (a - b).abs().max() > 0.05
    tame = [list(perform(flow, features, conditions, seed=s, sampling=Sampling(spread=0.0))) for s in (5, 6)]
    assert torch.equal(*(motion for (motion,) in tame))


def test_the_noise_of_a_latent_is_its_own():
    whole = noise((5, 2**64 - 1), 3, range(40), 7)
    assert torch.equal(whole[10:30], noise((5, 2**64 - 1), 3, range(10, 30), 7))
    assert noise(5, 0, range(0), 7).shape == (0, 7)
    rows = noise(5, 0, range(4000), 8)
    assert abs(rows.mean()) < 0.02 and abs(rows.std() - 1) < 0.02  # four deviations of 32,000 numbers
    for other in (noise(5, 1, range(4000), 8), noise(6, 0, range(4000), 8), rows.roll(1, 0)):
        assert abs((rows * other).mean()) < 0.025


def test_weights_of_one_are_no_guidance():
    assert Guidance().terms() == ((EVERYTHING, 1.0),)
    terms = Guidance(audio=2.5, style=0.0).terms()
    assert terms == ((EVERYTHING, 1.5), (Told(audio=False), -1.5), (Told(style=False), 1.0))
    assert sum(weight for _, weight in GUIDED.guidance.terms()) == pytest.approx(1)


def test_a_condition_left_out_says_nothing():
    flow = made()
    features, conditions = given(32)
    other = (features + 1, Conditions(conditions.emotion + 1, conditions.style + 1))
    one, two = (flow.gathered(flow.heard(f[None]), c) for f, c in ((features, conditions), other))
    for i, name in enumerate(("audio", "emotion", "style")):
        changed = tuple(two[k] if k == i else one[k] for k in range(3))
        assert torch.equal(flow.told(*one, Told(**{name: False})), flow.told(*changed, Told(**{name: False})))
        assert (flow.told(*one) - flow.told(*changed)).abs().max() > 0.1
    nothing = flow.told(*one, Told(False, False, False))
    assert torch.equal(nothing, nothing[:1, :1].expand_as(nothing))
    mixed = Told(torch.tensor([True, False]), torch.tensor([True, True]), True)
    pair = flow.told(*(value.expand(2, -1, -1) for value in one), mixed)
    assert torch.equal(pair[0], flow.told(*one)[0]) and torch.equal(pair[1], flow.told(*one, Told(audio=False))[0])


def test_guidance_leans_on_what_it_names():
    flow = made()
    features, conditions = given(64)
    changed = Conditions(conditions.emotion + 1, conditions.style)

    def apart(weight):
        sampling = Sampling(guidance=Guidance(emotion=weight))
        (a,), (b,) = (list(perform(flow, features, c, seed=1, sampling=sampling)) for c in (conditions, changed))
        return (a - b).abs().mean()

    assert apart(0.0) < 1e-6 < apart(1.0) < apart(3.0)


def test_a_file_brings_the_same_flow(tmp_path):
    flow = made()
    save_flow(flow, tmp_path / "f.npz", encoder="log-mel", fps=30, head_id="default")
    back, header = load_flow(tmp_path / "f.npz")
    features, conditions = given(20)
    assert torch.equal(*(next(perform(f, features, conditions, seed=0)) for f in (flow, back)))
    assert (header["encoder"], header["fps"], header["head_id"]) == ("log-mel", 30, "default")
    save_flow(back, tmp_path / "g.npz", encoder="log-mel", fps=30, head_id="default")
    assert (tmp_path / "f.npz").read_bytes() == (tmp_path / "g.npz").read_bytes()
    with pytest.raises(FormatError, match="wanted 'emberface-motion-prior'"):
        load_prior(tmp_path / "f.npz")


def test_what_does_not_fit_is_refused():
    flow = made()
    features, conditions = given(20)
    with pytest.raises(ShapeError, match=r"\[B, T, 6\]"):
        list(perform(flow, features[:, :5], conditions, seed=0))
    with pytest.raises(ShapeError, match=r"wanted \[T, 6\]"):
        list(perform(flow, features[None], conditions, seed=0))
    with pytest.raises(InputError, match="takes is 0"):
        perform(flow, features, conditions, seed=0, takes=0)
    with pytest.raises(InputError, match="no frame"):
        perform(flow, features[:0], conditions, seed=0)
    with pytest.raises(InputError, match="seed is -1"):
        list(perform(flow, features, conditions, seed=-1))
    with pytest.raises(InputError, match="euler or heun"):
        Sampling(method="rk4")
    with pytest.raises(InputError, match="heads divide"):
        FlowConfig(6, width=10, heads=4)
