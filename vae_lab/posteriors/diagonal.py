"""The posterior of the VAE: q(z|x) = N(μ, diag σ²)."""

from torch import Tensor, nn

from vae_lab.functional import reparameterize
from vae_lab.types import Noise, Normal


class DiagonalNormal(nn.Module):
    """q(z|x) = N(μ(h), diag σ²(h)), two linear heads (arXiv 1312.6114, equation 9)."""

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.mu = nn.Linear(features, latent_dim)
        self.log_var = nn.Linear(features, latent_dim)

    def forward(self, h: Tensor, k: int, noise: Noise) -> tuple[Tensor, Tensor | None, Normal | None]:
        """Features [B, F] to z [K, B, D] and q [1, B, D]; log q follows from the returned Normal."""
        q = self.normal(h)
        z = reparameterize(q.mu, q.log_var, noise.normal(k, *q.mu.shape))
        return z, None, Normal(q.mu.unsqueeze(0), q.log_var.unsqueeze(0))

    def normal(self, h: Tensor) -> Normal:
        """The distribution itself: [B, F] to μ and log σ² [B, D], exact also under mixed precision."""
        return Normal(self.mu(h).float(), self.log_var(h).float())
