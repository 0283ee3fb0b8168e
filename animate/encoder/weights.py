"""Weights of `emberface-speech` as a file: float16 arrays and the network's config in an npz."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from animate.encoder.corpus import PHONES
from animate.encoder.model import EncoderConfig, SpeechEncoder
from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError
from flame_tools.weights import arrays_of, filled

_KIND, _VERSION = "emberface-speech", 1


def save_weights(encoder: SpeechEncoder, path: Path) -> None:
    header = {"format": _KIND, "version": _VERSION, "config": asdict(encoder.config), "phones": list(PHONES)}
    write_npz(path, arrays_of(encoder), header)


def load_weights(path: Path) -> SpeechEncoder:
    """The encoder of a file, strictly: every array must be there, fit and be finite."""
    arrays, header = read_npz(path, _KIND, _VERSION)
    if header.get("phones") != list(PHONES):
        raise FormatError(f"{path} names other phones than this version; train it again or take the bundled weights")
    config = header["config"]
    sizes = EncoderConfig(**{**config, "live_ahead": tuple(config["live_ahead"])})
    return filled(SpeechEncoder(sizes), arrays, path)
