"""A learned mixture of Gaussians: p(z) = Σ_m w_m N(z; μ_m, diag σ_m²), a baseline of arXiv 1705.07120.

Weights, means and variances are trained with the model, by the KL's log p(z).
"""

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.priors.gaussians import Gaussians
from vae_lab.types import Encode, Noise, Shape


class MixturePrior(nn.Module):
    """At the start all weights are equal, all σ 1, the first mean 0 and the others drawn from N(0, ``spread``² I).

    With one component it starts as N(0, I).
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
        """log p(z): [K, B, D] to [K, B] nats."""
        return self._gaussians().log_prob(z)

    def sample(self, n: int, noise: Noise, encode: Encode) -> Tensor:
        """n draws: [n, D]."""
        return self._gaussians().sample(n, noise)

    def _gaussians(self) -> Gaussians:
        return Gaussians(torch.log_softmax(self.logits, 0), self.mu, self.log_var)
