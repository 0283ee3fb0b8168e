"""Weights of `emberface-speech` as a file: float16 arrays and the network's config in an npz."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from animate.encoder.corpus import PHONES
from animate.encoder.model import EncoderConfig, SpeechEncoder
from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError

_KIND, _VERSION = "emberface-speech", 1


def save_weights(encoder: SpeechEncoder, path: Path) -> None:
    arrays = {name: value.numpy().astype(np.float16) for name, value in encoder.state_dict().items()}
    header = {"format": _KIND, "version": _VERSION, "config": asdict(encoder.config), "phones": list(PHONES)}
    write_npz(path, arrays, header)


def load_weights(path: Path) -> SpeechEncoder:
    """The encoder of a file, strictly: every array must be there and fit."""
    arrays, header = read_npz(path, _KIND, _VERSION)
    if header.get("phones") != list(PHONES):
        raise FormatError(f"{path} names other phones than this version; train it again or take the bundled weights")
    config = header["config"]
    encoder = SpeechEncoder(EncoderConfig(**{**config, "live_ahead": tuple(config["live_ahead"])}))
    wanted = {name: tuple(value.shape) for name, value in encoder.state_dict().items()}
    found = {name: value.shape for name, value in arrays.items()}
    if wanted != found:
        odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise FormatError(f"{path} does not fit its own config at {', '.join(odd[:4])}; download or train it again")
    encoder.load_state_dict({name: torch.from_numpy(value.astype(np.float32)) for name, value in arrays.items()})
    return encoder.eval()
