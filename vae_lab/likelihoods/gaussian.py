"""A Gaussian likelihood with one fixed σ."""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from vae_lab.functional import LOG_2PI
from vae_lab.likelihoods.bounded import Bounded
from vae_lab.types import Noise


class Gaussian(Bounded):
    """N(x; x̂, σ² I) with one fixed σ: −log p(x|z) = SSE/(2σ²) + D log σ + (D/2) log 2π.

    Args:
        sigma: σ, in units of the [0, 1] range.
    """

    sigma: Tensor

    def __init__(self, sigma: PositiveFloat) -> None:
        super().__init__()
        # This is a buffer because jobs that differ in it can be trained as one stack.
        self.register_buffer("sigma", torch.tensor(float(sigma)), persistent=False)

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """log p(target|z): params [K, B, C, H, W] and target [B, C, H, W] to [K, B] nats."""
        values = target[0].numel()
        constant = values * (torch.log(self.sigma) + 0.5 * LOG_2PI)
        return -self.squared_error(params, target) / (2 * self.sigma**2) - constant

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """A draw x̂ + σ ε, of the shape of ``params``."""
        return self.mean(params) + self.sigma * noise.normal(*params.shape)
