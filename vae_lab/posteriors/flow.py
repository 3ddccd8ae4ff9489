"""The base class of the posteriors that are normalising flows (Rezende & Mohamed 2015, arXiv 1505.05770, section 3).

A sample z₀ ~ N(μ(h), diag σ²(h)) passes through invertible steps z_t = f_t(z_{t−1}, h), where h are the encoder's
features. By equation 5, log q(z_T|x) = log q(z₀|x) − Σ_t log |det ∂z_t/∂z_{t−1}|, in nats.
"""

from collections.abc import Iterable

from torch import Tensor, nn

from vae_lab.functional import log_normal, reparameterize
from vae_lab.posteriors.diagonal import DiagonalNormal
from vae_lab.types import Noise, Normal


class PosteriorFlow(nn.Module):
    """A diagonal Gaussian, followed by invertible steps.

    The density is known only at the samples, so that no Gaussian q is returned.

    Args:
        features: F, the size of the encoder's output.
        latent_dim: D, the size of z.
        steps: modules that map (z [K, B, D], h [B, F]) to (z' [K, B, D], log |det ∂z'/∂z| [K, B]).
    """

    keeps_initial = ("steps",)  # they begin as the identity, whatever initialisation= is

    def __init__(self, features: int, latent_dim: int, steps: Iterable[nn.Module]) -> None:
        super().__init__()
        self.base = DiagonalNormal(features, latent_dim)
        self.steps = nn.ModuleList(steps)

    def forward(self, h: Tensor, k: int, noise: Noise) -> tuple[Tensor, Tensor | None, Normal | None]:
        """Features [B, F] to (z [K, B, D], log q(z|x) [K, B] in nats, None)."""
        q = self.base.normal(h)
        z = reparameterize(q.mu, q.log_var, noise.normal(k, *q.mu.shape))
        log_q = log_normal(z, q.mu, q.log_var).sum(-1)
        for step in self.steps:
            z, log_det = step(z, h)
            log_q = log_q - log_det
        return z, log_q, None
