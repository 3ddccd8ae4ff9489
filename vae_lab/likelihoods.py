"""p(x|z): how an image is scored against what the decoder says. All values are nats per image.

A decoder gives ``params`` [K, B, C', H, W] without bounds; each likelihood says what they mean. Targets are in [0, 1].
"""

import math

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.functional import LOG_2PI
from vae_lab.types import Noise


def _sum(x: Tensor) -> Tensor:
    """[K, B, C, H, W] -> [K, B]."""
    return x.flatten(2).sum(2)


class _Bounded(nn.Module):
    """Shared by the Gaussians: the mean is the sigmoid of the decoder's output, since images are in [0, 1]."""

    params_per_value = 1
    discrete = False

    def mean(self, params: Tensor) -> Tensor:
        """The expected image, in [0, 1]."""
        return torch.sigmoid(params)

    def squared_error(self, params: Tensor, target: Tensor) -> Tensor:
        """Σ (x − x̂)² over the image: [K, B]."""
        return _sum((target - self.mean(params)).square())

    def recon_offset(self, values: int) -> float:
        """``recon`` is the whole −log p."""
        return 0.0

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Nothing is kept."""


class MSE(_Bounded):
    """The squared error: a Gaussian of fixed variance ½, −log p(x|z) = Σ (x − x̂)² + (D/2) log π.

    The reported ``recon`` is the plain sum of squared errors (SSE); ``elbo`` contains the constant (D/2) log π, so
    that it can be compared with that of the other likelihoods.
    """

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """−SSE − (D/2) log π: [K, B]."""
        return -self.squared_error(params, target) - self.recon_offset(target[0].numel())

    def recon_offset(self, values: int) -> float:
        """(D/2) log π."""
        return 0.5 * values * math.log(math.pi)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """x̂ + √½ ε."""
        return self.mean(params) + math.sqrt(0.5) * noise.normal(*params.shape)


class Gaussian(_Bounded):
    """N(x; x̂, σ²) with one fixed σ: −log p = SSE/(2σ²) + D log σ + (D/2) log 2π."""

    def __init__(self, sigma: PositiveFloat) -> None:
        super().__init__()
        self.sigma = sigma

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """[K, B]."""
        values = target[0].numel()
        constant = values * (math.log(self.sigma) + 0.5 * LOG_2PI)
        return -self.squared_error(params, target) / (2 * self.sigma**2) - constant

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """x̂ + σ ε."""
        return self.mean(params) + self.sigma * noise.normal(*params.shape)


class Sigma(_Bounded):
    """σ-VAE with one shared σ at its optimum (Rybkin et al. 2021, arXiv 2006.13202, equation 7).

    While training, σ*² is the mean squared error over all values of the batch (and all K samples), so that recon =
    (D/2)(log 2πσ*² + 1). For val and test, σ² is a running mean over training batches, kept in the checkpoint and
    never refitted: over all steps so far at first, then over about the last ``1/rate``.
    """

    mse: Tensor
    steps: Tensor

    def __init__(self, rate: PositiveFloat = 0.01) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("mse", torch.tensor(1.0))
        self.register_buffer("steps", torch.tensor(0.0))

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Fold this batch's mean squared error into the running σ²."""
        with torch.no_grad():
            batch = (target - self.mean(params)).square().mean().clamp(min=1e-8)
            weight = (1 / (self.steps + 1)).clamp(min=self.rate)
            self.mse = torch.lerp(self.mse, batch.to(self.mse.dtype), weight)
            self.steps = self.steps + 1

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """−(SSE/σ² + D log 2πσ²)/2: [K, B]."""
        sse = self.squared_error(params, target)
        values = target[0].numel()
        variance = (sse.mean() / values).clamp(min=1e-8) if self.training else self.mse
        return -0.5 * (sse / variance + values * (LOG_2PI + torch.log(variance)))

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """x̂ + σ ε with the trained σ."""
        return self.mean(params) + torch.sqrt(self.mse) * noise.normal(*params.shape)


class Bernoulli(nn.Module):
    """Independent pixels, p = sigmoid(params): −log p = Σ cross-entropy, on logits.

    A likelihood for binary images (``dataset.binarize``). On grey levels the same expression is a loss, not a
    log-probability: published tables use binarised images.
    """

    params_per_value = 1
    discrete = True

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """[K, B]."""
        target = target.expand_as(params)
        return -_sum(F.binary_cross_entropy_with_logits(params, target, reduction="none"))

    def recon_offset(self, values: int) -> float:
        """``recon`` is the whole −log p."""
        return 0.0

    def mean(self, params: Tensor) -> Tensor:
        """P(x = 1), in [0, 1]."""
        return torch.sigmoid(params)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """Black and white pixels."""
        return (noise.uniform(*params.shape) < self.mean(params)).to(params.dtype)

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Nothing is kept."""
