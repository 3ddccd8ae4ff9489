"""The squared error as a likelihood: N(x; x̂, ½)."""

import math

from torch import Tensor

from vae_lab.likelihoods.bounded import Bounded
from vae_lab.types import Noise


class MSE(Bounded):
    """The squared error: a Gaussian of fixed variance ½, −log p(x|z) = Σ (x − x̂)² + (D/2) log π.

    The reported ``recon`` is the plain sum of squared errors (SSE); ``elbo`` contains the constant (D/2) log π, so
    that it can be compared with that of the other likelihoods.
    """

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """−SSE − (D/2) log π: [K, B]."""
        return -self.recon_offset(math.prod(target.shape[1:])) - self.squared_error(params, target)

    def recon_offset(self, values: int) -> float:
        """(D/2) log π."""
        return 0.5 * values * math.log(math.pi)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """x̂ + √½ ε."""
        return self.mean(params) + math.sqrt(0.5) * noise.normal(*params.shape)
