"""Speech encoders give features at the exact frames of a performance."""

import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from animate.encoder.model import EncoderConfig, SpeechEncoder, listen
from animate.encoders import EmberfaceSpeech, LogMel, Published, frame_times, resampled
from animate.speech import RATE
from flame_tools.errors import AssetError, InputError, ShapeError

KINDS = ("wav2vec2", "hubert", "wavlm")


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A small random encoder of every kind, saved as the authors' are."""
    import transformers

    made = {}
    for kind in KINDS:
        torch.manual_seed(0)
        config = transformers.AutoConfig.for_model(
            kind, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
            conv_dim=(8,) * 7, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, num_feat_extract_layers=7,
        )  # fmt: skip
        model = transformers.AutoModel.from_config(config).eval()
        folder = tmp_path_factory.mktemp(kind)
        model.save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(do_normalize=kind != "wavlm").save_pretrained(folder)
        made[kind] = (folder, model)
    return made


def test_resampling_is_linear_and_holds_the_ends():
    rows = np.array([[0.0], [1.0], [4.0]], np.float32)
    found = resampled(rows, 0.5, 1.0, np.array([0.0, 0.5, 1.0, 2.0, 9.0]))
    np.testing.assert_allclose(found[:, 0], [0, 0, 0.5, 2.5, 4])
    np.testing.assert_allclose(resampled(rows[:1], 0.0, 1.0, np.array([0.0, 3.0]))[:, 0], [0, 0])


@pytest.mark.parametrize("fps", [25, 30, Fraction(30000, 1001)])
def test_a_click_is_heard_at_its_time(fps):
    sound = np.zeros(2 * RATE, np.float32)
    sound[RATE] = 1.0
    found = LogMel().features(sound, fps)
    assert found.shape == (len(frame_times(len(sound), fps)), 80)
    assert abs(frame_times(len(sound), fps)[found.sum(1).argmax()] - 1.0) <= 0.5 / fps + 1e-9


def test_emberface_speech_is_its_hidden_layer():
    torch.manual_seed(0)
    encoder = SpeechEncoder(EncoderConfig(width=24, blocks=2, heads=2, live_ahead=(1, 0)))
    ours = EmberfaceSpeech(encoder)
    sound = noise(0.5)
    hidden = listen(encoder, torch.from_numpy(sound)).hidden
    found = ours.features(sound, 50)  # its own rate
    np.testing.assert_allclose(found, hidden[: len(found)].numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_encoder_says_what_the_original_said(folders, kind):
    folder, model = folders[kind]
    encoder = Published(folder)
    assert encoder.normalise == (kind != "wavlm")
    sound = noise(1.0)
    given = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7) if encoder.normalise else sound
    with torch.no_grad():
        said = model(torch.from_numpy(given)[None], output_hidden_states=True)
    assert np.array_equal(encoder._hidden(sound), said.last_hidden_state[0].numpy())
    mixed = Published(folder, layers=(1.0, 1.0, 2.0))
    wanted = sum(w * h for w, h in zip((0.25, 0.25, 0.5), said.hidden_states, strict=True))[0]
    np.testing.assert_allclose(mixed._hidden(sound), wanted.numpy(), atol=1e-6)
    assert not any(value.requires_grad for value in encoder.model.parameters())


def test_frames_of_wav2vec2_stand_12_5_ms_into_the_sound(folders):
    encoder = Published(folders["wav2vec2"][0])
    assert (encoder.field, encoder.stride) == (400, 320)
    sound = noise(1.0)
    found = encoder.features(sound, 80)  # frame 1 at 12.5 ms, frame 9 at 112.5 ms: the encoder's frames 0 and 5
    np.testing.assert_allclose(found[[1, 9]], encoder._hidden(sound)[[0, 5]], atol=1e-6)


def test_long_sound_is_heard_in_windows_that_join(folders):
    encoder = Published(folders["hubert"][0], window_s=6.0)
    sound = noise(13.7)
    found = encoder.features(sound, 30)
    assert found.shape == (411, 16)
    # Between the overlaps a moment is its window's own: the second begins at 4 s and is alone from 6 to 8 s.
    alone = Published(folders["hubert"][0]).features(sound[4 * RATE : 10 * RATE], 30)
    np.testing.assert_allclose(found[180:240], alone[60:120], atol=1e-5)
    assert np.abs(found[150:170] - alone[30:50]).max() > 1e-4
    # A constant is a constant through every cross-fade.
    encoder._hidden = lambda piece: np.ones((max((len(piece) - 400) // 320 + 1, 1), 16), np.float32)
    for seconds in (6.0, 6.01, 9.99, 10.0, 10.01, 13.7):
        np.testing.assert_allclose(encoder.features(noise(seconds), 30), 1.0, atol=1e-6)


def test_what_is_missing_is_said(folders, tmp_path, monkeypatch):
    folder, model = folders["wavlm"]
    with pytest.raises(AssetError, match="no speech encoder could be loaded"):
        Published(tmp_path / "nothing")
    with pytest.raises(InputError, match="give 3"):
        Published(folder, layers=(1.0,))
    model.save_pretrained(tmp_path / "bare")
    with pytest.raises(AssetError, match="normalise=True"):
        Published(tmp_path / "bare")
    assert Published(tmp_path / "bare", normalise=False).width == 16
    with pytest.raises(ShapeError, match=r"\[2, 5\]"):
        LogMel().features(np.zeros((2, 5), np.float32), 30)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(AssetError, match=r"pip install 'emberface\[speech\]'"):
        Published(folder)
