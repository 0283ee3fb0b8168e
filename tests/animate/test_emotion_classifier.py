"""Published classifiers, by small random ones that are saved as the authors save theirs."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from animate.affect import emotions_of
from animate.emotion import EMOTIONS
from animate.emotion_classifier import EmotionClassifier, roles_of
from animate.emotion_source import FromVoice
from animate.speech import RATE, measure, prepare
from flame_tools.errors import AssetError, InputError, ShapeError

SMALL = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24, "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "num_feat_extract_layers": 7,
    "classifier_proj_size": 8,
}  # fmt: skip


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def saved(folder, names, kind="wav2vec2", **options):
    """A small random classifier of `kind` with these labels, and the folder it is in."""
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **SMALL, id2label=dict(enumerate(names)), **options)
    model = transformers.AutoModelForAudioClassification.from_config(config).eval()
    with torch.no_grad():
        model.classifier.weight.normal_(0, 2.0)  # so that labels differ
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return model


def normalised(sound):
    return torch.from_numpy((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7))[None]


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm"])
def test_labels_become_emotions(tmp_path, kind):
    model = saved(tmp_path, ["neu", "hap", "ang", "sad"], kind)
    sound = noise(3.0)
    found = EmotionClassifier(tmp_path).hear(sound)
    with torch.no_grad():
        wanted = model(normalised(sound)).logits.softmax(-1)[0].numpy()
    names = [EMOTIONS.index(name) for name in ("neutral", "happy", "anger", "sad")]
    np.testing.assert_allclose(found.emotion[0, names], wanted, atol=1e-5)
    assert found.emotion[0].sum() == pytest.approx(1.0, abs=1e-6) and found.time_s.tolist() == [1.5]
    happy, anger, sad = wanted[1:]
    assert found.affect[0, 0] == pytest.approx(0.8 * happy - 0.5 * anger - 0.6 * sad, abs=1e-5)


def test_long_sound_is_heard_in_windows(tmp_path):
    saved(tmp_path, ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"])
    ours, sound = EmotionClassifier(tmp_path), noise(9.5)
    found = ours.hear(sound)
    np.testing.assert_allclose(found.time_s, [2, 3, 4, 5, 6, 7, 7.5])
    alone = ours.hear(sound[3 * RATE : 7 * RATE])
    np.testing.assert_allclose(found.emotion[3], alone.emotion[0], atol=1e-6)
    assert np.ptp(found.emotion, axis=0).max() > 1e-4, "windows differ"
    assert ours.hear(sound[: RATE // 8]).emotion.shape == (1, 8)
    with pytest.raises(ShapeError, match=r"\[2, 5\]"):
        ours.hear(np.zeros((2, 5), np.float32))


def test_several_at_once(tmp_path):
    model = saved(tmp_path, ["happy", "surprise"], problem_type="multi_label_classification")
    sound = noise(2.0)
    with torch.no_grad():
        wanted = model(normalised(sound)).logits.sigmoid()[0].numpy()
    found = EmotionClassifier(tmp_path).hear(sound).emotion[0]
    np.testing.assert_allclose(found[[EMOTIONS.index("happy"), EMOTIONS.index("surprise")]], wanted, atol=1e-5)


def regressor(folder):
    """Two layers on the mean over time: arousal, dominance, valence."""
    import transformers

    class Regressor(transformers.Wav2Vec2PreTrainedModel):
        def __init__(self, config):
            super().__init__(config)
            self.wav2vec2 = transformers.Wav2Vec2Model(config)
            self.classifier = nn.Module()
            self.classifier.dense = nn.Linear(16, 16)
            self.classifier.out_proj = nn.Linear(16, 3)
            self.post_init()

    torch.manual_seed(1)
    names = dict(enumerate(["arousal", "dominance", "valence"]))
    config = transformers.AutoConfig.for_model("wav2vec2", **SMALL, id2label=names, problem_type="regression")
    model = Regressor(config).eval()
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return model


def test_a_regressor_of_dimensions(tmp_path):
    model, sound = regressor(tmp_path), noise(2.0)
    with torch.no_grad():
        pooled = model.wav2vec2(normalised(sound)).last_hidden_state.mean(1)
        said = model.classifier.out_proj(torch.tanh(model.classifier.dense(pooled)))[0].double().numpy()
    ours = EmotionClassifier(tmp_path, scale=(-1.0, 1.0))
    found = ours.hear(sound)
    arousal, dominance, valence = said
    np.testing.assert_allclose(found.affect[0], [valence, arousal], atol=1e-5)
    np.testing.assert_allclose(found.emotion[0], emotions_of(valence, arousal, dominance), atol=1e-5)
    half = EmotionClassifier(tmp_path).hear(sound)  # on a scale of 0 to 1
    np.testing.assert_allclose(half.affect[0], np.clip(2 * np.array([valence, arousal]) - 1, -1, 1), atol=1e-5)


def test_the_voice_by_a_classifier(tmp_path):
    saved(tmp_path, ["neu", "hap"])
    speech = prepare(noise(2.0), RATE)
    classifier = EmotionClassifier(tmp_path)
    once, twice = (FromVoice(gain, classifier).hear(speech, measure(speech)) for gain in (1.0, 0.5))
    happy = EMOTIONS.index("happy")
    assert twice.emotion[0, happy] == pytest.approx(0.5 * once.emotion[0, happy]) and once.emotion[0, happy] > 0


@pytest.mark.parametrize(
    "names, labels, match",
    [
        (["LABEL_0", "LABEL_1"], {}, "mean nothing here: LABEL_0, LABEL_1"),
        (["happy", "other"], {}, "mean nothing here: other"),
        (["happy", "arousal"], {}, "gives arousal, happy; wanted emotions, or valence and arousal"),
        (["arousal", "dominance"], {}, "wanted emotions, or valence and arousal"),
        (["neutral", "calm"], {}, "gives no emotion but neutral, calm"),
        (["yes", "no"], {"yes": None, "no": None}, "gives no emotion"),
    ],
)
def test_labels_that_cannot_be_used(names, labels, match):
    with pytest.raises(InputError, match=match):
        roles_of(names, labels, "a model")


def test_what_labels_stand_for():
    assert roles_of(["Angry", "EXC", "other"], {"other": None}, "m") == ["anger", "happy", None]
    assert roles_of(["A", "B"], {"A": "activation", "B": "Valence"}, "m") == ["arousal", "valence"]


def test_what_cannot_be_loaded(tmp_path, monkeypatch):
    import transformers

    with pytest.raises(AssetError, match="no audio classifier could be loaded"):
        EmotionClassifier(tmp_path / "nothing")
    config = transformers.AutoConfig.for_model("wav2vec2", **SMALL, id2label={0: "happy", 1: "sad"})
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path / "headless")
    config.save_pretrained(tmp_path / "headless")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "headless")
    with pytest.raises(AssetError, match=r"lacks 4 weights of a Wav2Vec2ForSequenceClassification, classifier\.bias"):
        EmotionClassifier(tmp_path / "headless")
    saved(tmp_path / "slow", ["happy", "sad"])
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(tmp_path / "slow")
    with pytest.raises(AssetError, match="hears 8000 Hz"):
        EmotionClassifier(tmp_path / "slow")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(AssetError, match=r"pip install 'emberface\[speech\]'"):
        EmotionClassifier(tmp_path)
