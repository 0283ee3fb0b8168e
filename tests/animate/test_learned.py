"""Whatever a model moves, lips meet where they must, do not where they must not, and silence rests."""

import numpy as np
import pytest
import torch

from animate.contact import Lips, closed_by, seal
from animate.emotion import EMOTIONS, layer, parse
from animate.encoder.corpus import PHONES
from animate.hearing import Hearing
from animate.learned import Performer, kept, moved, speak
from animate.model import Conditions, ModelConfig, SpeechToMotion
from animate.motion import NECK
from animate.textgrid import intervals
from flame_tools.arkit import ARKIT_NAMES, INDEX
from flame_tools.transfer.motion import OTHERS

FEATURES, DURATION_S = 7, 3.0
SAID = intervals(
    [("SIL", 0.0, 0.7), ("M", 0.7, 0.8), ("AA", 0.8, 1.05), ("P", 1.05, 1.15), ("IY", 1.15, 1.4), ("S", 1.4, 1.6),
     ("B", 1.6, 1.68), ("OW", 1.68, 2.0), ("SIL", 2.0, 3.0)]
)  # fmt: skip


@pytest.fixture(scope="module")
def performer(head):
    """A model that says nothing sensible, and moves a lot."""
    torch.manual_seed(0)
    columns = len(head.arrays.expression_names) + OTHERS + NECK
    model = SpeechToMotion(ModelConfig(FEATURES, columns, width=16, heads=2, blocks=2))
    torch.nn.init.normal_(model.leave.weight, std=0.2)
    model.scale.mean.fill_(0.1)
    model.scale.sd.fill_(0.15)
    return Performer(model.eval(), head, 30)


def hearing(seed=0):
    count = round(DURATION_S * 50) + 1
    features = np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float16)
    flat = np.full((count, len(PHONES)), -np.log(len(PHONES)), np.float32)
    return Hearing(flat, features, DURATION_S, np.zeros((len(PHONES),) * 2, np.float32))


@pytest.mark.parametrize("fps", [24, 30, 60])
@pytest.mark.parametrize("emotion", [None, "happy", "fear:1,anger:1", "disgust"])
def test_lips_keep_their_promises(performer, head, emotion, fps):
    lips, times = Lips(head, torch.zeros(head.shape_size)), np.arange(round(DURATION_S * fps)) / fps
    felt = parse(emotion)
    said = speak(performer, hearing(), SAID, times, DURATION_S, felt, lips=lips)
    assert said.weights.shape == (len(times), 52) and (said.weights >= 0).all() and (said.weights <= 1).all()
    gaps = lips.gaps_of_weights_mm(said.weights)
    closed = (np.abs(gaps) <= 1.0).all(1)
    for start, end in ((0.7, 0.8), (1.05, 1.15), (1.6, 1.68)):
        assert closed[(times > start - 0.04) & (times < end + 0.04)].any()
    rest = lips.gaps_of_weights_mm(layer(felt)[None])
    silent = (times > 2.15) | (times < 0.6)
    assert (np.abs(gaps - rest)[silent] < 1.5).all()


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
        whole = performer.model(features[None], told)[0].numpy()
    monkeypatch.setattr("animate.learned._PIECE", 13)
    np.testing.assert_allclose(moved(performer, heard, felt), whole, atol=2e-5)
    assert felt.shape[1] == len(EMOTIONS)


def test_feelings_that_change_move_the_face_when_they_do(performer, head):
    lips, times = Lips(head, torch.zeros(head.shape_size)), np.arange(90) / 30
    felt = np.zeros((90, 8))
    felt[45:, EMOTIONS.index("anger")] = 1.0
    motion = moved(performer, hearing(), felt)
    changed = np.abs(motion - moved(performer, hearing(), np.zeros(8))).max(1) > 1e-6
    reach = performer.model.ahead_frames()
    assert not changed[: 45 - reach].any() and changed[45:].all()
    face = kept(performer, motion, SAID, times, DURATION_S, felt, lips=lips)
    brow = face.weights[:, INDEX["browDownLeft"]]
    assert np.isfinite(brow).all()
