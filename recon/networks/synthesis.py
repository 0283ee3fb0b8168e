"""A face encoder and the generator that paints its faces into pictures: what SMIRK's scheme trains, for any head.

After Retsinas et al. 2024. Expressions are said in deviations of the head's priors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from flame_tools.errors import InputError
from flame_tools.types import FaceParams, HeadArrays
from flame_tools.weights import load_network, save_network
from recon.learned.crop import CUT
from recon.networks.small import SmallEncoder
from recon.networks.smirk import SmirkEncoder
from recon.networks.smirk_generator import LEVELS, SmirkGenerator

_KIND, _VERSION = "emberface-synthesis", 1


@dataclass(frozen=True)
class SynthesisConfig:
    """Sizes of a SynthesisNetwork."""

    head_id: str
    """Of the head whose parameters it tells."""
    shape: int
    """Identity components."""
    expression: int
    """Expression components."""
    size: int = CUT
    """Pixels a side of its pictures, a multiple of 16 times `fold`."""
    width: int = 32
    """Channels of the generator at full size."""
    residuals: int = 5
    """Blocks at the generator's bottom."""
    fold: int = 1
    """Pixels a side of the blocks that it paints as one: 2 halves its time."""
    encoder: str = "smirk"
    """smirk: SMIRK's three MobileNetV3; small: one network of few layers (`recon.networks.small`)."""

    def __post_init__(self):
        if self.encoder not in ("smirk", "small"):
            raise InputError(f"there is no encoder {self.encoder!r}; choose smirk or small")
        if self.width < 1 or self.fold < 1 or self.residuals < 0:
            raise InputError(
                f"width is {self.width}, fold {self.fold}, residuals {self.residuals}; wanted 1, 1 and 0 or more"
            )
        least = self.fold * 2**LEVELS
        if self.size % least or self.size < 2 * least:
            raise InputError(f"pictures of {self.size} pixels; wanted a multiple of {least}, at least {2 * least}")


@dataclass(frozen=True)
class Read:
    """What is read of N crops."""

    face: FaceParams  # [N]
    camera: Tensor  # [N, 3] as `recon.networks.codes` has it


class SynthesisNetwork(nn.Module):
    """An encoder and SMIRK's generator, for one head."""

    def __init__(self, config: SynthesisConfig, head: HeadArrays):
        super().__init__()
        if (head.id, len(head.shape_names), len(head.expression_names)) != (
            config.head_id, config.shape, config.expression,
        ):  # fmt: skip
            raise InputError(f"this network reads head {config.head_id!r}, given {head.id!r}; use its own")
        self.config = config
        kind = SmirkEncoder if config.encoder == "smirk" else partial(SmallEncoder, size=config.size)
        self.encoder = kind(shapes=config.shape, expressions=config.expression)
        self.generator = SmirkGenerator(width=config.width, residuals=config.residuals, fold=config.fold)
        self.register_buffer("sd", torch.as_tensor(head.expression_sd).float(), persistent=False)  # [E]

    def read(self, pictures: Tensor) -> Read:
        """Pictures [N, 3, size, size] RGB in [0, 1]."""
        codes = self.encoder(pictures)
        zero = torch.zeros_like(codes.jaw)
        face = FaceParams(
            shape=codes.shape, expression=codes.expression * self.sd, global_rotation=codes.global_rotation, neck=zero,
            jaw=codes.jaw, eyes=torch.stack([zero, zero], -2), eyelids=codes.eyelids, translation=zero,
        )  # fmt: skip
        return Read(face, codes.camera)

    def start_at(self, scale: float, x: float, y: float) -> None:
        """Let every face stand at one camera before anything is learnt."""
        smirk = self.config.encoder == "smirk"
        pose = self.encoder.pose_encoder.pose_cam_layers[0].bias if smirk else self.encoder.start
        with torch.no_grad():
            pose[3:] = torch.tensor([scale, x, y])


def save_synthesis(net: SynthesisNetwork, path: Path) -> None:
    """Half precision."""
    save_network(net, path, _KIND, _VERSION)


def load_synthesis(path: Path, head: HeadArrays) -> SynthesisNetwork:
    """The network of a file, strictly. Raises FormatError for another file, InputError for another head."""
    return load_network(partial(SynthesisNetwork, head=head), SynthesisConfig, path, _KIND, _VERSION)
