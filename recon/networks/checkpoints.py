"""The published files of DECA, EMOCA, EMICA, MICA, SMIRK, SPECTRE and TEASER, read as data and loaded strictly.

Every tensor of a network must be in its file and fit, and whatever lies under a network's names must belong to it.
What else a file holds (optimisers, copies of FLAME, networks of the losses) is reported by name, `Loaded.unused`.
Which of the variants a file is, its own tensors say. None of these files comes with emberface.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from flame_tools.errors import FormatError, InputError
from flame_tools.files.strict import load_strictly
from flame_tools.files.torch_parts import Parts, read_parts
from recon.networks.deca import Deca
from recon.networks.emica import Emica, who_says_jaw
from recon.networks.emoca import Emoca, says_jaw
from recon.networks.mica import Mica
from recon.networks.smirk import JAW, LIDS, Smirk
from recon.networks.spectre import Spectre
from recon.networks.teaser_generator import Teaser

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Loaded(Generic[Network]):
    """A network as its authors trained it, in eval mode and without gradients of its own."""

    network: Network
    unused: tuple[str, ...]  # what the file holds beside it, sorted
    licence: str  # of the weights: whatever is made with them carries it
    system: str  # one of SYSTEMS


@dataclass(frozen=True)
class _System:
    name: str
    sign: str  # in a name of every file of its kind; systems are asked in their order
    places: Mapping[str, str]  # beginnings in the file -> in the network
    build: Callable[[Mapping[str, Tensor]], nn.Module]  # raises KeyError for a tensor that it needs to know the sizes
    licence: str


def _rows(weights: Mapping[str, Tensor], name: str) -> int:
    return len(weights[name]) if weights[name].ndim else 0


def _emoca(weights: Mapping[str, Tensor]) -> Emoca:
    return Emoca(jaw=says_jaw(_rows(weights, "E_expression.layers.2.weight")))


def _emica(weights: Mapping[str, Tensor]) -> Emica:
    return Emica(
        jaw=who_says_jaw(_rows(weights, "coarse.layers.2.weight"), _rows(weights, "expression.layers.2.weight"))
    )


def _smirk(weights: Mapping[str, Tensor]) -> Smirk:
    said = _rows(weights, "smirk_encoder.expression_encoder.expression_layers.0.weight")
    expressions = said - LIDS - JAW
    if expressions < 1:
        raise InputError(
            f"an expression encoder of {said} outputs, wanted expressions, {LIDS} lids and {JAW} of the jaw"
        )
    return Smirk(
        shapes=_rows(weights, "smirk_encoder.shape_encoder.shape_layers.0.weight"),
        expressions=expressions,
        generator=any(name.startswith("smirk_generator.") for name in weights),
    )


def _teaser(weights: Mapping[str, Tensor]) -> Teaser:
    return Teaser(generator=any(name.startswith("teaser_generator.") for name in weights))


def _as_is(*names: str, before: tuple[str, ...] = ("",)) -> dict[str, str]:
    return {f"{prefix}{name}.": f"{name}." for name in names for prefix in before}


_DECA = ("", "deca.")  # as DECA's and SPECTRE's own files have it, and Lightning's of EMOCA
_MPI = "non-commercial scientific research (Max-Planck-Gesellschaft)"
_FACE = "face_encoder.mica_deca_encoder."
_SYSTEMS = (
    _System(
        "EMICA",
        "face_encoder.expression_encoder.",
        {
            f"{_FACE}mica_encoder.E_mica.arcface.": "mica.arcface.",
            f"{_FACE}mica_encoder.E_mica.flameModel.regressor.": "mica.flameModel.regressor.",
            f"{_FACE}deca_encoder.encoder.": "coarse.",
            "face_encoder.expression_encoder.encoder.": "expression.",
        },
        _emica,
        f"EMICA model: {_MPI}",
    ),
    _System(
        "SPECTRE",
        "E_expression.temporal.",
        _as_is("E_flame", "E_expression", before=_DECA),
        lambda weights: Spectre(),
        f"SPECTRE model: CC-BY-NC-SA-4.0, with DECA's: {_MPI}",
    ),
    _System(
        "EMOCA",
        "E_expression.",
        _as_is("E_flame", "E_expression", "E_detail", "D_detail", before=_DECA),
        _emoca,
        f"EMOCA model: {_MPI}",
    ),
    _System(
        "DECA",
        "E_flame.",
        _as_is("E_flame", "E_detail", "D_detail", before=_DECA),
        lambda weights: Deca(),
        f"DECA model: {_MPI}",
    ),
    _System(
        "SMIRK",
        "smirk_encoder.",
        _as_is("smirk_encoder", "smirk_generator"),
        _smirk,
        "SMIRK model: MIT, trained on FLAME, with MICA and EMOCA's emotion network, which are non-commercial",
    ),
    _System(
        "TEASER",
        "teaser_encoder.",
        _as_is("teaser_encoder", "teaser_generator"),
        _teaser,
        "TEASER model: no licence published, all rights reserved by its authors",
    ),
    _System(
        "MICA",
        "arcface.",
        _as_is("arcface", "flameModel.regressor"),
        lambda weights: Mica(),
        f"MICA model: {_MPI}",
    ),
)
SYSTEMS = tuple(system.name for system in _SYSTEMS)


def load_deca(path: str | os.PathLike) -> Loaded[Deca]:
    """deca_model.tar, or DECA as EMOCA's download holds it. Raises FormatError for any other file."""
    return _load(path, "DECA")


