"""What the speech encoder is asked for, one figure a wish."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from animate.encoder.data import Batch
from animate.encoder.model import Heard
from animate.losses.masked import masked_mean


@dataclass(frozen=True)
class LossConfig:
    """How much each wish weighs."""

    voicing: float = 0.2
    """Cross-entropy of being voiced."""
    loudness: float = 0.2
    """Smooth L1 of the loudness, dB / 20."""
    pitch: float = 0.3
    """Smooth L1 of the pitch in octaves, where voiced."""
    smoothing: float = 0.05
    """Share of each phone label that is spread over all phones."""


def losses(heard: Heard, batch: Batch, config: LossConfig) -> dict[str, Tensor]:
    """Each part and their weighted sum, `total`."""
    wanted = batch.phones * (1 - config.smoothing) + config.smoothing / batch.phones.shape[-1]
    parts = {
        "phones": masked_mean(-(wanted * heard.phones).sum(-1), batch.trusted),
        "voicing": functional.binary_cross_entropy_with_logits(heard.voicing, batch.voiced),
        "loudness": functional.smooth_l1_loss(heard.loudness, batch.loudness, beta=0.2),
        "pitch": masked_mean(
            functional.smooth_l1_loss(heard.pitch, batch.pitch, reduction="none", beta=0.1), batch.voiced
        ),
    }
    rest = sum(getattr(config, name) * parts[name] for name in ("voicing", "loudness", "pitch"))
    return {"total": parts["phones"] + rest, **parts}
