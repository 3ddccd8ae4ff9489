"""The diagonal Gaussian posterior of the VAE."""

from torch import Tensor, nn

from vae_lab.functional import reparameterize
from vae_lab.types import Noise, Normal


class DiagonalNormal(nn.Module):
    """q(z|x) = N(μ(h), diag σ²(h)) (arXiv 1312.6114, equation 9).

    μ and log σ² are two linear functions of the encoder's features h.

    Args:
        features: F, the size of the encoder's output.
        latent_dim: D, the size of z.
    """

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.mu = nn.Linear(features, latent_dim)
        self.log_var = nn.Linear(features, latent_dim)

    def forward(self, h: Tensor, k: int, noise: Noise) -> tuple[Tensor, Tensor | None, Normal | None]:
        """Features [B, F] to (z [K, B, D], None, q [1, B, D]); log q follows from q."""
        q = self.normal(h)
        z = reparameterize(q.mu, q.log_var, noise.normal(k, *q.mu.shape))
        return z, None, Normal(q.mu.unsqueeze(0), q.log_var.unsqueeze(0))

    def normal(self, h: Tensor) -> Normal:
        """The Gaussian: features [B, F] to μ and log σ² [B, D], both float32 also in mixed precision."""
        return Normal(self.mu(h).float(), self.log_var(h).float())
