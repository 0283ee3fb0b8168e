"""The encoder hears a stream as it hears a file, and no further ahead than it says."""

import librosa
import numpy as np
import pytest
import torch

from animate.encoder.features import FFT, MELS, WIDTH, log_mel
from animate.encoder.model import FRAME_S, EncoderConfig, Listener, SpeechEncoder, listen
from animate.speech import HOP, RATE
from flame_tools.errors import InputError

SMALL = EncoderConfig(width=24, features=12, blocks=3, heads=2, back=5, ahead=3, reach=2, live_ahead=(1, 0, 0))


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return SpeechEncoder(SMALL).eval()


def noise(seconds, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32))


def test_features_are_librosas_mel_spectrogram():
    sound = noise(0.731).numpy()
    mel = librosa.feature.melspectrogram(
        y=sound,
        sr=RATE,
        n_fft=FFT,
        win_length=WIDTH,
        hop_length=HOP,
        n_mels=MELS,
        fmin=40,
        fmax=7800,
        pad_mode="constant",
    )
    ours = log_mel(torch.from_numpy(sound)).numpy()
    assert ours.shape == (len(sound) // HOP + 1, MELS)
    np.testing.assert_allclose(ours, np.log10(np.maximum(mel, 1e-7)).T * 0.5 + 2, atol=2e-4)  # float32 power


def test_a_click_lies_in_the_frame_of_its_time():
    sound = torch.zeros(RATE)
    sound[RATE // 2] = 1.0
    assert int(log_mel(sound).sum(-1).argmax()) == 50


@pytest.mark.parametrize("ahead", [None, (3, 3, 3), (0, 0, 0)])
@pytest.mark.parametrize("samples", [8000, 8123, 400, 30])
def test_a_stream_is_heard_as_the_file(encoder, ahead, samples):
    sound = noise(2.0)[:samples]
    listener = Listener(encoder, ahead)
    rng = np.random.default_rng(1)
    parts, at = [], 0
    while at < samples:
        step = int(rng.choice([1, 37, 160, 320, 1111]))
        parts.append(listener.push(sound[at : at + step], last=at + step >= samples))
        at += step
    offline = listen(encoder, sound, listener.ahead)
    for name, value in vars(offline).items():
        streamed = torch.cat([getattr(part, name) for part in parts])
        assert streamed.shape == value.shape, name
        # Float32 sums in another order; worst seen 2e-6.
        torch.testing.assert_close(streamed, value, atol=2e-5, rtol=0, msg=name)


@pytest.mark.parametrize("ahead", [(1, 0, 0), (3, 3, 3)])
def test_the_delay_is_the_one_told(encoder, ahead):
    before, after = noise(2.0), noise(2.0, seed=1)
    frame = 40
    heard = round((frame * FRAME_S + encoder.latency_s(ahead)) * RATE)
    changed = torch.cat([before[:heard], after[heard:]])
    said = [listen(encoder, sound, ahead).hidden for sound in (before, changed)]
    assert torch.equal(said[0][: frame + 1], said[1][: frame + 1])
    sooner = heard - round(FRAME_S * RATE)
    changed = torch.cat([before[:sooner], after[sooner:]])
    assert not torch.equal(said[0][frame], listen(encoder, changed, ahead).hidden[frame])


def test_a_config_that_does_not_fit_together_is_refused():
    with pytest.raises(InputError, match="live_ahead has 6 entries for 4 blocks"):
        EncoderConfig(blocks=4)
