"""The squared error as a likelihood: a Gaussian with variance ½."""

import math

from torch import Tensor

from vae_lab.likelihoods.bounded import Bounded
from vae_lab.types import Noise


class MSE(Bounded):
    """N(x; x̂, ½ I), whose −log p(x|z) = SSE + (D/2) log π is the squared error and a constant.

    The reported ``recon`` is the sum of squared errors (SSE). ``elbo`` includes the constant (D/2) log π, so that it is
    comparable with the ``elbo`` of other likelihoods.
    """

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """log p(target|z) = −SSE − (D/2) log π: params [K, B, C, H, W] and target [B, C, H, W] to [K, B] nats."""
        return -self.recon_offset(math.prod(target.shape[1:])) - self.squared_error(params, target)

    def recon_offset(self, values: int) -> float:
        """The constant (D/2) log π for D values, in nats."""
        return 0.5 * values * math.log(math.pi)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """A draw x̂ + √½ ε, of the shape of ``params``."""
        return self.mean(params) + math.sqrt(0.5) * noise.normal(*params.shape)
