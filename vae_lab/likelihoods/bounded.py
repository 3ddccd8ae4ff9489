"""What the Gaussians share: their mean is an image, whose values are in [0, 1]."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss


class Bounded(nn.Module):
    """The mean is the sigmoid of the decoder's output; nothing is kept and nothing left out."""

    params_per_value = 1
    discrete = False
    fits_sigma = False

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
    """[K, B, C, H, W] -> [K, B]."""
    return x.flatten(2).sum(2)
