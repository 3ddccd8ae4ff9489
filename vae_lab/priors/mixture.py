"""A learned mixture of Gaussians as the prior, a baseline of arXiv 1705.07120."""

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.priors.gaussians import Gaussians
from vae_lab.types import Encode, Noise, Shape


class MixturePrior(nn.Module):
    """p(z) = Σ_m w_m N(z; μ_m, diag σ_m²), whose weights, means and variances are trained with the model.

    They are trained by the term −log p(z) of the KL. Initially all weights are equal, all σ are 1, the first mean is 0,
    and the other means are drawn from N(0, spread² I). With one component the prior is initially N(0, I).

    Args:
        latent_dim: D, the size of z.
        x_shape: not used; priors are all constructed with it.
        components: number of components M.
        spread: standard deviation of the initial means.
    """

    standard = False

    def __init__(self, latent_dim: int, x_shape: Shape, components: PositiveInt, spread: NonNegativeFloat) -> None:
        super().__init__()
        mu = spread * torch.randn(components, latent_dim)
        mu[0] = 0
        self.mu = nn.Parameter(mu)
        self.log_var = nn.Parameter(torch.zeros(components, latent_dim))
        self.logits = nn.Parameter(torch.zeros(components))

    def log_prob(self, z: Tensor, encode: Encode) -> Tensor:
        """log p(z): [K, B, D] to [K, B] in nats."""
        return self._gaussians().log_prob(z)

    def sample(self, n: int, noise: Noise, encode: Encode) -> Tensor:
        """n draws from p(z): [n, D]."""
        return self._gaussians().sample(n, noise)

    def _gaussians(self) -> Gaussians:
        return Gaussians(torch.log_softmax(self.logits, 0), self.mu, self.log_var)
