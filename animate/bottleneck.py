"""What a motion prior keeps of a stretch of motion: a Gaussian (VAE) or entries of a learnt codebook (VQ)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from animate.losses.divergence import kl_divergence
from learning import processes


class Gaussian(nn.Module):
    """A mean and a variance for each latent; the cost is the KL divergence from a standard normal."""

    def __init__(self, width: int, size: int):
        super().__init__()
        self.size = size
        self.project = nn.Linear(width, 2 * size)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """x [..., L, width] -> latents [..., L, size] and their cost. Without a generator latents are the means."""
        mean, log_variance = self.project(x).chunk(2, -1)
        log_variance = log_variance.clamp(-12.0, 6.0)
        cost = kl_divergence(mean, log_variance)
        if generator is None:
            return mean, cost
        return mean + (0.5 * log_variance).exp() * processes.normal(mean, generator), cost


class Codebook(nn.Module):
    """Latents in groups, each the nearest of its own codes; codes follow their members (van den Oord et al. 2017).

    The cost pulls what is encoded to its codes. Codes are running means of their members (decay 0.99, as published),
    changed by a forward pass with a generator in training mode; one that nothing was near to takes a member's place.
    """

    def __init__(self, width: int, size: int, codes: int = 256, groups: int = 8):
        super().__init__()
        self.size, self.decay = size, 0.99
        self.project = nn.Linear(width, size)
        self.register_buffer("codes", torch.randn(groups, codes, size // groups))
        self.register_buffer("members", torch.ones(groups, codes))
        self.register_buffer("sums", self.codes.clone())

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """x [..., L, width] -> latents [..., L, size] (gradients pass straight through) and their cost."""
        wanted = self.project(x)
        parts = wanted.unflatten(-1, (len(self.codes), -1)).flatten(0, -3).transpose(0, 1)  # [G, n, size / G]
        nearest = torch.cdist(parts.detach().to(self.codes), self.codes).argmin(-1)  # [G, n]
        found = torch.stack([own[index] for own, index in zip(self.codes, nearest, strict=True)])
        if self.training and generator is not None:
            members = processes.gathered(parts.detach().to(self.codes).transpose(0, 1)).transpose(0, 1)
            with torch.autocast(x.device.type, enabled=False):  # sums of codes stay exact
                self._follow(members, processes.gathered(nearest.T).T, generator)
        latents = found.transpose(0, 1).reshape(wanted.shape)
        cost = functional.mse_loss(wanted, latents)
        return wanted + (latents - wanted).detach(), cost

    @torch.no_grad()
    def _follow(self, parts: Tensor, nearest: Tensor, generator: torch.Generator) -> None:
        for group, (own, index) in enumerate(zip(parts, nearest, strict=True)):
            chosen = functional.one_hot(index, self.codes.shape[1]).to(own)  # [n, codes]
            self.members[group].lerp_(chosen.sum(0), 1 - self.decay)
            self.sums[group].lerp_(chosen.T @ own, 1 - self.decay)
            idle = self.members[group] < 0.01
            drawn = torch.randint(len(own), (int(idle.sum()),), generator=generator, device=own.device)
            self.members[group, idle], self.sums[group, idle] = 1.0, own[drawn]
            self.codes[group] = self.sums[group] / self.members[group, :, None]


BOTTLENECKS = {"gaussian": Gaussian, "codebook": Codebook}
