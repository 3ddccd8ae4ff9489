"""The part that the Gaussian likelihoods share: their mean is an image, whose values lie in [0, 1]."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from vae_lab.types import Shape


class Bounded(nn.Module):
    """A Gaussian likelihood whose mean is the sigmoid of the decoder's output, without running state or offset."""

    takes = ("images",)
    discrete = False
    fits_sigma = False

    def params_shape(self, x_shape: Shape) -> Shape:
        """One number for each value of the image."""
        return x_shape

    def no_likelihood(self, target: Tensor) -> str:
        """A density of any image."""
        return ""

    def mean(self, params: Tensor) -> Tensor:
        """The expected image, in [0, 1]."""
        return torch.sigmoid(params)

    def squared_error(self, params: Tensor, target: Tensor) -> Tensor:
        """Σ (x − x̂)² over the image: [K, B]."""
        mean = self.mean(params)
        return sum_values(mse_loss(mean, target.expand_as(mean), reduction="none"))  # one pass, the square takes two

    def recon_offset(self, values: int) -> float:
        """``recon`` is the whole −log p."""
        return 0.0

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Nothing is kept."""

    def logs(self) -> dict[str, Tensor]:
        """Nothing to log."""
        return {}


def sum_values(x: Tensor) -> Tensor:
    """The sum over all values of an example: [K, B, ...] to [K, B]."""
    return x.flatten(2).sum(2)
