"""The published files of the lip reader and the emotion networks, read as data and loaded strictly."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from flame_tools.errors import FormatError, InputError
from flame_tools.files.strict import load_strictly
from flame_tools.files.torch_files import read_weights
from readers.published.emotion_sequence import EmotionSequence
from readers.published.emotions import FEATURES, EmotionNet
from readers.published.lips import LipReader, LipsConfig

_DECODER = "decoder."  # of the lip reader: writes words, and reads nothing


def load_lip_reader(path: str | os.PathLike, config: str | os.PathLike | None = None) -> LipReader:
    """model.pth of a visual speech recognition model of Ma et al. 2022, such as LRS3_V_WER32.3.

    `config` is its model.json, by default beside it: it tells the ResNet's activation and how positions are counted,
    which the weights do not. Raises FormatError for any file whose names or sizes are not exactly such a model's.
    """
    path = Path(path)
    weights = {name: value for name, value in read_weights(path).items() if not name.startswith(_DECODER)}
    first = "encoder.encoders.0."
    heads, each = _shape(weights, f"{first}self_attn.pos_bias_u", 2, path)
    told = _model_json(Path(config) if config is not None else path.with_name("model.json"), path)
    network = LipReader(
        LipsConfig(
            tokens=_shape(weights, "ctc.ctc_lo.weight", 2, path)[0],
            width=heads * each,
            heads=heads,
            inner=_shape(weights, f"{first}feed_forward.w_1.weight", 2, path)[0],
            blocks=len({name.split(".")[2] for name in weights if name.startswith("encoder.encoders.")}),
            kernel=_shape(weights, f"{first}conv_module.depthwise_conv.weight", 3, path)[2],
            activation=told["relu_type"],
            positions=told["rel_pos_type"],
        )
    )
    load_strictly(network, weights, str(path))
    return network.eval().requires_grad_(False)


def load_emotion_net(path: str | os.PathLike) -> EmotionNet:
    """The ResNet50 checkpoint of EMOCA's emotion recognition download.

    Raises FormatError for any file whose names or sizes are not exactly its.
    """
    path = Path(path)
    weights = read_weights(path)
    said, given = _shape(weights, "linear.weight", 2, path, "emotion network")
    if given != FEATURES or said < 3:
        raise FormatError(f"{path} ends in {said} of {given}, wanted classes, valence and arousal of {FEATURES}")
    network = EmotionNet(said - 2)
    load_strictly(network, weights, str(path))
    return network.eval().requires_grad_(False)


def load_emotion_sequence(path: str | os.PathLike) -> EmotionSequence:
    """The video emotion classifier of the EMOTE download (VideoEmotionRecognition/models/*/checkpoints/*.ckpt).

    Raises FormatError for any file whose names or sizes are not exactly its.
    """
    path = Path(path)
    weights = read_weights(path)
    network = EmotionSequence(_shape(weights, "sequence_encoder.pooler.dense.weight", 2, path, "sequence network")[0])
    load_strictly(network, weights, str(path))
    return network.eval().requires_grad_(False)


def _model_json(config: Path, path: Path) -> dict[str, str]:
    """relu_type and rel_pos_type; ESPnet writes a dict, or a list whose last entry is one."""
    if not config.is_file():
        raise InputError(
            f"{path} does not tell its activation and how it counts positions, and {config} is not there: put the "
            "model.json of the download beside it, or name it with config="
        )
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{config} is no JSON ({error}); take the model.json of the download") from None
    told = content[-1] if isinstance(content, list) and content else content
    if not isinstance(told, dict):
        raise FormatError(f"{config} holds a {type(told).__name__}, wanted a model's settings; take the download's")
    kind = told.get("transformer_encoder_attn_layer_type", "rel_mha")
    wanted = {"transformer_input_layer": "conv3d", "zero_triu": False, "macaron_style": True, "use_cnn_module": True}
    odd = [f"{name} {told[name]!r} for {value!r}" for name, value in wanted.items() if told.get(name, value) != value]
    if odd or kind not in ("rel_mha", "legacy_rel_mha"):
        raise FormatError(f"{config} is of another kind of model: {', '.join(odd) or kind}; wanted a lip reader's")
    # The published code counts in the legacy way where the layer's name says so, or where rel_pos_type is not said.
    positions = "legacy" if kind == "legacy_rel_mha" or told.get("rel_pos_type") is None else "latest"
    return {"relu_type": told.get("relu_type", "swish"), "rel_pos_type": positions}


def _shape(weights: Mapping[str, Tensor], name: str, ndim: int, path: Path, what: str = "lip reader") -> list[int]:
    if name not in weights or weights[name].ndim != ndim:
        raise FormatError(f"{path} has no {name} of {ndim} dimensions among its {len(weights)} tensors: no {what}")
    return list(weights[name].shape)
