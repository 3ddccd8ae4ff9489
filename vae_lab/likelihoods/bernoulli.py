"""The Bernoulli likelihood of black and white pixels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.likelihoods.bounded import sum_values
from vae_lab.types import Noise, Shape


class Bernoulli(nn.Module):
    """Independent binary pixels with probability p = sigmoid(params) of being white.

    −log p(x|z) = −Σ (x log p + (1 − x) log (1 − p)), computed from the logits. This is a likelihood for binary images
    (``dataset.binarize``). For grey levels the same expression is only a loss and not a log-probability; published
    tables use binarised images.
    """

    takes = ("images",)
    discrete = True
    fits_sigma = False

    def params_shape(self, x_shape: Shape) -> Shape:
        """One logit for each pixel: ``x_shape``."""
        return x_shape

    def no_likelihood(self, target: Tensor) -> str:
        """The reason, where the targets contain grey levels; an empty string where all values are 0 or 1."""
        if bool(((target == 0) | (target == 1)).all()):
            return ""
        return "grey levels have no probability under likelihood=bernoulli; train with dataset.binarize=dynamic"

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """log p(target|z): params [K, B, C, H, W] and target [B, C, H, W] to [K, B] nats."""
        target = target.expand_as(params)
        return -sum_values(F.binary_cross_entropy_with_logits(params, target, reduction="none"))

    def recon_offset(self, values: int) -> float:
        """0: ``recon`` is the complete −log p."""
        return 0.0

    def mean(self, params: Tensor) -> Tensor:
        """The probability p of white, in [0, 1], of the shape of ``params``."""
        return torch.sigmoid(params)

    def params_of_mean(self, mean: Tensor) -> Tensor:
        """The logits of these probabilities [C, H, W], clipped to [0.001, 0.999]; of the same shape."""
        return torch.logit(mean, 1e-3)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """A black and white image: 0 or 1 for each pixel."""
        return (noise.uniform(*params.shape) < self.mean(params)).to(params.dtype)

    def observe(self, params: Tensor, target: Tensor) -> None:
        """Do nothing: this likelihood has no running state."""

    def logs(self) -> dict[str, Tensor]:
        """No terms: this likelihood has no running state."""
        return {}
