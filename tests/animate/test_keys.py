"""Key moments stand where mouths arrive; pinned keys come through, and what is far from them stays."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animate.encoder.corpus import PHONE_INDEX, PHONES
from animate.keys import KeysConfig, KeysToMotion, Pin, as_pins, between, edited, perform
from animate.model import Conditions
from animate.moments import Spacing, moments, said_at, tier_of
from animate.network_file import load_keys, save_keys
from animate.style import STYLE
from animate.textgrid import intervals
from flame_tools.errors import InputError, ShapeError

SMALL = {"width": 16, "heads": 2, "predicting": 1, "completing": 1, "back": 4, "ahead": 2, "reach": 1}
REACH = 2 * (4 + 1)  # frames that both networks look back together, more than they look ahead
FPS = 30
TIER = intervals(
    [("SIL", 0.0, 0.4), ("M", 0.4, 0.48), ("AY1", 0.48, 0.8), ("P", 0.8, 0.88), ("T", 0.88, 0.91), ("SIL", 0.91, 3.0)]
)


def made():
    torch.manual_seed(0)
    network = KeysToMotion(KeysConfig(6, 5, 2, **SMALL))
    network.scale.mean.fill_(0.3)
    network.scale.sd.fill_(0.7)
    for layer in (network.answer[-1], network.leave[-1]):
        torch.nn.init.normal_(layer.weight, std=0.3)
    return network.eval()


def speech(frames=90):
    draw = torch.Generator().manual_seed(1)
    features = torch.randn(frames, 6, generator=draw)
    return features, Conditions(torch.rand(1, frames, 8, generator=draw), torch.randn(1, 1, STYLE, generator=draw))


def test_moments_are_where_lips_arrive():
    found = moments(TIER, 90, FPS).tolist()
    assert found[0] == 0 and found[-1] == 89
    assert 13 in found and 25 in found  # M's middle at 0.44 s; P's before its burst, 0.834 s
    assert 17 in found and 22 in found  # both ends of the diphthong, at 0.568 and 0.736 s
    assert 27 not in found  # T gives way to P
    assert max(np.diff(found)) <= 12 and min(np.diff(found)) >= 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PHONES), st.floats(0.01, 0.6)), min_size=0, max_size=25),
    st.integers(1, 200),
    st.integers(1, 6),
)
def test_moments_keep_their_distances(said, frames, nearest):
    ends = np.cumsum([length for _, length in said])
    tier = intervals((name, end - length, end) for (name, length), end in zip(said, ends, strict=True))
    spacing = Spacing(nearest, 12)
    found = moments(tier, frames, FPS, spacing)
    assert found[0] == 0 and found[-1] == frames - 1
    steps = np.diff(found)
    assert (steps >= 1).all() and (steps <= 12).all()
    assert (steps >= min(nearest, frames - 1)).all()


def test_phones_at_frames_and_back():
    said = said_at(TIER, 90, FPS)
    assert [PHONES[said[at]] for at in (0, 11, 12, 15, 24, 27, 89)] == ["SIL", "SIL", "M", "AY", "P", "T", "SIL"]
    np.testing.assert_array_equal(said_at(tier_of(said, FPS), 90, FPS), said)
    assert said_at(intervals([("??", 0.0, 1.0)]), 40, FPS).tolist() == [-1] * 30 + [PHONE_INDEX["SIL"]] * 10


def test_frames_know_the_keys_around_them():
    keys = torch.tensor([[1, 0, 0, 0, 1, 1, 0, 1]], dtype=torch.bool)
    before, after, share = between(keys)
    assert before.tolist() == [[0, 0, 0, 0, 4, 5, 5, 7]] and after.tolist() == [[0, 4, 4, 4, 4, 5, 7, 7]]
    assert share.tolist() == [[0, 0.25, 0.5, 0.75, 0, 0, 0.5, 0]]
    with pytest.raises(InputError, match="first and the last"):
        between(keys[:, 1:])


def test_a_pinned_key_comes_through_to_the_bit():
    network, (features, conditions) = made(), speech()
    plain, keys = perform(network, features, conditions, TIER, fps=FPS)
    assert torch.equal(plain[keys.frames], keys.motion) and not keys.pinned.any()
    pins = [Pin(0.5, torch.tensor([5.0, -3.0, 0.1, 2.0, 1e-7])), Pin(2.0, torch.full((5,), torch.nan))]
    pins.append(Pin(0.834, torch.tensor([torch.nan, 0.123, torch.nan, torch.nan, -9.0])))
    motion, found = perform(network, features, conditions, TIER, fps=FPS, pins=pins)
    assert torch.equal(motion[15], pins[0].motion)
    assert motion[25, 1] == pins[2].motion[1] and motion[25, 4] == -9 and motion[25].isfinite().all()
    assert found.frames[found.pinned].tolist() == [15, 25]
    assert 13 not in found.frames  # too near to a pin
    assert torch.equal(motion[found.frames], found.motion)
    far = 25 + 12 + REACH
    torch.testing.assert_close(motion[far:], plain[far:], atol=1e-6, rtol=0)
    assert (motion[:25] - plain[:25]).abs().max() > 0.1


def test_a_pin_is_come_to_and_left_without_a_jump():
    network, (features, conditions) = made(), speech()
    sizes = []
    for size in (0.0, 1.0, 2.0):
        motion, _ = perform(network, features, conditions, TIER, fps=FPS, pins=[Pin(2.0, torch.full((5,), size))])
        sizes.append(motion[57:64].mean(-1))
    assert (sizes[1] - sizes[0])[[1, 2, 4, 5]].min() > 0.05  # its neighbours go along


def test_keys_are_edited_and_given_back():
    network, (features, conditions) = made(), speech()
    plain, keys = perform(network, features, conditions, TIER, fps=FPS)
    pins = as_pins(keys, FPS)
    same, again = perform(network, features, conditions, TIER, fps=FPS, pins=pins)
    assert torch.equal(again.frames, keys.frames) and again.pinned.all()
    assert torch.equal(same[keys.frames], plain[keys.frames])
    pins[3] = edited(pins[3], [1, 2], [0.5, 0.25])
    other, _ = perform(network, features, conditions, TIER, fps=FPS, pins=pins)
    assert other[keys.frames[3], 1] == 0.5 and other[keys.frames[3], 2] == 0.25
    assert torch.equal(other[keys.frames[4]], plain[keys.frames[4]])


def test_the_same_wherever_it_is_said():
    network, (features, conditions) = made(), speech(300)
    keys = torch.zeros(1, 300, dtype=torch.bool)
    keys[:, ::6] = keys[:, -1] = True
    said = torch.randint(0, len(PHONES), (1, 300), generator=torch.Generator().manual_seed(0))

    def run(part):
        with torch.no_grad():
            shown, own = features[None, part], keys[:, part].clone()
            own[:, [0, -1]] = True
            predicted, state = network.predict(shown, conditions.rows(part), said[:, part], own)
            return network.complete(state, own, predicted)[0]

    whole, later, edge = run(slice(0, 300)), run(slice(60, 241)), REACH + 6
    torch.testing.assert_close(later[edge:-edge], whole[60 + edge : 241 - edge], atol=1e-5, rtol=0)


def test_gradients_reach_every_part():
    network, (features, conditions) = made().train(), speech(40)
    keys = torch.zeros(1, 40, dtype=torch.bool)
    keys[:, ::4] = keys[:, -1] = True
    given = torch.full((1, 40, 5), torch.nan)
    given[0, 8] = 0.4
    style = network.styles(torch.tensor([1]))[:, None] + network.style_encoder(torch.randn(1, 30, 5))[:, None]
    said = torch.zeros(1, 40, dtype=torch.int64)
    predicted, state = network.predict(features[None], Conditions(conditions.emotion, style), said, keys, given)
    network.complete(state, keys, predicted).square().sum().backward()
    assert [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()] == []
    assert all(value.grad.isfinite().all() for value in network.parameters())


def test_a_file_brings_the_same_network(tmp_path):
    network, (features, conditions) = made(), speech()
    save_keys(network, tmp_path / "k.npz", encoder="log-mel", fps=30, head_id="default")
    back, header = load_keys(tmp_path / "k.npz")
    one, two = (perform(n, features, conditions, TIER, fps=FPS)[0] for n in (network, back))
    assert torch.equal(one, two) and back.config == network.config and header["fps"] == 30


def test_what_does_not_fit_is_refused():
    network, (features, conditions) = made(), speech()

    def run(*pins):
        return perform(network, features, conditions, TIER, fps=FPS, pins=pins)

    with pytest.raises(InputError, match="outside the recording of 3 s"):
        run(Pin(3.2, torch.zeros(5)))
    with pytest.raises(InputError, match="two pins share the frame"):
        run(Pin(1.0, torch.zeros(5)), Pin(1.01, torch.zeros(5)))
    with pytest.raises(ShapeError, match=r"motion \[4\], wanted \[5\]"):
        run(Pin(1.0, torch.zeros(4)))
    with pytest.raises(ShapeError, match="of one recording"):
        perform(network, features[None], conditions, TIER, fps=FPS)
    with pytest.raises(InputError, match="twice that"):
        Spacing(4, 7)
