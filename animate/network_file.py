"""A trained network as a file: its arrays and what it takes to build it again, in an npz."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from animate.flow import Flow, FlowConfig
from animate.keys import KeysConfig, KeysToMotion
from animate.model import ModelConfig, SpeechToMotion
from animate.moments import Spacing
from animate.prior import Prior, PriorConfig
from flame_tools.archive import read_kind, read_npz, write_npz
from flame_tools.errors import FormatError, InputError
from flame_tools.weights import arrays_of, filled

_VERSION = 1
_PRIOR, _MODEL = "emberface-motion-prior", "emberface-speech-to-motion"
_FLOW, _KEYS = "emberface-motion-flow", "emberface-key-motions"


def save_prior(prior: Prior, path: Path, *, fps: int | None = None, head_id: str | None = None) -> None:
    """`fps` and `head_id` are the corpus's: at which rate and on which head it knows how faces move."""
    header = {
        "format": _PRIOR, "version": _VERSION, "config": vars(prior.config), "fps": fps, "head_id": head_id,
    }  # fmt: skip
    write_npz(path, arrays_of(prior, np.float32), header)


def load_prior(path: Path, *, fps: int | None = None, head_id: str | None = None) -> Prior:
    """The prior, for motion at `fps` on a head where these are given.

    Raises InputError for one that is known to be of another rate or another head.
    """
    arrays, header = read_npz(path, _PRIOR, _VERSION)
    for what, wanted in (("fps", fps), ("head_id", head_id)):
        if None not in (wanted, known := header.get(what)) and known != wanted:
            raise InputError(
                f"{path} was taught motion of {what} {known!r}, here it is {wanted!r}; train a prior on this corpus"
            )
    return filled(Prior(PriorConfig(**header["config"])), arrays, path)


def save_model(model: SpeechToMotion, path: Path, *, encoder: str, fps: int, head_id: str) -> None:
    """`encoder`, `fps` and `head_id` are the corpus's: what the model hears and moves."""
    header = {
        "format": _MODEL, "version": _VERSION, "config": vars(model.config), "encoder": encoder, "fps": fps,
        "head_id": head_id, "prior": None if model.prior is None else vars(model.prior.config),
    }  # fmt: skip
    write_npz(path, arrays_of(model, np.float32), header)


def load_model(path: Path) -> tuple[SpeechToMotion, dict]:
    """The model and its header."""
    arrays, header = read_npz(path, _MODEL, _VERSION)
    prior = None if header["prior"] is None else Prior(PriorConfig(**header["prior"]))
    return filled(SpeechToMotion(ModelConfig(**header["config"]), prior), arrays, path), header


def save_flow(flow: Flow, path: Path, *, encoder: str, fps: int, head_id: str) -> None:
    """As save_model."""
    header = {
        "format": _FLOW, "version": _VERSION, "config": vars(flow.config), "encoder": encoder, "fps": fps,
        "head_id": head_id, "prior": vars(flow.prior.config),
    }  # fmt: skip
    write_npz(path, arrays_of(flow, np.float32), header)


def load_flow(path: Path) -> tuple[Flow, dict]:
    """The flow and its header."""
    arrays, header = read_npz(path, _FLOW, _VERSION)
    prior = Prior(PriorConfig(**header["prior"]))
    return filled(Flow(FlowConfig(**header["config"]), prior), arrays, path), header


def save_keys(network: KeysToMotion, path: Path, *, encoder: str, fps: int, head_id: str) -> None:
    """As save_model."""
    header = {
        "format": _KEYS, "version": _VERSION, "config": dataclasses.asdict(network.config), "encoder": encoder,
        "fps": fps, "head_id": head_id,
    }  # fmt: skip
    write_npz(path, arrays_of(network, np.float32), header)


def load_keys(path: Path) -> tuple[KeysToMotion, dict]:
    """The network and its header."""
    arrays, header = read_npz(path, _KEYS, _VERSION)
    sizes = {**header["config"], "spacing": Spacing(**header["config"]["spacing"])}
    return filled(KeysToMotion(KeysConfig(**sizes)), arrays, path), header


def load_network(path: Path) -> tuple[SpeechToMotion | Flow | KeysToMotion, dict]:
    """A network that moves a face, of whichever kind the file holds, and its header."""
    loaders = {_MODEL: load_model, _FLOW: load_flow, _KEYS: load_keys}
    kind = read_kind(path)
    if kind not in loaders:
        raise FormatError(
            f"{path} holds {kind!r}, and no network that moves a face: wanted a model.npz, flow.npz or keys.npz, as "
            "`emberface train animate`, `train flow` and `train keys` make them"
        )
    return loaders[kind](path)
