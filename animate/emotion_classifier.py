"""Emotion in the voice by a published network: an audio classifier of transformers (extra `speech`), by folder or name.

What a network calls its outputs decides what they mean. Labels that name emotions ("angry", "hap", "calm") are joined
to our eight, their probabilities being the intensities. Labels that name dimensions (arousal, valence, dominance, as
audEERING's wav2vec2 regressors have them) are a place from which the eight follow (affect.emotions_of). A label that
means neither is an error: say with `labels` what it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from animate.affect import HeardEmotion, affect_of, emotions_of, with_neutral
from animate.emotion import EMOTIONS, emotion_named
from animate.speech import RATE
from flame_tools.errors import AssetError, InputError, ShapeError

WINDOW_S, HOP_S = 4.0, 1.0  # of what is heard at a time; emotions of a second are beyond what such networks learnt
DIMENSIONS = ("valence", "arousal", "dominance")
# What corpora call their classes (IEMOCAP, MSP-Podcast, RAVDESS, CREMA-D), beside the names that animate.emotion knows
_SHORT = {
    "ang": "anger", "hap": "happy", "neu": "neutral", "fea": "fear", "fru": "anger", "frustration": "anger",
    "frustrated": "anger", "sur": "surprise", "dis": "disgust", "con": "contempt", "exc": "happy", "excited": "happy",
    "excitement": "happy", "calm": "neutral", "pleasant_surprise": "surprise", "joyful": "happy",
    "activation": "arousal", "pleasure": "valence",
}  # fmt: skip


class EmotionClassifier:
    """A network that hears emotion, frozen."""

    def __init__(
        self,
        source: str | Path,  # a folder with config.json, preprocessor_config.json and weights, or a name on the hub
        *,
        labels: Mapping[str, str | None] | None = None,  # what odd labels stand for; None: leave that one out
        scale: tuple[float, float] = (0.0, 1.0),  # least and most of a dimension, where labels are dimensions
        local_files_only: bool = True,  # False: download what is not there
    ):
        transformers = _transformers()
        self.name = Path(source).name if Path(source).is_dir() else str(source)
        try:
            config = transformers.AutoConfig.from_pretrained(str(source), local_files_only=local_files_only)
            self.roles = roles_of([config.id2label[i] for i in range(config.num_labels)], labels or {}, self.name)
            self.model = _loaded(transformers, source, local_files_only)
            self.extractor = transformers.AutoFeatureExtractor.from_pretrained(
                str(source), local_files_only=local_files_only
            )
        except (OSError, ValueError) as error:
            if isinstance(error, AssetError | InputError):
                raise
            raise AssetError(
                f"no audio classifier could be loaded from {source}: {str(error).splitlines()[0]}; give a folder with "
                "config.json, preprocessor_config.json and model.safetensors, or local_files_only=False"
            ) from error
        if self.extractor.sampling_rate != RATE:
            raise AssetError(f"{self.name} hears {self.extractor.sampling_rate} Hz, wanted a model of {RATE} Hz")
        self.scale = scale
        self.several = config.problem_type == "multi_label_classification"

    def hear(self, samples: np.ndarray) -> HeardEmotion:
        """Samples [N] at 16 kHz: windows of four seconds, one a second, each heard at its middle."""
        if samples.ndim != 1 or not len(samples):
            raise ShapeError(f"samples are {list(samples.shape)}, wanted [N] at {RATE} Hz; mix channels down first")
        window = round(WINDOW_S * RATE)
        last = max(len(samples) - window, 0)
        starts = np.unique(np.append(np.arange(0, last, round(HOP_S * RATE)), last))
        said = np.stack([self._said(samples[at : at + window]) for at in starts])
        middles = (starts + min(window, len(samples)) / 2) / RATE
        return HeardEmotion(middles, *self._meant(said))

    @torch.inference_mode()
    def _said(self, piece: np.ndarray) -> np.ndarray:
        """Outputs [labels] for one window."""
        given = self.extractor(np.ascontiguousarray(piece, np.float32), sampling_rate=RATE, return_tensors="pt")
        return self.model(**given).logits[0].double().numpy()

    def _meant(self, said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Emotions [n, 8] and affect [n, 2] of outputs [n, labels]."""
        if "arousal" in self.roles:
            low, high = self.scale
            place = np.clip(2 * (said - low) / (high - low) - 1, -1, 1)
            at = {role: place[:, i] for i, role in enumerate(self.roles) if role is not None}
            emotion = emotions_of(at["valence"], at["arousal"], at.get("dominance"))
            return emotion, np.stack([at["valence"], at["arousal"]], -1)
        if self.several:
            share = 1 / (1 + np.exp(-said))
        else:
            share = np.exp(said - said.max(-1, keepdims=True))
            share /= share.sum(-1, keepdims=True)
        emotion = np.zeros((len(said), len(EMOTIONS)))
        for i, role in enumerate(self.roles):
            if role is not None:
                emotion[:, EMOTIONS.index(role)] += share[:, i]
        emotion = with_neutral(emotion)
        return emotion, affect_of(emotion)


