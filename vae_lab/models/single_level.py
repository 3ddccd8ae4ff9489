"""The VAE of Kingma & Welling (arXiv 1312.6114): one latent vector z ~ p(z), x ~ p(x|z).

Conditional: p(x|z, y) and q(z|x, y) with the same p(z) for every y, the variant of Sohn et al. 2015 ("Learning
structured output representation using deep conditional generative models", NIPS) in which the latents do not depend on
what is given (their section 4.1; M2 of Kingma et al. 2014, arXiv 1406.5298). What they call x, the given, is y here.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from vae_lab.errors import UserError
from vae_lab.functional import kl_normal, log_normal
from vae_lab.nets.condition import Condition
from vae_lab.posteriors.diagonal import DiagonalNormal
from vae_lab.priors.standard import StandardNormal
from vae_lab.types import Architecture, Latents, Likelihood, Noise, Normal, Posterior, Prior, Shape


class SingleLevel(nn.Module):
    """An encoder, a posterior, a decoder and a likelihood around one vector of ``latent_dim`` numbers.

    Args:
        net: the pair of networks.
        posterior: (features, latent_dim) to a module that gives q(z|x).
        likelihood: p(x|z).
        x_shape: C, H, W of the images.
        latent_dim: D.
        prior: (latent_dim, x_shape) to a module that is p(z).
        conditional: tell the encoder and the decoder what is known of each image.
        y_size: how many numbers that is: classes or attributes; 0 where the dataset has none.
    """

    def __init__(
        self,
        net: Architecture,
        posterior: Callable[[int, int], nn.Module],
        likelihood: Likelihood,
        x_shape: Shape,
        latent_dim: int,
        prior: Callable[[int, Shape], nn.Module] = StandardNormal,  # of runs that were saved before it could be chosen
        conditional: bool = False,
        y_size: int = 0,
    ) -> None:
        super().__init__()
        self.x_shape = tuple(x_shape)
        self.latent_dim = latent_dim
        self.likelihood = likelihood
        self.conditional = conditional
        self.condition = Condition(self.x_shape, y_size) if conditional else None
        seen_shape, told = (self.condition.seen_shape, y_size) if self.condition else (self.x_shape, 0)
        self.prior = prior(latent_dim, seen_shape)  # one that is made of posteriors learns what is beside its images
        out_shape = (x_shape[0] * likelihood.params_per_value, *x_shape[1:])
        self.encoder = net.encoder(seen_shape)
        self.posterior = posterior(cast(int, self.encoder.out_features), latent_dim)
        self.decoder = net.decoder(latent_dim + told, out_shape)

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        """[B, C, H, W] to z [K, B, D] and its KL [1, B, D] (closed form) or [K, B, 1] (sampled)."""
        posterior = cast(Posterior, self.posterior)
        z, log_q, q = posterior(self.encoder(self.condition.beside_image(x, y) if self.condition else x), k, noise)
        closed_form = q is not None and cast(Prior, self.prior).standard
        if log_q is None and q is not None and (densities or not closed_form):
            log_q = log_normal(z, q.mu, q.log_var).sum(-1)
        log_p = self.log_prior((z,), y) if densities or not closed_form else None
        if q is not None and closed_form:
            kl = kl_normal(q.mu, q.log_var).unsqueeze(0)
        elif log_q is not None and log_p is not None:
            kl = (log_q - log_p).unsqueeze(-1)
        else:
            raise TypeError("a posterior gives log_q, or a Normal to derive it from")
        return Latents(z=(z,), kl=(kl,), q=(q,), log_q=log_q, log_p=log_p)

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """log p(z): [K, B] nats."""
        return cast(Prior, self.prior).log_prob(z[0], self._encode)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """[K, B, D] to likelihood parameters [K, B, C', H, W]."""
        code = self.condition.beside_code(z[0], y) if self.condition else z[0]
        flat = self.decoder(code.flatten(0, 1))
        return flat.unflatten(0, z[0].shape[:2])

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise) -> tuple[Tensor, ...]:
        """n draws from p(z): [1, n, D]."""
        return (cast(Prior, self.prior).sample(n, noise, self._encode).unsqueeze(0),)

    def _encode(self, u: Tensor) -> Normal:
        """q(z|u) of u [M, C, H, W], held to [0, 1] as images are, with what is beside them in a conditional model."""
        if not isinstance(self.posterior, DiagonalNormal):
            raise UserError("prior=vamp mixes Gaussian posteriors; type posterior=diagonal")
        images, beside = u.split([self.x_shape[0], u.shape[1] - self.x_shape[0]], 1)
        return self.posterior.normal(self.encoder(torch.cat([hardtanh(images, 0.0, 1.0), beside], 1)))
