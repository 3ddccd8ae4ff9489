"""The plain hierarchy of latent variables, inferred from the bottom up: q(z₁|x) q(z₂|z₁) … q(z_L|z_{L−1}).

This is the model of several stochastic layers of Rezende et al. 2014 (arXiv 1401.4082) and Burda et al. 2016 (arXiv
1509.00519, equation 5), with p(z_L) Π p(z_i|z_{i+1}) p(x|z₁). The KL of the top level has a closed form given z_{L−1}.
Those of the levels below are log q(z_i|z_{i−1}) − log p(z_i|z_{i+1}) at the samples, which may be negative for a
single sample. As both papers on the ladder VAE and the IWAE report, upper levels carry little information.

>>> from vae_lab.likelihoods import Bernoulli
>>> from vae_lab.nets.dense_levels import DenseLevels
>>> from vae_lab.noise import SeededNoise
>>> model = Hierarchical(DenseLevels([32, 16], norm="none"), Bernoulli(), (1, 8, 8), latent_dims=[4, 2])
>>> latents = model.infer(torch.rand(5, 1, 8, 8), None, k=3, noise=SeededNoise("cpu", 0))
>>> [tuple(z.shape) for z in latents.z], [tuple(q.mu.shape) for q in latents.q]  # the top level first
([(3, 5, 2), (3, 5, 4)], [(3, 5, 2), (1, 5, 4)])
"""

from typing import cast

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from vae_lab.functional import kl_normal, log_normal, reparameterize
from vae_lab.models.gaussian_levels import GaussianLevels, check_levels, shape_seen
from vae_lab.nets.condition import Condition
from vae_lab.nets.gaussian_head import GaussianHead
from vae_lab.types import Latents, LevelArchitecture, Likelihood, Noise, Normal, Shape


class Hierarchical(GaussianLevels):
    """A hierarchy of any number of levels with inference from the bottom up, dense or convolutional.

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
        heads: list[GaussianHead] = []
        features: list[Shape] = []
        for level, dim in enumerate(latent_dims):
            up.append(net.upward(shape, level, seen))
            features.append(cast(Shape, up[-1].out_shape))
            heads.append(GaussianHead(features[-1], dim))
            shape = heads[-1].out_shape  # the next level is inferred from codes and not from features
        super().__init__(net, likelihood, x_shape, latent_dims, features, condition, vocabulary)
        self.kl_trains_prior = self.levels > 1
        self.up, self.q = nn.ModuleList(up), nn.ModuleList(heads)

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        """Draw every level for examples x [B, *x_shape], each [K, B, ...], the top level first.

        Args:
            x: examples.
            y: their labels or attributes, which only a conditional model reads.
            k: number of samples per example.
            noise: the source of the samples.
            densities: also compute log q(z|x) and log p(z), [K, B].
        """
        h = self.seen(x, y).unsqueeze(0)
        z: list[Tensor] = []
        q: list[Normal] = []
        for up, head in zip(self.up, self.q):
            flat = head(up(h.flatten(0, 1)))
            q.insert(0, Normal(*(moment.unflatten(0, h.shape[:2]) for moment in (flat.mu, flat.log_var))))
            h = reparameterize(q[0].mu, q[0].log_var, noise.normal(k, *q[0].mu.shape[1:]))
            z.insert(0, h)
        log_q = [log_normal(code, one.mu, one.log_var) for code, one in zip(z, q)]
        priors = [self.prior_of(level, above) for level, above in zip(reversed(range(self.levels - 1)), z)]
        log_p = [log_normal(z[0]), *(log_normal(code, p.mu, p.log_var) for code, p in zip(z[1:], priors))]
        kl = [kl_normal(q[0].mu, q[0].log_var), *(a - b for a, b in zip(log_q[1:], log_p[1:]))]
        latents = Latents(z=tuple(z), kl=tuple(kl), q=tuple(q))
        if densities:
            latents.log_q, latents.log_p = _total(log_q), _total(log_p)
        return latents


def _total(parts: list[Tensor]) -> Tensor:
    """The sum over dimensions and levels: tensors [K, B, ...] to [K, B]."""
    return torch.stack([part.flatten(2).sum(2) for part in parts]).sum(0)
