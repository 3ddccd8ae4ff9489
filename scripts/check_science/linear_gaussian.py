"""Probabilistic PCA, x = W z + b + σ ε: a model whose likelihood, posterior and bounds have closed forms.

Tipping & Bishop 1999: p(x) = N(b, W Wᵀ + σ² I) and p(z|x) = N(M⁻¹ Wᵀ (x − b), σ² M⁻¹) with M = Wᵀ W + σ² I. The columns
of W are orthogonal here, so that the posterior is a diagonal Gaussian, which the encoder can represent exactly.
"""

from functools import cached_property

import numpy as np
import torch
from scipy.stats import multivariate_normal
from torch import Tensor, nn
from torch import distributions as D

from check_science.cases import config_of
from vae_lab.config.make import make
from vae_lab.likelihoods import Gaussian
from vae_lab.models.single_level import SingleLevel
from vae_lab.noise import SeededNoise
from vae_lab.posteriors import DiagonalNormal
from vae_lab.types import Batch, Objective, Step

SIGMA = 0.5


class Unbounded(Gaussian):
    """The package's Gaussian likelihood with the decoder's output itself as the mean, and not its sigmoid."""

    def mean(self, params: Tensor) -> Tensor:
        """The decoder's output."""
        return params


class Linear:
    """A network pair: the encoder passes the values on, the decoder is z ↦ W z + b."""

    def __init__(self, decoder: nn.Linear) -> None:
        self.linear = decoder

    def encoder(self, x_shape: tuple[int, ...]) -> nn.Module:
        """Flatten the values."""
        flat = nn.Flatten()
        flat.out_features = int(np.prod(x_shape))  # type: ignore[assignment]
        return flat

    def decoder(self, latent_dim: int, out_shape: tuple[int, ...]) -> nn.Module:
        """W z + b in the shape of an image."""
        return nn.Sequential(self.linear, nn.Unflatten(1, out_shape))


class LinearGaussian:
    """The model, and what is known about it.

    Args:
        values: number of values of an image.
        dims: size of the code.
        images: number of images.
        shift, widen: the encoder's posterior is the exact one, shifted by ``shift`` and ``widen`` times as wide.
    """

    def __init__(self, values: int, dims: int, images: int = 5, shift: float = 0.0, widen: float = 1.0) -> None:
        random = torch.Generator().manual_seed(values)
        columns = torch.linalg.qr(torch.randn(values, dims, generator=random))[0]
        self.w, self.b = columns * torch.linspace(0.6, 1.4, dims), torch.rand(values, generator=random)
        self.pixels = torch.randint(0, 256, (images, 1, 1, values), generator=random, dtype=torch.uint8)
        self.x = self.pixels / 255
        linear = nn.Linear(dims, values)
        self.model = SingleLevel(Linear(linear), DiagonalNormal, Unbounded(SIGMA), (1, 1, values), dims)
        precision = (self.w**2).sum(0) / SIGMA**2 + 1  # the diagonal of M / σ²
        to_mean = self.w.T / SIGMA**2 / precision[:, None]
        with torch.no_grad():
            linear.weight.copy_(self.w)
            linear.bias.copy_(self.b)
            self.model.posterior.mu.weight.copy_(to_mean)
            self.model.posterior.mu.bias.copy_(shift - to_mean @ self.b)
            self.model.posterior.log_var.weight.zero_()
            self.model.posterior.log_var.bias.copy_(-precision.log() + 2 * np.log(widen))
        self.exact = D.Normal((self.x.flatten(1) - self.b) @ to_mean.T, precision.rsqrt().expand(images, dims))
        self.q = D.Normal(self.exact.loc + shift, self.exact.scale * widen)

    def log_px(self) -> np.ndarray:
        """The exact log p(x) of each image, by SciPy: [B]."""
        covariance = (self.w @ self.w.T).numpy() + SIGMA**2 * np.eye(len(self.b))
        return np.atleast_1d(multivariate_normal(self.b.numpy(), covariance).logpdf(self.x.flatten(1).numpy()))

    def elbo(self) -> np.ndarray:
        """log p(x) − KL[q(z|x) ‖ p(z|x)] of each image: [B]."""
        return self.log_px() - D.kl_divergence(self.q, self.exact).sum(1).numpy()

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """200 nodes of a code under q(z|x), as log w, and their probabilities."""
        points, weights = np.polynomial.hermite_e.hermegauss(200)
        z = self.q.loc[0] + self.q.scale[0] * torch.tensor(points)
        log_w = self.log_px()[0] + (self.exact.log_prob(z) - self.q.log_prob(z))[0]  # p(x, z) = p(x) p(z|x)
        return log_w.numpy(), weights / weights.sum()

    def quadrature_of_two(self) -> float:
        """E log ½ (w_1 + w_2) of the first image, for a code of one dimension."""
        log_w, p = self._nodes
        return float(p @ (np.logaddexp.outer(log_w, log_w) - np.log(2)) @ p)

    def variance_of_weights(self) -> float:
        """Var(w / p(x)) of the first image, for a code of one dimension."""
        log_w, p = self._nodes
        return float(p @ np.exp(2 * (log_w - self.log_px()[0])) - 1)

    def objective(self, *words: str) -> Objective:
        """The objective of these words of a command line."""
        return make(config_of(*words)["objective"])

    def loss(self, *words: str, noise_key: int = 0, copies: int = 1) -> Tensor:
        """The loss of an objective on all images, each of which occurs ``copies`` times."""
        x = self.x.repeat(copies, 1, 1, 1)
        step = Step(torch.tensor(0.0), torch.tensor(0.0), SeededNoise("cpu", noise_key), "model", len(self.x))
        with torch.no_grad():
            return self.objective(*words)(self.model, Batch(x, x, None), step).loss
