"""A mixture of diagonal Gaussians, which the learned priors share."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vae_lab.functional import log_normal_pairs, reparameterize
from vae_lab.types import Noise


@dataclass
class Gaussians:
    """The mixture p(z) = Σ_m w_m N(z; μ_m, diag σ_m²) of M components in D dimensions."""

    log_w: Tensor  # log weights [M]; the weights sum to 1
    mu: Tensor  # means [M, D]
    log_var: Tensor  # log σ² [M, D]

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z) = log Σ_m w_m N(z; μ_m, diag σ_m²): [..., D] to [...] in nats."""
        pairs = log_normal_pairs(self.mu, self.log_var)(z).to(z.dtype)
        return torch.logsumexp(pairs + self.log_w, -1)

    def sample(self, n: int, noise: Noise) -> Tensor:
        """n draws [n, D]. They have gradients to the means and variances, but not to the weights."""
        ends = self.log_w.exp().cumsum(0)[:-1]  # without the last one, which rounding may leave below 1
        which = (noise.uniform(n, 1) > ends).sum(1)
        return reparameterize(self.mu[which], self.log_var[which], noise.normal(n, self.mu.shape[1]))
