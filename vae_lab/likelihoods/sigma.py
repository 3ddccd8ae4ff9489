"""The σ-VAE: one shared σ at its optimum (Rybkin et al. 2021, arXiv 2006.13202, equation 7)."""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from vae_lab.functional import LOG_2PI
from vae_lab.likelihoods.bounded import Bounded
from vae_lab.types import Noise


class Sigma(Bounded):
    """N(x; x̂, σ*²) with one σ for all values of all images; logged as ``sigma``, in units of the [0, 1] range.

    While training, σ*² is the mean squared error over all values of the batch (and all K samples), so that recon =
    (D/2)(log 2πσ*² + 1). For val and test, σ² is a running mean over training batches, kept in the checkpoint and
    never refitted: over all steps so far at first, then over about the last ``1/rate``. σ² is 1e-8 at least.
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
        """Fold this batch's mean squared error into the running σ²."""
        with torch.no_grad():
            batch = (target - self.mean(params)).square().mean().clamp(min=1e-8)
            self.mse, self.steps = running_mean(self.mse, batch, self.steps, self.rate)

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """−(SSE/σ² + D log 2πσ²)/2: [K, B]."""
        sse = self.squared_error(params, target)
        values = target[0].numel()
        # No gradient passes through σ: at the optimum there is none, but single samples of a bound would get one.
        variance = (sse.detach().mean() / values).clamp(min=1e-8) if self.training else self.mse
        return -0.5 * (sse / variance + values * (LOG_2PI + torch.log(variance)))

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """x̂ + σ ε with the trained σ."""
        return self.mean(params) + torch.sqrt(self.mse) * noise.normal(*params.shape)

    def logs(self) -> dict[str, Tensor]:
        """The σ that val and test are scored with."""
        return {"sigma": torch.sqrt(self.mse)}


def running_mean(mean: Tensor, new: Tensor, steps: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """The mean of all values so far, later of about the last ``1/rate``; with the number of values."""
    weight = (1 / (steps + 1)).clamp(min=rate)
    return torch.lerp(mean, new.to(mean.dtype), weight), steps + 1
