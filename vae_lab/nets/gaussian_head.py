"""The last layer of a network that predicts a Gaussian, with the variance of the ladder VAE's authors."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.types import Normal, Shape

SMALLEST, LARGEST = 1e-4, 50.0  # variances below and above lead to densities that overflow early in training


class GaussianHead(nn.Module):
    """A linear map of features to a mean and a variance σ² = softplus(v), clamped to [10⁻⁴, 50].

    On a grid of features the map is a 1×1 convolution. The softplus gives the variance and not the standard deviation
    (arXiv 1602.02282, equation 5).

    Args:
        features: the shape of one example's features, F or F, H, W.
        channels: number of latent dimensions, or of latent channels at each place of the grid.
    """

    def __init__(self, features: Shape, channels: int) -> None:
        super().__init__()
        self.out_shape = (channels, *features[1:])
        self.layer = nn.Conv2d(features[0], 2 * channels, 1) if features[1:] else nn.Linear(features[0], 2 * channels)

    def forward(self, h: Tensor) -> Normal:
        """[N, *features] -> mean and log σ², each [N, channels, ...], in float32 also in mixed precision."""
        mu, v = self.layer(h).float().chunk(2, 1)
        return Normal(mu, torch.log(F.softplus(v).clamp(SMALLEST, LARGEST)))
