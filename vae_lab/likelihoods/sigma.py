"""The σ-VAE: a Gaussian likelihood with one shared σ at its optimum (Rybkin et al. 2021, arXiv 2006.13202)."""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from vae_lab.functional import LOG_2PI
from vae_lab.likelihoods.bounded import Bounded
from vae_lab.types import Noise


class Sigma(Bounded):
    """N(x; x̂, σ*² I) with one σ* for all values of all images, computed in closed form (equation 7 of the paper).

    The training loss uses the σ*² of the batch, the mean squared error over all its values and all K samples, so that
    it contains (D/2)(log 2πσ*² + 1). A σ that is fitted to the very images that it scores gives no bound on their
    likelihood. Everything that is reported, the terms of training included, therefore uses a running mean
    of σ*² over earlier training batches (:func:`running_mean`), which is saved in the checkpoint and never refitted:
    about the last tenth of all steps, at most about the last ``1/rate`` steps. The very first batch is scored with
    σ = 1. σ² is at least 1e-8. σ is logged as ``sigma``, in units of the [0, 1] range.

    With ``objective=iwae``, σ*² remains the unweighted mean over the K samples. It is the optimum of the ELBO of these
    samples, but not that of the importance-weighted bound, in which samples of small error have larger weights. The
    bound is valid, but lower than at its own σ (by about 1.6 of 394 nats in one measurement with likelihood=sigma).

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

    def __init__(self, rate: PositiveFloat = 0.001) -> None:
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
        """log p(target|z) = −½ (SSE/σ² + D log 2πσ²): params [K, B, C, H, W], target [B, C, H, W] to [K, B] nats.

        In training mode, σ² is the optimum for these targets.
        """
        sse = self.squared_error(params, target)
        if not self.training:
            return _log_prob(sse, self.mse, target[0].numel())
        # σ is detached: at the optimum, its gradient is zero for a batch mean, but not for a weighted bound.
        optimum = (sse.detach().mean() / target[0].numel()).clamp(min=1e-8)
        return _log_prob(sse, optimum, target[0].numel())

    def scored_log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """The same with the running σ² in training mode, too: [K, B] nats."""
        return _log_prob(self.squared_error(params, target), self.mse, target[0].numel())

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """A draw x̂ + σ ε with the running σ, of the shape of ``params``."""
        return self.mean(params) + torch.sqrt(self.mse) * noise.normal(*params.shape)

    def logs(self) -> dict[str, Tensor]:
        """``sigma``: the running σ, with which everything that is reported is scored."""
        return {"sigma": torch.sqrt(self.mse)}


def _log_prob(sse: Tensor, variance: Tensor, values: int) -> Tensor:
    """The log density at sums of squared errors [K, B] of that many values: [K, B] nats."""
    return -0.5 * (sse / variance + values * (LOG_2PI + torch.log(variance)))


def running_mean(mean: Tensor, new: Tensor, steps: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Update a running mean over about the last tenth of all values, at most about the last ``1/rate``.

    The weight of the new value is the larger of 10/(t + 9) and ``rate`` if it is the t-th. This is polynomial-decay
    averaging with η = 9 (Shamir & Zhang 2013, arXiv 1212.1824, section 4): while it grows, the mean gives the s-th of t
    values a weight proportional to s (s + 1) … (s + 8). It forgets the first, large errors of training quickly, has no
    bias towards a starting value, and becomes less noisy as the errors settle.

    Args:
        mean: the present mean.
        new: the next value, of the same shape.
        steps: number of values so far, [].
        rate: smallest weight of a new value.

    Returns:
        The new mean and the new number of values.
    """
    weight = (10 / (steps + 10)).clamp(min=rate)
    return torch.lerp(mean, new.to(mean.dtype), weight), steps + 1
