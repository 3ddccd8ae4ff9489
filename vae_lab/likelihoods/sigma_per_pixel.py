"""A Gaussian likelihood with one σ per pixel position, shared by all images (after arXiv 2006.13202, section 4)."""

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
    """N(x; x̂, diag σ*²) with one σ*_p for each value p of an image, computed in closed form.

    The training loss uses the σ*_p² of the batch, the mean squared error of value p over the batch and all K samples,
    so that it contains Σ_p ½ (log 2πσ*_p² + 1). Everything that is reported uses a running mean over earlier training
    batches, as in :class:`~vae_lab.likelihoods.Sigma`; here, the difference between the two can be hundreds of nats.
    The mean of all σ_p is logged as ``sigma``.

    A value that never varies would have σ = 0, and its loss would be −∞. Therefore no σ is smaller than ``floor``; the
    clamped σ is the optimum under this constraint. The recon of a value that never varies tends to log σ + ½ log 2π,
    which is −5.1 nats at the floor of the paper's code. Likelihoods are comparable only if their floors are equal.

    A pixel whose σ is at the floor costs up to 1/(2 floor²) nats in an image where it differs: 80,000 at the default.
    On MNIST, 95 of 784 pixels are at the floor, and a few images with stray pixels rule the means of recon and ELBO
    (docs/terms.md gives standard errors). A larger floor makes these means robust.

    Args:
        x_shape: shape C, H, W of the images.
        rate: smallest weight of a new batch in the running mean.
        floor: smallest σ, in units of the [0, 1] range; it is e⁻⁶ in the paper's code.
    """

    mse: Tensor
    steps: Tensor
    fits_sigma = True

    def __init__(
        self, x_shape: Shape, rate: PositiveFloat = 0.001, floor: Annotated[float, Gt(0), Lt(1)] = 0.0025
    ) -> None:
        super().__init__()
        self.rate, self.floor = rate, floor
        self.register_buffer("mse", torch.ones(x_shape))
        self.register_buffer("steps", torch.tensor(0.0))

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Update the running σ² with the mean squared errors of this batch."""
        with torch.no_grad():
            batch = self._optimum((target - self.mean(params)).square())
            self.mse, self.steps = running_mean(self.mse, batch, self.steps, self.rate)

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """log p(target|z) = −½ Σ_p ((x_p − x̂_p)²/σ_p² + log 2πσ_p²).

        In training mode, σ² is the optimum for these targets.

        Args:
            params: [K, B, C, H, W].
            target: [B, C, H, W]. The result is [K, B] nats.
        """
        error = (target - self.mean(params)).square()
        return _log_prob(error, self._optimum(error.detach()) if self.training else self.mse)

    def scored_log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """The same with the running σ² in training mode, too: [K, B] nats."""
        return _log_prob((target - self.mean(params)).square(), self.mse)

    def _optimum(self, error: Tensor) -> Tensor:
        """The optimal σ*² of each value: squared errors [K, B, C, H, W] to [C, H, W]."""
        return error.mean((0, 1)).clamp(min=self.floor**2)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """A draw x̂ + σ ε with the running σ, of the shape of ``params``."""
        return self.mean(params) + torch.sqrt(self.mse) * noise.normal(*params.shape)

    def logs(self) -> dict[str, Tensor]:
        """``sigma``: the mean over pixels of the running σ, with which everything is scored."""
        return {"sigma": torch.sqrt(self.mse).mean()}


def _log_prob(error: Tensor, variance: Tensor) -> Tensor:
    """The log density at squared errors [K, B, C, H, W] with variances [C, H, W]: [K, B] nats."""
    return -0.5 * sum_values(error / variance + LOG_2PI + torch.log(variance))
