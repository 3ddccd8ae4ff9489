"""A Gaussian likelihood whose decoder predicts σ of every pixel (the per-pixel variance of arXiv 2006.13202)."""

import math
from typing import Annotated

import torch
from annotated_types import Gt, Lt
from torch import Tensor
from torch.nn import functional as F

from vae_lab.functional import log_normal
from vae_lab.likelihoods.bounded import Bounded, sum_values
from vae_lab.types import Noise, Shape


class SigmaPredicted(Bounded):
    """N(x; x̂(z), diag σ(z)²): the decoder's output has 2 C channels, first those of x̂, then those of log σ.

    σ of a pixel that is predicted exactly would tend to 0. Therefore log σ = a + softplus(s − a), where s is the
    decoder's output and a = log floor. It is larger than a and still has a gradient, as in the paper's code.

    Args:
        floor: lower bound of σ, in units of the [0, 1] range; it is e⁻⁶ in the paper's code.
    """

    fits_sigma = True

    def __init__(self, floor: Annotated[float, Gt(0), Lt(1)] = 0.0025) -> None:
        super().__init__()
        self.log_floor = math.log(floor)

    def params_shape(self, x_shape: Shape) -> Shape:
        """Two numbers for each value of the image: [2 C, H, W]."""
        return (2 * x_shape[0], *x_shape[1:])

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """log p(target|z) = Σ_p log N(x_p; x̂_p, σ_p²): params [K, B, 2 C, H, W], target [B, C, H, W] to [K, B] nats."""
        return sum_values(log_normal(target, self.mean(params), 2 * self.log_sigma(params)))

    def mean(self, params: Tensor) -> Tensor:
        """The expected image x̂ in [0, 1]: [..., 2 C, H, W] to [..., C, H, W]."""
        return torch.sigmoid(params.chunk(2, -3)[0])

    def params_of_mean(self, mean: Tensor) -> Tensor:
        """Those of x̂ as for other Gaussians, and 0 for s, which gives σ = 1: [C, H, W] to [2 C, H, W]."""
        x_hat = super().params_of_mean(mean)
        return torch.cat([x_hat, torch.zeros_like(x_hat)])

    def log_sigma(self, params: Tensor) -> Tensor:
        """Log σ of every value: [..., 2 C, H, W] to [..., C, H, W]."""
        return self.log_floor + F.softplus(params.chunk(2, -3)[1] - self.log_floor)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """A draw x̂ + σ ε: params [K, B, 2 C, H, W] to [K, B, C, H, W]."""
        mean = self.mean(params)
        return mean + torch.exp(self.log_sigma(params)) * noise.normal(*mean.shape)
