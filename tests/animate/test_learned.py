"""Whatever a network moves, lips meet where they must, do not where they must not, and silence rests."""

import dataclasses

import numpy as np
import pytest
import torch

from animate.contact import closed_by, seal
from animate.emotion import EMOTIONS, layer, parse
from animate.encoder.corpus import PHONES
from animate.flow import Flow, FlowConfig
from animate.hearing import Hearing
from animate.keys import KeysConfig, KeysToMotion
from animate.learned import Performer, kept, moved, speak
from animate.model import Conditions, ModelConfig, SpeechToMotion
from animate.motion import NECK
from animate.perform import TONGUE
from animate.prior import Prior, PriorConfig
from animate.textgrid import intervals
from flame_tools.arkit import ARKIT_NAMES, INDEX
from flame_tools.head import Head
from flame_tools.lips import Lips
from flame_tools.transfer.motion import OTHERS

FEATURES, DURATION_S = 7, 3.0
SAID = intervals(
    [("SIL", 0.0, 0.7), ("M", 0.7, 0.8), ("AA", 0.8, 1.05), ("P", 1.05, 1.15), ("IY", 1.15, 1.4), ("S", 1.4, 1.6),
     ("B", 1.6, 1.68), ("OW", 1.68, 2.0), ("SIL", 2.0, 3.0)]
)  # fmt: skip


def restless(kind, head, features=FEATURES):
    """A tiny network of a kind that says nothing sensible, and moves a lot."""
    torch.manual_seed(0)
    columns, small = len(head.arrays.expression_names) + OTHERS + NECK, {"width": 16, "heads": 2}
    if kind == "model":
        network = SpeechToMotion(ModelConfig(features, columns, blocks=2, **small))
        scale, last = network.scale, [network.leave]
    elif kind == "keys":
        network = KeysToMotion(KeysConfig(features, columns, predicting=1, completing=1, **small))
        scale, last = network.scale, [network.answer[-1], network.leave[-1]]
    else:
        network = Flow(FlowConfig(features, hearing=1, blocks=1, **small), Prior(PriorConfig(columns, 8, **small)))
        scale, last = network.prior.scale, [network.leave, network.clock[-1]]
    for layer_ in last:
        torch.nn.init.normal_(layer_.weight, std=0.2)
    scale.mean.fill_(0.1)
    scale.sd.fill_(0.15)
    return network.eval()


@pytest.fixture(scope="module", params=["model", "flow", "keys"])
def any_performer(head, request):
    return Performer(restless(request.param, head), head, 30)


@pytest.fixture(scope="module")
def performer(head):
    return Performer(restless("model", head), head, 30)


def hearing(seed=0):
    count = round(DURATION_S * 50) + 1
    features = np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float16)
    flat = np.full((count, len(PHONES)), -np.log(len(PHONES)), np.float32)
    return Hearing(flat, features, DURATION_S, np.zeros((len(PHONES),) * 2, np.float32))


@pytest.mark.parametrize("fps", [24, 30, 60])
@pytest.mark.parametrize("emotion", [None, "happy", "fear:1,anger:1", "disgust"])
def test_lips_keep_their_promises(any_performer, head, emotion, fps):
    lips, times = Lips(head, torch.zeros(head.shape_size)), np.arange(round(DURATION_S * fps)) / fps
    felt = parse(emotion)
    (said,) = speak(any_performer, hearing(), SAID, times, DURATION_S, felt, lips=lips)
    assert said.weights.shape == (len(times), 52) and (said.weights >= 0).all() and (said.weights <= 1).all()
    gaps = lips.gaps_of_weights_mm(said.weights)
    closed = (np.abs(gaps) <= 1.0).all(1)
    for start, end in ((0.7, 0.8), (1.05, 1.15), (1.6, 1.68)):
        assert closed[(times > start - 0.04) & (times < end + 0.04)].any()
    rest = lips.gaps_of_weights_mm(layer(felt)[None])
    silent = (times > 2.15) | (times < 0.6)
    assert (np.abs(gaps - rest)[silent] < 1.5).all()
    lids = [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]
    np.testing.assert_array_equal(said.weights[:, lids], np.broadcast_to(layer(felt)[lids], (len(times), 2)))


