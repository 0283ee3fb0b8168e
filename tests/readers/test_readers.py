"""The lip reader and the emotion reader: shapes, files, and what they read of performances they never saw."""

import numpy as np
import pytest
import torch

from animate.emotion import EMOTIONS, parse
from animate.encoder.corpus import PHONE_INDEX, PHONES
from animate.manner import manner_of_chance
from animate.perform import enliven, speak
from animate.phones import find_phones
from animate.speech import measure, prepare
from assets.locate import asset_path
from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError, ShapeError
from flame_tools.lips import Lips
from readers.emotion import EmotionConfig, EmotionReader, load_emotion_reader, save_emotion_reader
from readers.mouth import MouthConfig, MouthReader, load_mouth_reader, save_mouth_reader
from readers.variation import Variation
from readers.visemes import VISEMES, viseme_log_probabilities, viseme_table

EMOTIONS_SHOWN = EMOTIONS[1:]


def quiet(network):
    """Weights of their own to batch norms, that a test may see them."""
    torch.manual_seed(1)
    for name, value in network.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
    return network.eval()


@pytest.fixture(scope="module")
def mouth_reader():
    return quiet(MouthReader(MouthConfig(PHONES)))


@pytest.fixture(scope="module")
def emotion_reader():
    return quiet(EmotionReader(EmotionConfig(EMOTIONS)))


def test_a_mouth_reading_is_of_every_frame(mouth_reader):
    with torch.no_grad():
        reading = mouth_reader(torch.rand(2, 5, 48, 48))
    assert reading.features.shape == (2, 5, 128)
    assert reading.log_probabilities.shape == (2, 5, len(PHONES))
    assert torch.allclose(reading.log_probabilities.exp().sum(-1), torch.ones(2, 5), atol=1e-5)


def test_an_emotion_reading_is_of_a_sequence(emotion_reader):
    with torch.no_grad():
        reading = emotion_reader(torch.rand(2, 5, 64, 64))
        still = emotion_reader(torch.rand(1, 1, 64, 64))
    assert reading.features.shape == (2, 128) and reading.logits.shape == reading.intensities.shape == (2, 8)
    assert reading.intensities.min() >= 0 and reading.intensities.max() <= 1
    assert still.features.isfinite().all()


def test_the_order_of_pictures_says_nothing_to_the_emotion_reader(emotion_reader):
    pictures = torch.rand(1, 6, 64, 64)
    with torch.no_grad():
        there, back = emotion_reader(pictures), emotion_reader(pictures.flip(1))
    assert torch.allclose(there.logits, back.logits, atol=1e-5)


def test_brightness_and_contrast_say_nothing(mouth_reader):
    pictures = torch.rand(1, 4, 48, 48)
    with torch.no_grad():
        plain, dim = mouth_reader(pictures), mouth_reader(0.1 + 0.7 * pictures)
    # The floor under the contrast, 1e-3 beside a variance of 1 / 12, is what is left: worst seen 0.01.
    assert torch.allclose(plain.features, dim.features, atol=0.05)


@pytest.mark.parametrize("kind", ["mouth", "emotion"])
def test_files_are_half_precision_and_strict(kind, request, tmp_path):
    reader = request.getfixturevalue(f"{kind}_reader")
    save, load = {
        "mouth": (save_mouth_reader, load_mouth_reader), "emotion": (save_emotion_reader, load_emotion_reader),
    }[kind]  # fmt: skip
    path = tmp_path / "reader.npz"
    save(reader, path)
    assert path.stat().st_size < 1 << 20
    again = load(path)
    assert again.config == reader.config and not again.training
    for name, value in reader.state_dict().items():
        wanted = value.half().float() if value.is_floating_point() else value
        assert torch.equal(again.state_dict()[name], wanted)
    arrays, header = read_npz(path, f"emberface-{kind}-reader", 1)
    name = sorted(arrays)[0]
    write_npz(path, {k: v for k, v in arrays.items() if k != name}, header)
    with pytest.raises(FormatError, match=f"1 missing: {name}"):
        load(path)


def test_pictures_of_another_size_are_refused(mouth_reader):
    with pytest.raises(ShapeError, match=r"\[1, 4, 64, 64\], wanted \[B, T, 48, 48\]"):
        mouth_reader(torch.rand(1, 4, 64, 64))


def test_visemes_cover_the_phones_once():
    assert sorted(p for phones in VISEMES.values() for p in phones) == sorted(PHONES)
    said = torch.rand(3, len(PHONES)).log_softmax(-1)
    shared = viseme_log_probabilities(said, PHONES)
    assert torch.allclose(shared.exp().sum(-1), torch.ones(3))
    lips = said.exp()[:, [PHONE_INDEX[p] for p in "PBM"]].sum(-1)
    assert torch.allclose(shared.exp()[:, 1], lips)


@pytest.fixture(scope="module")
def line():
    """The bundled voice, whom no reader has heard: its phones, prosody and length."""
    from animate.audio_file import read_audio

    speech = prepare(*read_audio(asset_path("voice")))
    prosody = measure(speech)
    text = asset_path("voice_text").read_text(encoding="utf-8").strip()
    return find_phones(speech, prosody, text=text), prosody, speech.duration_s


def acted(line, head, stage, emotion, times, looks=None):
    phones, prosody, duration = line
    shape = torch.zeros(head.shape_size)
    lips, manner = Lips(head, shape), manner_of_chance(3)
    said = speak(phones.phones, prosody, times, duration, parse(emotion), lips=lips, manner=manner)
    params, _ = enliven(said, phones.phones, prosody, times, duration, parse(emotion), head=head, shape=shape, seed=3)
    with torch.no_grad():
        return stage(stage.vertices(params), stage.framing(shape), looks)[None]


def test_the_bundled_lip_reader_reads_a_voice_it_never_saw(line, head, stages):
    reader = load_mouth_reader()
    times = np.arange(0, line[2], 1 / 30)
    said = line[0].phones
    truth = torch.tensor([PHONE_INDEX[said.names[i]] for i in np.searchsorted(said.start_s, times, "right") - 1])
    for looks in (None, Variation.random(1, len(times), 2)):
        with torch.no_grad():
            found = reader(acted(line, head, stages["mouth"], None, times, looks)).log_probabilities[0]
        visemes = viseme_log_probabilities(found, PHONES).argmax(-1) == viseme_table(PHONES)[truth]
        # One answer for all frames would be right in a fifth of them at best; 0.55 and 0.40 on the voice kept out.
        assert visemes.float().mean() > 0.40
        assert (found.argmax(-1) == truth).float().mean() > 0.25


def test_the_bundled_emotion_reader_names_what_is_felt(line, head, stages):
    reader = load_emotion_reader()
    times = np.arange(0, line[2], 0.75)
    right = 0
    for emotion in EMOTIONS_SHOWN:
        amounts = []
        for intensity in (0.3, 0.6, 0.9):
            with torch.no_grad():
                read = reader(acted(line, head, stages["face"], f"{emotion}:{intensity}", times))
            amounts.append(read.intensities[0, EMOTIONS.index(emotion)].item())
        right += EMOTIONS[read.logits[0].argmax()] == emotion
        assert amounts == sorted(amounts), emotion
    assert right >= 6  # of seven, and eight to choose from
