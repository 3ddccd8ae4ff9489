"""The σ-VAE: a Gaussian likelihood with one shared σ at its optimum (Rybkin et al. 2021, arXiv 2006.13202)."""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from vae_lab.functional import LOG_2PI
from vae_lab.likelihoods.bounded import Bounded
from vae_lab.types import Noise


class Sigma(Bounded):
    """N(x; x̂, σ*² I) with one σ* for all values of all images, computed in closed form (equation 7 of the paper).

    In training, σ*² is the mean squared error over all values of the batch and all K samples, so that recon =
    (D/2)(log 2πσ*² + 1). In validation and test, σ² is a running mean over training batches, which is saved in the
    checkpoint and never refitted. At first it is the mean over all steps, later over about the last ``1/rate`` steps.
    σ² is at least 1e-8. σ is logged as ``sigma``, in units of the [0, 1] range.

    Args:
        rate: smallest weight of a new batch in the running mean.

    >>> likelihood = Sigma()
    >>> params, target = torch.zeros(1, 5, 1, 8, 8), torch.full((5, 1, 8, 8), 0.4)  # x̂ = 0.5: every error is 0.1
    >>> likelihood.observe(params, target)
    >>> likelihood.logs()
    {'sigma': tensor(0.1000)}
    """

    mse: Tensor
    steps: Tensor
    fits_sigma = True

    def __init__(self, rate: PositiveFloat = 0.01) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("mse", torch.tensor(1.0))
        self.register_buffer("steps", torch.tensor(0.0))

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Update the running σ² with the mean squared error of this batch."""
        with torch.no_grad():
            batch = (target - self.mean(params)).square().mean().clamp(min=1e-8)
            self.mse, self.steps = running_mean(self.mse, batch, self.steps, self.rate)

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """log p(target|z) = −½ (SSE/σ² + D log 2πσ²): params [K, B, C, H, W], target [B, C, H, W] to [K, B] nats."""
        sse = self.squared_error(params, target)
        values = target[0].numel()
        # σ is detached: at the optimum, its gradient is zero for a batch mean, but not for a weighted bound.
        variance = (sse.detach().mean() / values).clamp(min=1e-8) if self.training else self.mse
        return -0.5 * (sse / variance + values * (LOG_2PI + torch.log(variance)))

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """A draw x̂ + σ ε with the running σ, of the shape of ``params``."""
        return self.mean(params) + torch.sqrt(self.mse) * noise.normal(*params.shape)

    def logs(self) -> dict[str, Tensor]:
        """``sigma``: the running σ, with which validation and test are scored."""
        return {"sigma": torch.sqrt(self.mse)}


def running_mean(mean: Tensor, new: Tensor, steps: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Update a running mean: over all values at first, later over about the last ``1/rate``.

    Args:
        mean: the present mean.
        new: the next value, of the same shape.
        steps: number of values so far, [].
        rate: smallest weight of a new value.

    Returns:
        The new mean and the new number of values.
    """
    weight = (1 / (steps + 1)).clamp(min=rate)
    return torch.lerp(mean, new.to(mean.dtype), weight), steps + 1
