"""A mixture of diagonal Gaussians, whatever its components were made of."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vae_lab.functional import log_normal_pairs, reparameterize
from vae_lab.types import Noise


@dataclass
class Gaussians:
    """Σ_m w_m N(μ_m, diag σ_m²)."""

    log_w: Tensor  # [M], logarithms of weights that sum to 1
    mu: Tensor  # [M, D]
    log_var: Tensor  # [M, D]

    def log_prob(self, z: Tensor) -> Tensor:
        """[..., D] to [...] nats."""
        pairs = log_normal_pairs(self.mu, self.log_var)(z).to(z.dtype)
        return torch.logsumexp(pairs + self.log_w, -1)

    def sample(self, n: int, noise: Noise) -> Tensor:
        """n draws: [n, D]. The choice of components has no gradient."""
        ends = self.log_w.exp().cumsum(0)[:-1]  # the last one takes what rounding leaves
        which = (noise.uniform(n, 1) > ends).sum(1)
        return reparameterize(self.mu[which], self.log_var[which], noise.normal(n, self.mu.shape[1]))
