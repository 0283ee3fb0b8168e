"""The published files of FLINT, EMOTE and FaceFormer, read as data and loaded strictly.

Sizes come from the tensors' own shapes. Where a file also carries what is no part of the network (copies of FLAME, its
texture, a renderer's tables), those are set aside by their exact prefixes; every other name must have its place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from animate.emotion import EMOTIONS
from animate.published.emote import INTENSITIES, Emote, EmoteConfig
from animate.published.faceformer import FaceFormer, FaceFormerConfig, positions
from animate.published.flint import JAW, Flint, FlintConfig
from flame_tools.errors import FormatError, InputError
from flame_tools.files.strict import load_strictly
from flame_tools.files.torch_files import read_weights

# What the authors' training modules register beside their networks.
_BESIDE = ("preprocessor.", "postprocessor.", "renderer.", "shape_model.", "sequence_decoder.flame.",
           "sequence_decoder.motion_prior.preprocessor.", "sequence_decoder.motion_prior.postprocessor.")  # fmt: skip
_CONVOLUTIONS = 7  # of wav2vec 2.0
_PRIOR = "sequence_decoder.motion_prior."


def load_published(path: str | os.PathLike, *, features: int | None = None) -> Emote | FaceFormer:
    """Whichever of the two that animate the file holds; `features` as load_faceformer's.

    Raises FormatError where it is neither, or not whole.
    """
    weights = read_weights(path)
    if f"{_PRIOR}motion_decoder.cross_smooth_layer.weight" in weights:
        return _emote(weights, path)
    if "vertice_map.weight" in weights:
        return _faceformer(weights, path, features)
    if "motion_encoder.mean.weight" in weights:
        raise FormatError(f"{path} is a FLINT, which hears nothing; give EMOTE's own checkpoint")
    raise FormatError(f"{path} holds {len(weights)} tensors of no EMOTE and no FaceFormer: {_few(weights)}")


def load_flint(path: str | os.PathLike) -> Flint:
    """FLINT or FLINTv2 of the EMOTE download (MotionPrior/models/*/checkpoints/*.ckpt), ready to use.

    Raises FormatError for any file whose names or sizes are not exactly a FLINT's.
    """
    weights = _without_bystanders(read_weights(path))
    return _filled(Flint(_flint_config(weights, "", path)), weights, path)


def load_emote(path: str | os.PathLike) -> Emote:
    """EMOTE or EMOTE_v2 of its download (TalkingHead/models/*/checkpoints/last.ckpt), ready to use.

    Raises FormatError for any file whose names or sizes are not exactly an EMOTE's.
    """
    return _emote(read_weights(path), path)


def _emote(weights: Mapping[str, Tensor], path: str | os.PathLike) -> Emote:
    weights = _without_bystanders(weights)
    condition = _shape(weights, "sequence_decoder.obj_vector.map.weight", 2, path, "EMOTE")
    config = EmoteConfig(
        width=condition[0],
        identities=condition[1] - len(EMOTIONS) - INTENSITIES,
        inner=_shape(weights, "sequence_decoder.bert_decoder.layers.0.linear1.weight", 2, path, "EMOTE")[0],
        prior=_flint_config(weights, _PRIOR, path),
        hearing=_hearing(weights, "audio_model.model.", path, "EMOTE"),
    )
    if config.identities < 1:
        raise FormatError(
            f"{path} has conditions of {condition[1]} numbers; EMOTE's are {len(EMOTIONS)} emotions, {INTENSITIES} "
            "intensities and its identities: this is a model with other conditions, which is not read"
        )
    return _filled(Emote(config), weights, path)


def load_faceformer(
    path: str | os.PathLike,
    *,
    features: int | None = None,  # of speech a frame; None: 1 for VOCASET's 5023 vertices, 2 for BIWI's 23370
) -> FaceFormer:
    """vocaset.pth or biwi.pth of FaceFormer, or one that its code trained, ready to use.

    Raises FormatError for any file whose names or sizes are not exactly a FaceFormer's, and InputError where the mesh
    is neither dataset's and `features` was not said: the weights do not tell it.
    """
    return _faceformer(read_weights(path), path, features)


def _faceformer(weights: Mapping[str, Tensor], path: str | os.PathLike, features: int | None) -> FaceFormer:
    width, numbers = _shape(weights, "vertice_map.weight", 2, path, "FaceFormer")
    encoding = weights.get("PPE.pe")
    if encoding is None or encoding.ndim != 3 or encoding.shape[-1] != width:
        raise FormatError(f"{path} has no positions PPE.pe [1, n, {width}]; it is no FaceFormer")
    if numbers % 3:
        raise FormatError(f"{path} moves {numbers} numbers, which are no vertices of three")
    if features is None:
        features = {5023: 1, 23370: 2}.get(numbers // 3)
        if features is None:
            raise InputError(
                f"{path} moves {numbers // 3} vertices, neither VOCASET's 5023 nor BIWI's 23370: say features=1 "
                "(speech resampled to the frame rate) or features=2 (two features of 50 a second to a frame)"
            )
    config = FaceFormerConfig(
        vertices=numbers // 3,
        width=width,
        subjects=_shape(weights, "obj_vector.weight", 2, path, "FaceFormer")[1],
        fps=_period(encoding, path),
        features=features,
        hearing=_hearing(weights, "audio_encoder.", path, "FaceFormer"),
    )
    return _filled(FaceFormer(config), weights, path)


def _filled(network, weights: Mapping[str, Tensor], path: str | os.PathLike):
    load_strictly(network, weights, str(Path(path)))
    return network.eval().requires_grad_(False)


def _without_bystanders(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if not name.startswith(_BESIDE)}


def _shape(weights: Mapping[str, Tensor], name: str, ndim: int, path: str | os.PathLike, what: str) -> list[int]:
    if name not in weights or weights[name].ndim != ndim:
        raise FormatError(
            f"{path} has no {name} of {ndim} dimensions, so it is no {what}; it holds {len(weights)} tensors: "
            f"{_few(weights)}"
        )
    return list(weights[name].shape)


def _few(weights: Mapping[str, Tensor]) -> str:
    return ", ".join(sorted(weights)[:3]) + ", ..." * (len(weights) > 3)


def _flint_config(weights: Mapping[str, Tensor], prefix: str, path: str | os.PathLike) -> FlintConfig:
    last = f"{prefix}motion_decoder.cross_smooth_layer.weight"
    motion, latent, _ = _shape(weights, last, 3, path, "FLINT")
    if motion <= JAW:
        raise FormatError(f"{path} moves {motion} numbers, wanted expressions and the jaw's {JAW}")
    inner = f"{prefix}motion_decoder.decoder_transformer.layers.0.linear1.weight"
    return FlintConfig(motion - JAW, latent, _shape(weights, inner, 2, path, "FLINT")[0])


def _hearing(weights: Mapping[str, Tensor], prefix: str, path: str | os.PathLike, what: str) -> dict:
    """The sizes of a wav2vec 2.0 encoder; heads are 64 wide in every published one."""
    hidden = _shape(weights, f"{prefix}feature_projection.projection.weight", 2, path, what)[0]
    inner = _shape(weights, f"{prefix}encoder.layers.0.feed_forward.intermediate_dense.weight", 2, path, what)[0]
    layers = {name.split(".")[0] for name in _below(weights, f"{prefix}encoder.layers.")}
    convolutions = [
        _shape(weights, f"{prefix}feature_extractor.conv_layers.{i}.conv.weight", 3, path, what)[0]
        for i in range(_CONVOLUTIONS)
    ]
    return {
        "conv_dim": tuple(convolutions),
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": len(layers),
        "num_attention_heads": max(hidden // 64, 1),
    }


def _below(weights: Mapping[str, Tensor], prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in weights if name.startswith(prefix)]


def _period(encoding: Tensor, path: str | os.PathLike) -> int:
    """Frames after which positions [1, n, width] repeat: the model's frame rate."""
    for period in range(1, encoding.shape[1]):
        wanted = positions(period, encoding.shape[-1])
        if wanted.shape == encoding.shape and torch.allclose(wanted, encoding.float(), atol=1e-5):
            return period
    raise FormatError(f"{path} has positions PPE.pe {list(encoding.shape)} that are not FaceFormer's for any period")
