"""Published architectures with small hearing, so that tests are quick: every other size is as published."""

import pytest
import torch

from animate.published.emote import Emote, EmoteConfig
from animate.published.faceformer import FaceFormer, FaceFormerConfig
from animate.published.flint import Flint, FlintConfig

SMALL = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "intermediate_size": 96, "conv_dim": (32,) * 7,
}  # fmt: skip


def made_up(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The network with random weights everywhere, also where training starts at zero or one."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not name.endswith(("PPE.pe", "original0", "weight_g")):
            spread = 0.3 / max(value[0].numel(), 1) ** 0.5 if value.ndim > 1 else 0.1
            noise = torch.randn(value.shape, generator=generator) * spread * 3
            value.copy_(noise.abs() + 0.5 if "norm" in name or name.endswith("running_var") else noise)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="package")
def emote():
    return made_up(Emote(EmoteConfig(hearing=SMALL, prior=FlintConfig(50))))


@pytest.fixture(scope="package")
def flint():
    return made_up(Flint())


@pytest.fixture(scope="package")
def vocaset():
    return made_up(FaceFormer(FaceFormerConfig(hearing=SMALL)))


@pytest.fixture(scope="package")
def biwi():
    """BIWI's, with fewer vertices."""
    config = FaceFormerConfig(vertices=40, width=128, subjects=6, fps=25, features=2, hearing=SMALL)
    return made_up(FaceFormer(config))


@pytest.fixture(scope="package")
def sound():
    """[N] five seconds at 16 kHz."""
    return torch.randn(80_000, generator=torch.Generator().manual_seed(1)) * 0.1
