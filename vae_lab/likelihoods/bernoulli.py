"""Black and white pixels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_lab.likelihoods.bounded import sum_values
from vae_lab.types import Noise, Shape


class Bernoulli(nn.Module):
    """Independent pixels, p = sigmoid(params): −log p = Σ cross-entropy, on logits.

    A likelihood for binary images (``dataset.binarize``). On grey levels the same expression is a loss, not a
    log-probability: published tables use binarised images.
    """

    takes = ("images",)
    discrete = True
    fits_sigma = False

    def params_shape(self, x_shape: Shape) -> Shape:
        """One logit for each pixel."""
        return x_shape

    def no_likelihood(self, target: Tensor) -> str:
        """Grey levels have no probability under this likelihood."""
        if bool(((target == 0) | (target == 1)).all()):
            return ""
        return "grey levels have no probability under likelihood=bernoulli; train with dataset.binarize=dynamic"

    def log_prob(self, params: Tensor, target: Tensor) -> Tensor:
        """[K, B]."""
        target = target.expand_as(params)
        return -sum_values(F.binary_cross_entropy_with_logits(params, target, reduction="none"))

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

    def logs(self) -> dict[str, Tensor]:
        """Nothing to log."""
        return {}