def roles_of(names: list[str], labels: Mapping[str, str | None], model: str) -> list[str | None]:
    """What each output means: one of EMOTIONS, one of DIMENSIONS, or None. Raises InputError for what is unknown."""
    roles: list[str | None] = []
    unknown = []
    for name in names:
        meant = labels.get(name, name)
        role = meant if meant is None else _role(meant)
        if meant is not None and role is None:
            unknown.append(name)
        roles.append(role)
    if unknown:
        raise InputError(
            f"{model} has labels that mean nothing here: {', '.join(unknown)}; say what each stands for with "
            f"labels={{{unknown[0]!r}: 'happy'}}, or None to leave it out"
        )
    found = {role for role in roles if role is not None}
    dimensions = found & set(DIMENSIONS)
    if dimensions and (found - dimensions or not {"valence", "arousal"} <= dimensions):
        raise InputError(f"{model} gives {', '.join(sorted(found))}; wanted emotions, or valence and arousal")
    if not dimensions and not found - {"neutral"}:
        raise InputError(f"{model} gives no emotion but {', '.join(names)}; wanted some of {', '.join(EMOTIONS)}")
    return roles


def _role(name: str) -> str | None:
    name = name.strip().lower().replace(" ", "_")
    name = _SHORT.get(name, name)
    if name in DIMENSIONS:
        return name
    try:
        return emotion_named(name)
    except InputError:
        return None


def _loaded(transformers, source: str | Path, local_files_only: bool) -> nn.Module:
    """The network with all of its weights, or an AssetError that names what is missing."""
    options = {"local_files_only": local_files_only, "output_loading_info": True}
    model, report = transformers.AutoModelForAudioClassification.from_pretrained(str(source), **options)
    missing = _missing(report)
    if missing and any(name.startswith("classifier.dense") for name in report["unexpected_keys"]):
        model, report = _two_layer_class(transformers).from_pretrained(str(source), **options)
        missing = _missing(report)
    if missing:
        raise AssetError(
            f"{source} lacks {len(missing)} weights of a {type(model).__name__}, {missing[0]} first; "
            "it was not trained as an audio classifier, or with a head that is not known here"
        )
    return model.eval().requires_grad_(False)


def _missing(report: dict) -> list[str]:
    """Weights that were not in the file; what masks inputs in training does not count."""
    odd = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
    return sorted(name for name in odd if not name.endswith("masked_spec_embed"))


def _two_layer_class(transformers) -> type[nn.Module]:
    """wav2vec2 under a head of two layers on the mean over time, as audEERING publishes it (Wagner et al. 2023)."""

    class TwoLayers(transformers.Wav2Vec2PreTrainedModel):
        def __init__(self, config):
            super().__init__(config)
            self.wav2vec2 = transformers.Wav2Vec2Model(config)
            self.classifier = nn.ModuleDict(
                {
                    "dense": nn.Linear(config.hidden_size, config.hidden_size),
                    "out_proj": nn.Linear(config.hidden_size, config.num_labels),
                }
            )
            self.post_init()

        def forward(self, input_values, attention_mask=None):
            pooled = self.wav2vec2(input_values, attention_mask=attention_mask).last_hidden_state.mean(1)
            logits = self.classifier["out_proj"](torch.tanh(self.classifier["dense"](pooled)))
            return transformers.modeling_outputs.SequenceClassifierOutput(logits=logits)

    return TwoLayers


def _transformers():
    try:
        import transformers
    except ImportError:
        raise AssetError("published emotion classifiers need transformers: pip install 'emberface[speech]'") from None
    return transformers
