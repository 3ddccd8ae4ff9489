"""The VAE of Kingma & Welling (arXiv 1312.6114): one latent vector z ~ p(z), x ~ p(x|z).

Conditional: p(x|z, y) and q(z|x, y) with the same p(z) for every y, the variant of Sohn et al. 2015 ("Learning
structured output representation using deep conditional generative models", NIPS) in which the latents do not depend on
what is given (their section 4.1; M2 of Kingma et al. 2014, arXiv 1406.5298). What they call x, the given, is y here.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh, one_hot

from vae_lab.errors import UserError
from vae_lab.functional import kl_normal, log_normal
from vae_lab.nets.condition import Condition
from vae_lab.posteriors.diagonal import DiagonalNormal
from vae_lab.priors.standard import StandardNormal
from vae_lab.types import Architecture, Latents, Likelihood, Noise, Normal, Posterior, Prior, Shape


class SingleLevel(nn.Module):
    """An encoder, a posterior, a decoder and a likelihood around one vector of ``latent_dim`` numbers.

    Args:
        net: the pair of networks. It may declare ``takes``, the kinds of values that it reads (see
            :class:`vae_lab.examples.Values`); one that does not reads all kinds, tokens as one-hot vectors. With
            ``_partial_: true`` it is a function of ``vocabulary`` that makes the pair.
        posterior: (features, latent_dim) to a module that computes q(z|x).
        likelihood: p(x|z).
        x_shape: shape of one example: C, H, W of an image.
        latent_dim: D.
        prior: (latent_dim, x_shape) to a module that is p(z).
        conditional: give the label or the attributes of each image to the encoder and the decoder.
        y_size: the number of classes or attributes; 0 where the dataset has none.
        vocabulary: the number of tokens; 0 where examples are not made of tokens.

    Raises:
        UserError: the networks, or a conditional model or a VampPrior, need images and get examples of another shape.
    """

    deterministic = False
    inference = ("encoder.", "posterior.", "condition.")
    generation = ("decoder.", "prior.", "likelihood.")

    def __init__(
        self,
        net: Architecture | Callable[..., Architecture],
        posterior: Callable[[int, int], nn.Module],
        likelihood: Likelihood,
        x_shape: Shape,
        latent_dim: int,
        prior: Callable[[int, Shape], nn.Module] = StandardNormal,  # runs saved before there was a choice omit it
        conditional: bool = False,
        y_size: int = 0,
        vocabulary: int = 0,
    ) -> None:
        super().__init__()
        self.x_shape = tuple(x_shape)
        if isinstance(net, partial):
            net = net(vocabulary=vocabulary)
        net = cast(Architecture, net)
        self.takes = getattr(net, "takes", ("images", "vectors", "tokens"))
        self.one_hot = vocabulary if not hasattr(net, "takes") else 0
        self.latent_dim = latent_dim
        self.latent_shapes = ((latent_dim,),)
        self.likelihood = likelihood
        self.conditional = conditional
        self.condition = Condition(self.x_shape, y_size) if conditional else None
        own_shape = (*self.x_shape, vocabulary) if self.one_hot else self.x_shape
        seen_shape, given = (self.condition.seen_shape, y_size) if self.condition else (own_shape, 0)
        self.prior = prior(latent_dim, seen_shape)  # a prior made of posteriors learns the channel of y, too
        self.standard_prior = bool(self.prior.standard)
        self.kl_trains_prior = not self.standard_prior
        self.encoder = net.encoder(seen_shape)
        self.posterior = posterior(cast(int, self.encoder.out_features), latent_dim)
        self.decoder = net.decoder(latent_dim + given, likelihood.params_shape(self.x_shape))

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        """[B, *x_shape] to z [K, B, D] and its KL [1, B, D] (closed form) or [K, B, 1] (sampled)."""
        posterior = cast(Posterior, self.posterior)
        if self.one_hot:
            x = one_hot(x, self.one_hot).float()
        z, log_q, q = posterior(self.encoder(self.condition.beside_image(x, y) if self.condition else x), k, noise)
        closed_form = q is not None and self.standard_prior
        if log_q is None and q is not None and (densities or not closed_form):
            log_q = log_normal(z, q.mu, q.log_var).sum(-1)
        log_p = self.log_prior((z,), y) if densities or not closed_form else None
        if q is not None and closed_form:
            kl = kl_normal(q.mu, q.log_var)
        elif log_q is not None and log_p is not None:
            kl = (log_q - log_p).unsqueeze(-1)
        else:
            raise TypeError("a posterior gives log_q, or a Normal to derive it from")
        return Latents(z=(z,), kl=(kl,), q=(q,), log_q=log_q, log_p=log_p)

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """log p(z): [K, B] nats."""
        return cast(Prior, self.prior).log_prob(z[0], self._encode)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """[K, B, D] to likelihood parameters [K, B, *params_shape]."""
        code = self.condition.beside_code(z[0], y) if self.condition else z[0]
        flat = self.decoder(code.flatten(0, 1))
        return flat.unflatten(0, z[0].shape[:2])

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise, top: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        """n draws from p(z), [1, n, D]; given codes ``top`` are returned as they are, since no level lies below."""
        return top or (cast(Prior, self.prior).sample(n, noise, self._encode).unsqueeze(0),)

    def _encode(self, u: Tensor) -> Normal:
        """q(z|u) of pseudo-inputs u [M, C, H, W]: images held to [0, 1] and, in a conditional model, y's channel."""
        if not isinstance(self.posterior, DiagonalNormal):
            raise UserError("prior=vamp mixes Gaussian posteriors; type posterior=diagonal")
        images, condition = u.split([self.x_shape[0], u.shape[1] - self.x_shape[0]], 1)
        return self.posterior.normal(self.encoder(torch.cat([hardtanh(images, 0.0, 1.0), condition], 1)))
