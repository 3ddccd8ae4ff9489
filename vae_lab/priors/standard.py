"""The prior of the VAE: p(z) = N(0, I) (arXiv 1312.6114, section 3)."""

from torch import Tensor, nn

from vae_lab.functional import log_normal
from vae_lab.types import Encode, Noise, Shape


class StandardNormal(nn.Module):
    """Nothing to learn. Against it the KL of a Gaussian posterior has a closed form."""

    standard = True

    def __init__(self, latent_dim: int, x_shape: Shape) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def log_prob(self, z: Tensor, encode: Encode) -> Tensor:
        """log N(z; 0, I): [K, B, D] to [K, B] nats."""
        return log_normal(z).sum(-1)

    def sample(self, n: int, noise: Noise, encode: Encode) -> Tensor:
        """n draws: [n, D]."""
        return noise.normal(n, self.latent_dim)
