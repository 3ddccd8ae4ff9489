"""The model of the VAE: one latent vector per example, z ~ p(z) and x ~ p(x|z) (Kingma & Welling, arXiv 1312.6114).

The conditional model has p(x|z, y) and q(z|x, y) with the same p(z) for every y. This is the variant of Sohn et al.
2015 ("Learning structured output representation using deep conditional generative models", NIPS) in which the latents
do not depend on the condition (their section 4.1; M2 of Kingma et al. 2014, arXiv 1406.5298). The condition is called x
in their paper and y here.

>>> from vae_lab.likelihoods import Bernoulli
>>> from vae_lab.nets.dense import Dense
>>> from vae_lab.noise import SeededNoise
>>> model = SingleLevel(Dense(width=64, depth=2), DiagonalNormal, Bernoulli(), x_shape=(1, 28, 28), latent_dim=2)
>>> latents = model.infer(torch.rand(5, 1, 28, 28), None, k=10, noise=SeededNoise("cpu", 0))
>>> latents.z[0].shape, latents.kl[0].shape  # 10 samples of each z; the KL of each example and dimension
(torch.Size([10, 5, 2]), torch.Size([1, 5, 2]))
>>> model.decode(latents.z, None).shape  # logits of the pixels
torch.Size([10, 5, 1, 28, 28])
>>> (z,) = model.prior_sample(3, None, SeededNoise("cpu", 1))
>>> model.likelihood.mean(model.decode((z,), None)).shape  # images of 3 draws from p(z)
torch.Size([1, 3, 1, 28, 28])
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
    """An encoder, a posterior, a prior, a decoder and a likelihood for one latent vector of ``latent_dim`` numbers.

    The KL has the closed form where the posterior is Gaussian and the prior is N(0, I). Otherwise it is the estimate
    log q(z|x) − log p(z) at each sample.

    Args:
        net: the pair of networks, or a function that makes it from the size of the vocabulary (``_partial_: true``).
            Its class's optional attribute ``takes`` names the kinds of values that it accepts
            (:class:`vae_lab.examples.Values`). Networks without it accept every kind, tokens as one-hot vectors.
        posterior: makes the module that computes q(z|x), from (features, latent_dim).
        likelihood: p(x|z).
        x_shape: shape of one example: C, H, W of an image.
        latent_dim: D, the size of z.
        prior: makes the module that is p(z), from (latent_dim, x_shape).
        conditional: whether the encoder and the decoder also receive the label or the attributes of each example.
        y_size: number of classes or attributes; 0 if the dataset has none.
        vocabulary: number of tokens; 0 if the examples do not consist of tokens.

    Raises:
        UserError: a conditional model needs images, but the examples have another shape.
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
        prior: Callable[[int, Shape], nn.Module] = StandardNormal,  # runs saved by earlier versions omit it
        conditional: bool = False,
        y_size: int = 0,
        vocabulary: int = 0,
    ) -> None:
        super().__init__()
        self.x_shape = tuple(x_shape)
        if isinstance(net, partial):
            net = net(vocabulary=vocabulary)
        net = cast(Architecture, net)
        self.one_hot = vocabulary if not hasattr(net, "takes") else 0
        self.latent_dim = latent_dim
        self.latent_shapes = ((latent_dim,),)
        self.likelihood = likelihood
        self.conditional = conditional
        self.condition = Condition(self.x_shape, y_size) if conditional else None
        own_shape = (*self.x_shape, vocabulary) if self.one_hot else self.x_shape
        seen_shape, given = (self.condition.seen_shape, y_size) if self.condition else (own_shape, 0)
        self.prior = prior(latent_dim, seen_shape)  # the pseudo-inputs of a VampPrior include the channel of y
        self.standard_prior = bool(self.prior.standard)
        self.kl_trains_prior = not self.standard_prior
        self.encoder = net.encoder(seen_shape)
        self.posterior = posterior(cast(int, self.encoder.out_features), latent_dim)
        self.decoder = net.decoder(latent_dim + given, likelihood.params_shape(self.x_shape))

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        """Draw z [K, B, D] for examples x [B, *x_shape]; the KL is [1, B, D] in closed form or [K, B, 1] if estimated.

        Args:
            x: examples.
            y: their labels or attributes, which only a conditional model reads.
            k: number of samples per example.
            noise: the source of the samples.
            densities: also compute log q(z|x) and log p(z), [K, B].
        """
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
            raise TypeError("a posterior must return log_q, or a Normal from which it follows")
        return Latents(z=(z,), kl=(kl,), q=(q,), log_q=log_q, log_p=log_p)

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """log p(z): z [K, B, D] to [K, B] in nats."""
        return cast(Prior, self.prior).log_prob(z[0], self._encode)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """z [K, B, D] to the parameters of the likelihood, [K, B, *params_shape]."""
        code = self.condition.beside_code(z[0], y) if self.condition else z[0]
        flat = self.decoder(code.flatten(0, 1))
        return flat.unflatten(0, z[0].shape[:2])

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise, top: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        """n draws from p(z), [1, n, D]. Codes ``top`` are returned unchanged, because there is no level below them."""
        return top or (cast(Prior, self.prior).sample(n, noise, self._encode).unsqueeze(0),)

    def _encode(self, u: Tensor) -> Normal:
        """q(z|u) of pseudo-inputs u [M, C, H, W], whose image channels, but not that of y, are clamped to [0, 1]."""
        if not isinstance(self.posterior, DiagonalNormal):
            raise UserError("prior=vamp mixes Gaussian posteriors; type posterior=diagonal")
        images, condition = u.split([self.x_shape[0], u.shape[1] - self.x_shape[0]], 1)
        return self.posterior.normal(self.encoder(torch.cat([hardtanh(images, 0.0, 1.0), condition], 1)))
