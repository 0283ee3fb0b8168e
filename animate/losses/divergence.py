"""How far a latent's distribution is from a standard normal."""

from torch import Tensor


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) | N(0, 1)) in nats a number, the mean over all of them (App. B, Kingma 2014)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
