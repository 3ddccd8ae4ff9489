"""A σ of its own for every pixel, the same in all images, at its optimum (after arXiv 2006.13202, section 4)."""

from typing import Annotated

import torch
from annotated_types import Gt, Lt
from pydantic import PositiveFloat
from torch import Tensor

from vae_lab.functional import LOG_2PI
from vae_lab.likelihoods.bounded import Bounded, sum_values
from vae_lab.likelihoods.sigma import running_mean
from vae_lab.types import Noise, Shape


class SigmaPerPixel(Bounded):
    """N(x; x̂, diag σ*²) with one σ per value of an image; their mean is logged as ``sigma``.

    While training, σ*_p² is the mean squared error of value p over the batch (and all K samples), so that recon =
    Σ_p ½ (log 2πσ*_p² + 1). For val and test it is a running mean, as that of :class:`~vae_lab.likelihoods.Sigma`.

    A value that never varies would have σ = 0 and give −∞ to the loss. Each σ is therefore ``floor`` at least, which is
    the optimum among such σ; recon of such a value ends at log σ + ½ log 2π, −5.1 nats at the floor of the paper's
    code. A likelihood is comparable under one floor only.

    Args:
        x_shape: C, H, W of the images.
        rate: of the running mean.
        floor: the smallest σ, in units of the [0, 1] range; e⁻⁶ in the paper's code.
    """

    mse: Tensor
    steps: Tensor
    fits_sigma = True

    def __init__(
        self, x_shape: Shape, rate: PositiveFloat = 0.01, floor: Annotated[float, Gt(0), Lt(1)] = 0.0025
    ) -> None:
        super().__init__()
        self.rate, self.floor = rate, floor
        self.register_buffer("mse", torch.ones(x_shape))
        self.register_buffer("steps", torch.tensor(0.0))

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Fold this batch's mean squared errors into the running σ²."""
        with torch.no_grad():
            batch = self._optimum((target - self.mean(params)).square())
            self.mse, self.steps = running_mean(self.mse, batch, self.steps, self.rate)

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """−½ Σ_p ((x_p − x̂_p)²/σ_p² + log 2πσ_p²): [K, B]."""
        error = (target - self.mean(params)).square()
        variance = self._optimum(error.detach()) if self.training else self.mse
        return -0.5 * sum_values(error / variance + LOG_2PI + torch.log(variance))

    def _optimum(self, error: Tensor) -> Tensor:
        """σ*² of each value: squared errors [K, B, C, H, W] to [C, H, W]."""
        return error.mean((0, 1)).clamp(min=self.floor**2)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """x̂ + σ ε with the trained σ."""
        return self.mean(params) + torch.sqrt(self.mse) * noise.normal(*params.shape)

    def logs(self) -> dict[str, Tensor]:
        """The mean over pixels of the σ that val and test are scored with."""
        return {"sigma": torch.sqrt(self.mse).mean()}
