"""A Gaussian with one fixed σ."""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from vae_lab.functional import LOG_2PI
from vae_lab.likelihoods.bounded import Bounded
from vae_lab.types import Noise


class Gaussian(Bounded):
    """N(x; x̂, σ²) with one fixed σ: −log p = SSE/(2σ²) + D log σ + (D/2) log 2π."""

    sigma: Tensor

    def __init__(self, sigma: PositiveFloat) -> None:
        super().__init__()
        # A buffer, not a number: jobs that are trained as one stack differ in it.
        self.register_buffer("sigma", torch.tensor(float(sigma)), persistent=False)

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """[K, B]."""
        values = target[0].numel()
        constant = values * (torch.log(self.sigma) + 0.5 * LOG_2PI)
        return -self.squared_error(params, target) / (2 * self.sigma**2) - constant

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """x̂ + σ ε."""
        return self.mean(params) + self.sigma * noise.normal(*params.shape)
