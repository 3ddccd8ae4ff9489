"""The generative half of a hierarchy of Gaussian levels: p(x, z) = p(z_L) Π_i p(z_i|z_{i+1}) p(x|z_1).

p(z_L) = N(0, I), and each p(z_i|z_{i+1}) is a diagonal Gaussian whose moments a network computes from the level above
(arXiv 1602.02282, equations 1 to 3). Models differ in their inference: :mod:`vae_lab.models.ladder` infers from the
top down, :mod:`vae_lab.models.hierarchical` from the bottom up.

Levels are numbered from 1 at the bottom in equations and from 0 at the bottom in lists of networks. Tuples of latents
start with the top level, as everywhere in this package.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from vae_lab.errors import UserError, counted
from vae_lab.functional import log_normal, reparameterize
from vae_lab.nets.condition import Condition
from vae_lab.nets.gaussian_head import GaussianHead
from vae_lab.types import LevelArchitecture, Likelihood, Noise, Normal, Shape


class GaussianLevels(nn.Module):
    """The priors of all levels, the decoder and the likelihood; a subclass adds the networks of inference.

    A conditional model has p(x|z, y) and q(z|x, y), with the same p(z) for every y.

    Args:
        net: makes the networks between the levels.
        likelihood: p(x|z).
        x_shape: shape of one example.
        latent_dims: dimensions of the code at each level, the lowest level first; channels, where codes are grids.
        features: shapes of the features from which the Gaussians of each level are computed, the lowest level first.
        condition: adds the label or the attributes of each example; None for a model without condition.
        vocabulary: number of tokens; 0 if the examples do not consist of tokens.
    """

    deterministic = False
    generation: Sequence[str] = ("down.", "p.", "decoder.", "likelihood.")

    def __init__(
        self,
        net: LevelArchitecture,
        likelihood: Likelihood,
        x_shape: Shape,
        latent_dims: Sequence[int],
        features: Sequence[Shape],
        condition: Condition | None,
        vocabulary: int,
    ) -> None:
        super().__init__()
        self.x_shape, self.likelihood, self.condition = tuple(x_shape), likelihood, condition
        self.vocabulary = vocabulary
        self.conditional = condition is not None
        self.levels = len(latent_dims)
        self.standard_prior = self.levels == 1
        codes = [(dim, *shape[1:]) for dim, shape in zip(latent_dims, features)]
        self.latent_shapes = tuple(reversed(codes))
        self.down = nn.ModuleList(
            net.downward(above, shape, level) for level, (shape, above) in enumerate(zip(features, codes[1:]))
        )
        self.p = nn.ModuleList(GaussianHead(shape, dim) for shape, dim in zip(features[:-1], latent_dims))
        given = condition.y_size if condition else 0
        self.decoder = net.output((codes[0][0] + given, *codes[0][1:]), likelihood.params_shape(self.x_shape))

    def seen(self, x: Tensor, y: Tensor | None) -> Tensor:
        """What inference sees of examples [B, *x_shape]: images with the channel of y, or tokens as one-hot vectors."""
        if self.vocabulary:
            return one_hot(x, self.vocabulary).float()
        return self.condition.beside_image(x, y) if self.condition else x

    def prior_of(self, level: int, above: Tensor) -> Normal:
        """p(z_i|z_{i+1}) for codes of the level above, [K, B, ...]; both moments are [K, B, ...]."""
        prior: Normal = self.p[level](self.down[level](above.flatten(0, 1)))
        return Normal(*(moment.unflatten(0, above.shape[:2]) for moment in (prior.mu, prior.log_var)))

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """log p(z) over all levels: codes [K, B, ...] to [K, B] nats."""
        log_p = log_normal(z[0]).flatten(2).sum(2)
        for level, (above, code) in zip(reversed(range(self.levels - 1)), pairwise(z)):
            prior = self.prior_of(level, above)
            log_p = log_p + log_normal(code, prior.mu, prior.log_var).flatten(2).sum(2)
        return log_p

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """Codes of the lowest level to the parameters of the likelihood, [K, B, *params_shape]."""
        code = self.condition.beside_code(z[-1], y) if self.condition else z[-1]
        params: Tensor = self.decoder(code.flatten(0, 1))
        return params.unflatten(0, code.shape[:2])

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise, top: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        """n draws from p(z), each level [1, n, ...]; the codes ``top`` are kept, and the levels below drawn given them.

        With :class:`vae_lab.noise.NoNoise` each drawn level is at the mean of its prior.
        """
        z = list(top) or [noise.normal(1, n, *self.latent_shapes[0])]
        for level in reversed(range(self.levels - len(z))):
            prior = self.prior_of(level, z[-1])
            z.append(reparameterize(prior.mu, prior.log_var, noise.normal(*prior.mu.shape)))
        return tuple(z)


def shape_seen(x_shape: Shape, condition: Condition | None, vocabulary: int) -> Shape:
    """The shape of what inference sees of one example (:meth:`GaussianLevels.seen`)."""
    if vocabulary:
        return (*x_shape, vocabulary)
    return condition.seen_shape if condition else tuple(x_shape)


def kl_normals(q: Normal, p: Normal) -> Tensor:
    """KL[N(μ_q, σ_q²) ‖ N(μ_p, σ_p²)] = ½ ((μ_q − μ_p)²/σ_p² + σ_q²/σ_p² − 1 − log σ_q²/σ_p²) in nats, elementwise."""
    ratio = q.log_var - p.log_var
    return 0.5 * ((q.mu - p.mu).square() * torch.exp(-p.log_var) + torch.expm1(ratio) - ratio)


def check_levels(net: LevelArchitecture, latent_dims: Sequence[int]) -> None:
    """Refuse a number of latent dimensions other than the number of levels of the networks.

    Raises:
        UserError: the numbers differ.
    """
    if len(latent_dims) != net.levels:
        raise UserError(
            f"model.latent_dims has {counted(len(latent_dims), 'entry', 'entries')}, and the networks have "
            f"{counted(net.levels, 'level')}; type {counted(net.levels, 'entry', 'entries')}, or change the networks "
            "(model.net.widths or model.net.channels)"
        )
