"""The VampPrior (Tomczak & Welling 2018, arXiv 1705.07120): p(z) = (1/K) Σ_k q(z|u_k).

The pseudo-inputs u_k are images that are learned with the model and go through its encoder: K encodings more in every
step, which with K = 500 and batches of 128 takes 2.7 times as long (one CPU thread, model=dense and cnn). As in the
authors' code they pass a clamp to [0, 1] (a hard tanh, by the model that encodes them), beyond which they have no
gradient. Nothing is kept between
calls, so that nothing goes stale: in a NLL of many samples the encodings are 15 % of the time.
"""

import math

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError
from vae_lab.priors.gaussians import Gaussians
from vae_lab.types import Encode, Noise, Shape


class VampPrior(nn.Module):
    """A mixture of posteriors, all weights equal.

    Args:
        latent_dim: D; the encoder's, here without use.
        x_shape: what the encoder sees.
        components: K.
        mean, std: each value of the pseudo-inputs starts at a draw from N(mean, std²).
    """

    standard = False

    def __init__(
        self, latent_dim: int, x_shape: Shape, components: PositiveInt, mean: float, std: NonNegativeFloat
    ) -> None:
        super().__init__()
        if len(x_shape) != 3:
            raise UserError("prior=vamp learns images as pseudo-inputs, and this dataset has none; type prior=standard")
        self.u = nn.Parameter(mean + std * torch.randn(components, *x_shape))

    def log_prob(self, z: Tensor, encode: Encode) -> Tensor:
        """log p(z): [K, B, D] to [K, B] nats."""
        return self._gaussians(encode).log_prob(z)

    def sample(self, n: int, noise: Noise, encode: Encode) -> Tensor:
        """n draws: [n, D]."""
        return self._gaussians(encode).sample(n, noise)

    def _gaussians(self, encode: Encode) -> Gaussians:
        q = encode(self.u)
        equal = torch.full_like(q.mu[:, 0], -math.log(len(self.u)))
        return Gaussians(equal, q.mu, q.log_var)
