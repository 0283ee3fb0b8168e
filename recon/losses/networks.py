"""Perceptual networks from files that the user has, strictly: VGG as torchvision publishes it, ArcFace as insightface.

Lip readers and emotion networks: `readers.published.checkpoints`. MICA's file holds an ArcFace as well
(`recon.networks.checkpoints.load_mica(path).network.arcface`). None of these files comes with emberface.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import torch

from flame_tools.errors import FormatError
from flame_tools.files.strict import load_strictly
from flame_tools.files.torch_files import read_weights
from flame_tools.files.torch_parts import read_parts
from recon.networks.mica import ArcFace
from recon.networks.vgg import Vgg

_CLASSIFIER = {f"classifier.{layer}.{part}" for layer in (0, 3, 6) for part in ("weight", "bias")}


def load_vgg(path: str | os.PathLike, depth: int = 16) -> Vgg:
    """torchvision's vgg16-397923af.pth or vgg19-dcbb9e9d.pth (its code BSD-3-Clause), frozen.

    Raises FormatError for any file whose names or sizes are not exactly such a network's, with or without classifier.
    """

    def places(names: Collection[str]) -> Mapping[str, str]:
        return {"features.": "features."}

    parts = read_parts(path, places)
    if odd := [name for name in parts.unused if name not in _CLASSIFIER]:
        raise FormatError(f"{path} is no VGG-{depth} of torchvision's: it also holds {', '.join(odd[:4])}")
    return _filled(lambda: Vgg(depth), parts.weights, path)


def load_arcface(path: str | os.PathLike) -> ArcFace:
    """insightface's iresnet100 (backbone.pth), frozen. Raises FormatError for any other file."""
    return _filled(ArcFace, read_weights(path), path)


def _filled(build, weights, path):
    with torch.device("meta"):  # no numbers are drawn for weights that the file brings
        network = build()
    network = network.to_empty(device="cpu")
    load_strictly(network, weights, str(Path(path)))
    return network.eval().requires_grad_(False)