def test_a_head_without_tongue_shapes_keeps_its_tongue_still(head):
    arrays = head.arrays
    kept_ = np.array([name not in TONGUE for name in arrays.expression_names])
    plain = Head(
        dataclasses.replace(
            arrays,
            expressiondirs=arrays.expressiondirs[..., kept_],
            expression_names=tuple(np.array(arrays.expression_names)[kept_].tolist()),
            expression_bounds=arrays.expression_bounds[kept_],
            expression_sd=arrays.expression_sd[kept_],
        )
    )
    lips, times = Lips(plain, torch.zeros(plain.shape_size)), np.arange(90) / 30
    performer = Performer(restless("model", plain), plain, 30)
    (said,) = speak(performer, hearing(), SAID, times, DURATION_S, np.zeros(8), lips=lips)
    assert said.tongue.shape == (90, len(TONGUE)) and not said.tongue.any()
    assert said.weights[:, INDEX["jawOpen"]].max() > 0.1


def test_takes_of_a_flow_differ_and_those_of_the_others_do_not(any_performer, head):
    lips, times = Lips(head, torch.zeros(head.shape_size)), np.arange(90) / 30
    asked = any_performer, hearing(), SAID, times, DURATION_S, np.zeros(8)
    one, two, three = (said.weights for said in speak(*asked, lips=lips, seed=5, takes=3))
    apart = [np.abs(a - b).max() for a, b in ((one, two), (two, three), (one, three))]
    assert min(apart) > 0.05 if any_performer.has_takes else max(apart) == 0
    first = next(speak(*asked, lips=lips, seed=5, takes=10**9))  # takes that nobody asks for are not made
    np.testing.assert_array_equal(first.weights, one)
    other = next(speak(*asked, lips=lips, seed=6))
    assert np.array_equal(other.weights, one) != any_performer.has_takes


def test_a_closed_mouth_that_the_model_asks_for_stays(head):
    lips = Lips(head, torch.zeros(head.shape_size))
    weights = np.zeros((5, len(ARKIT_NAMES)))
    weights[:, INDEX["jawOpen"]] = 0.4
    asked = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    sealed = seal(weights, asked, lips)
    np.testing.assert_allclose(closed_by(sealed, lips), asked, atol=0.02)
    np.testing.assert_array_equal(closed_by(np.zeros((2, len(ARKIT_NAMES))), lips), 0)


def test_pieces_move_as_the_whole(performer, monkeypatch):
    heard, felt = hearing(), np.linspace(0, 1, 8 * 90).reshape(90, 8)
    features = torch.from_numpy(heard.at_frames(30))
    with torch.no_grad():
        told = Conditions(torch.as_tensor(felt, dtype=torch.float32)[None], torch.zeros(1, 1, 128))
        whole = performer.network(features[None], told)[0].numpy()
    monkeypatch.setattr("animate.learned._PIECE", 13)
    (found,) = moved(performer, heard, SAID, felt)
    np.testing.assert_allclose(found, whole, atol=2e-5)
    assert felt.shape[1] == len(EMOTIONS)


def test_feelings_that_change_move_the_face_when_they_do(performer, head):
    lips, times = Lips(head, torch.zeros(head.shape_size)), np.arange(90) / 30
    felt = np.zeros((90, 8))
    felt[45:, EMOTIONS.index("anger")] = 1.0
    (motion,), (calm,) = (moved(performer, hearing(), SAID, feelings) for feelings in (felt, np.zeros(8)))
    changed = np.abs(motion - calm).max(1) > 1e-6
    reach = performer.network.ahead_frames()
    assert not changed[: 45 - reach].any() and changed[45:].all()
    face = kept(performer, motion, SAID, times, DURATION_S, felt, lips=lips)
    brow = face.weights[:, INDEX["browDownLeft"]]
    assert np.isfinite(brow).all()