def load_emoca(path: str | os.PathLike) -> Loaded[Emoca]:
    """EMOCA or EMOCA v2 (EMOCA/models/*/detail/checkpoints/*.ckpt). Raises FormatError for any other file."""
    return _load(path, "EMOCA")


def load_emica(path: str | os.PathLike) -> Loaded[Emica]:
    """INFERNO's FaceReconstruction/models/EMICA*, those with ResNet-50. Raises FormatError for any other file."""
    return _load(path, "EMICA")


def load_mica(path: str | os.PathLike) -> Loaded[Mica]:
    """mica.tar. Raises FormatError for any other file."""
    return _load(path, "MICA")


def load_smirk(path: str | os.PathLike) -> Loaded[Smirk]:
    """SMIRK_em1.pt, or a file that SMIRK's training wrote. Raises FormatError for any other."""
    return _load(path, "SMIRK")


def load_spectre(path: str | os.PathLike) -> Loaded[Spectre]:
    """spectre_model.tar, with MobileNetV2. Raises FormatError for any other file."""
    return _load(path, "SPECTRE")


def load_teaser(path: str | os.PathLike) -> Loaded[Teaser]:
    """TEASER.pt. Raises FormatError for any other file."""
    return _load(path, "TEASER")


def load_published(path: str | os.PathLike) -> Loaded:
    """Whichever of SYSTEMS a file holds. Raises FormatError where it holds none of them whole."""
    return _load(path, None)


def _load(path: str | os.PathLike, name: str | None) -> Loaded:
    path, known = Path(path), []

    def places(names: Collection[str]) -> Mapping[str, str]:
        known.append(_recognised(names, name))
        return known[0].places

    parts = read_parts(path, places)
    return _filled(known[0], parts, path)


def _recognised(names: Collection[str], wanted: str | None) -> _System:
    for system in _SYSTEMS:
        if any(name.removeprefix("deca.").startswith(system.sign) for name in names):
            break
    else:
        shown = ", ".join(sorted(map(str, names))[:3])
        raise FormatError(f"its {len(names)} names are of none of {', '.join(SYSTEMS)}: {shown}, ...")
    if wanted not in (None, system.name):
        raise FormatError(f"this is a file of {system.name}, not of {wanted}: use load_{system.name.lower()}")
    return system


def _filled(system: _System, parts: Parts, path: Path) -> Loaded:
    try:
        with torch.device("meta"):  # no numbers are drawn for weights that the file brings
            network = system.build(parts.weights)
    except KeyError as error:
        raise FormatError(
            f"{path} has no {error.args[0]}, which every {system.name} with the published backbone has; a Swin or "
            "another backbone is not read"
        ) from None
    except InputError as error:
        raise FormatError(f"{path}: {error}") from None
    network = network.to_empty(device="cpu")
    load_strictly(network, parts.weights, str(path))
    return Loaded(network.eval().requires_grad_(False), parts.unused, system.licence, system.name)
