"""The base class of the Gaussian likelihoods, whose mean is an image with values in [0, 1]."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from vae_lab.types import Shape


class Bounded(nn.Module):
    """A Gaussian likelihood whose mean is x̂ = sigmoid(params), without running state and without an offset of recon.

    Subclasses define ``log_prob`` and ``sample``, and override the defaults below where they differ.
    """

    takes = ("images",)
    discrete = False
    fits_sigma = False

    def params_shape(self, x_shape: Shape) -> Shape:
        """One number for each value of the image: ``x_shape``."""
        return x_shape

    def no_likelihood(self, target: Tensor) -> str:
        """An empty string: the density is defined for every image."""
        return ""

    def mean(self, params: Tensor) -> Tensor:
        """The expected image x̂, in [0, 1]: [K, B, C, H, W]."""
        return torch.sigmoid(params)

    def params_of_mean(self, mean: Tensor) -> Tensor:
        """The ``params`` that give this mean x̂ [C, H, W], clipped to [0.001, 0.999]: logit(x̂), of the same shape."""
        return torch.logit(mean, 1e-3)

    def squared_error(self, params: Tensor, target: Tensor) -> Tensor:
        """The sum of squared errors Σ (x − x̂)² over the image: [K, B]."""
        mean = self.mean(params)
        # mse_loss makes one pass over memory; a difference and a square make two.
        return sum_values(mse_loss(mean, target.expand_as(mean), reduction="none"))

    def recon_offset(self, values: int) -> float:
        """0: ``recon`` is the complete −log p."""
        return 0.0

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Do nothing: there is no running state."""

    def logs(self) -> dict[str, Tensor]:
        """No terms: there is no running state."""
        return {}


def sum_values(x: Tensor) -> Tensor:
    """The sum over all values of an example: [K, B, ...] to [K, B]."""
    return x.flatten(2).sum(2)
