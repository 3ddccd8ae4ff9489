"""The standard-normal prior of the VAE."""

from torch import Tensor, nn

from vae_lab.functional import log_normal
from vae_lab.types import Encode, Noise, Shape


class StandardNormal(nn.Module):
    """p(z) = N(0, I) (arXiv 1312.6114, section 3).

    It has no parameters. The KL from a Gaussian posterior to it has a closed form.

    Args:
        latent_dim: D, the size of z.
        x_shape: not used; priors are all constructed with it.
    """

    standard = True

    def __init__(self, latent_dim: int, x_shape: Shape) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def log_prob(self, z: Tensor, encode: Encode) -> Tensor:
        """log N(z; 0, I): [K, B, D] to [K, B] in nats."""
        return log_normal(z).sum(-1)

    def sample(self, n: int, noise: Noise, encode: Encode) -> Tensor:
        """n draws from N(0, I): [n, D]."""
        return noise.normal(n, self.latent_dim)
