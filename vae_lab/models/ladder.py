"""The ladder VAE: inference from the top down, weighted by precision (Sønderby et al. 2016, arXiv 1602.02282).

A deterministic pass upwards gives features d_i and from them estimates μ̂_i, σ̂_i² of every level. The pass downwards
combines them with the prior p(z_i|z_{i+1}) = N(μ_p, σ_p²), as in a product of Gaussians (equations 17 to 19):

    σ_i² = 1 / (σ̂_i⁻² + σ_p⁻²),   μ_i = σ_i² (μ̂_i σ̂_i⁻² + μ_p σ_p⁻²),   q(z_L|x) = N(μ̂_L, σ̂_L²).

The KL of a level given the level above has a closed form. As the paper reports, the upper levels stay empty without
batch normalisation and a warm-up of the KL.

>>> from vae_lab.likelihoods import Bernoulli
>>> from vae_lab.nets.dense_levels import DenseLevels
>>> from vae_lab.noise import SeededNoise
>>> model = Ladder(DenseLevels([32, 16], norm="none"), Bernoulli(), (1, 8, 8), latent_dims=[4, 2])
>>> latents = model.infer(torch.rand(5, 1, 8, 8), None, k=3, noise=SeededNoise("cpu", 0))
>>> [tuple(z.shape) for z in latents.z], [tuple(kl.shape) for kl in latents.kl]  # the top level first
([(3, 5, 2), (3, 5, 4)], [(1, 5, 2), (3, 5, 4)])
"""

from typing import cast

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from vae_lab.functional import kl_normal, log_normal, reparameterize
from vae_lab.models.gaussian_levels import GaussianLevels, check_levels, kl_normals, shape_seen
from vae_lab.nets.condition import Condition
from vae_lab.nets.gaussian_head import GaussianHead
from vae_lab.types import Latents, LevelArchitecture, Likelihood, Noise, Normal, Shape


class Ladder(GaussianLevels):
    """A ladder VAE of any number of levels, dense or convolutional; the equations are in the module's docstring.

    Args:
        net: makes the networks between the levels.
        likelihood: p(x|z).
        x_shape: shape of one example.
        latent_dims: dimensions of the code at each level, the lowest level first; channels, where codes are grids.
        conditional: whether inference and the decoder also receive the label or the attributes of each example.
        y_size: number of classes or attributes; 0 if the dataset has none.
        vocabulary: number of tokens; 0 if the examples do not consist of tokens.

    Raises:
        UserError: ``latent_dims`` has another number of levels than the networks.
    """

    kl_trains_prior = False  # q contains the parameters of p, so the reconstruction trains them too
    inference = ("up.", "q.", "condition.")

    def __init__(
        self,
        net: LevelArchitecture,
        likelihood: Likelihood,
        x_shape: Shape,
        latent_dims: list[PositiveInt],
        conditional: bool = False,
        y_size: int = 0,
        vocabulary: int = 0,
    ) -> None:
        check_levels(net, latent_dims)
        condition = Condition(tuple(x_shape), y_size) if conditional else None
        shape = seen = shape_seen(tuple(x_shape), condition, vocabulary)
        up: list[nn.Module] = []
        features: list[Shape] = []
        for level in range(net.levels):
            up.append(net.upward(shape, level, seen))
            shape = cast(Shape, up[-1].out_shape)
            features.append(shape)
        super().__init__(net, likelihood, x_shape, latent_dims, features, condition, vocabulary)
        self.up = nn.ModuleList(up)
        self.q = nn.ModuleList(GaussianHead(shape, dim) for shape, dim in zip(features, latent_dims))

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        """Draw every level for examples x [B, *x_shape], each [K, B, ...], the top level first.

        Args:
            x: examples.
            y: their labels or attributes, which only a conditional model reads.
            k: number of samples per example.
            noise: the source of the samples.
            densities: also compute log q(z|x) and log p(z), [K, B].
        """
        lower, top = self._estimates(x, y)
        z = [reparameterize(top.mu, top.log_var, noise.normal(k, *top.mu.shape[1:]))]
        q, kl = [top], [kl_normal(top.mu, top.log_var)]
        log_p = log_normal(z[0]).flatten(2).sum(2) if densities else None
        for level in reversed(range(self.levels - 1)):
            prior = self.prior_of(level, z[-1])
            q.append(merged(lower[level], prior))
            z.append(reparameterize(q[-1].mu, q[-1].log_var, noise.normal(*q[-1].mu.shape)))
            kl.append(kl_normals(q[-1], prior))
            if log_p is not None:
                log_p = log_p + log_normal(z[-1], prior.mu, prior.log_var).flatten(2).sum(2)
        latents = Latents(z=tuple(z), kl=tuple(kl), q=tuple(q), log_p=log_p)
        if densities:
            parts = [log_normal(code, one.mu, one.log_var).flatten(2).sum(2) for code, one in zip(z, q)]
            latents.log_q = torch.stack(parts).sum(0)
        return latents

    def _estimates(self, x: Tensor, y: Tensor | None) -> tuple[list[Normal], Normal]:
        """μ̂_i and σ̂_i² of the levels below the top, the lowest first, and of the top; each [1, B, ...]."""
        h, estimates = self.seen(x, y), []
        for up, head in zip(self.up, self.q):
            h = up(h)
            estimate = head(h)
            estimates.append(Normal(estimate.mu.unsqueeze(0), estimate.log_var.unsqueeze(0)))
        *lower, top = estimates
        return lower, top


def merged(a: Normal, b: Normal) -> Normal:
    """The normalised product of two Gaussians: σ⁻² = σ_a⁻² + σ_b⁻², μ = σ² (μ_a σ_a⁻² + μ_b σ_b⁻²), elementwise."""
    log_precision = torch.logaddexp(-a.log_var, -b.log_var)
    share = torch.sigmoid(b.log_var - a.log_var)  # σ_a⁻² / (σ_a⁻² + σ_b⁻²)
    return Normal(torch.lerp(b.mu.expand_as(share), a.mu.expand_as(share), share), -log_precision)
