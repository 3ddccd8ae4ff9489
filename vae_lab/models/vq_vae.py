"""The VQ-VAE: discrete codes on a grid of positions (van den Oord et al. 2017, arXiv 1711.00937).

The encoder's output at each position is replaced by one of K vectors (:mod:`vae_lab.quantizers`), with the gradient of
the identity. q(c|x) is a single point and p(c) is uniform during training, so that the KL is the constant log K per
position. With recon = −log p(x|c), the ELBO is −recon − log K · positions. A prior that is fitted to the codes
afterwards takes the place of the uniform one: with it, −recon + log p(c) is the bound that is worth reporting.

>>> from vae_lab.likelihoods import Bernoulli
>>> from vae_lab.nets.cnn import CNN
>>> from vae_lab.noise import SeededNoise
>>> from vae_lab.quantizers import EMA
>>> model = VQVAE(CNN(width=8, depth=2, hidden=8), Bernoulli(), EMA(codes=16, dims=4), x_shape=(1, 28, 28))
>>> latents = model.infer(torch.rand(5, 1, 28, 28), None, k=1, noise=SeededNoise("cpu", 0))
>>> latents.z[0].shape, latents.codes[0].shape, round(latents.kl[0].sum().item() / 5, 2)  # 49 log 16 nats
(torch.Size([1, 5, 4, 7, 7]), torch.Size([1, 5, 7, 7]), 135.86)
"""

from typing import cast

import torch
from torch import Tensor, nn

from vae_lab.models.discrete_codes import log_uniform, quantized, uniform_kl, vectors_of
from vae_lab.nets.condition import Condition
from vae_lab.types import Latents, Likelihood, Noise, Quantizer, Shape, SpatialArchitecture


class VQVAE(nn.Module):
    """An encoder, a quantizer and a decoder, all convolutional.

    Args:
        net: the pair of convolutional networks.
        likelihood: p(x|z).
        quantizer: maps vectors to codes.
        x_shape: shape of one image.
        normalize: normalise the encoder's output over all channels and positions, which ``quantizer=cosine`` needs.
        conditional: whether the encoder and the decoder also receive the label or the attributes of each image.
        y_size: number of classes or attributes; 0 if the dataset has none.
    """

    deterministic = constant_kl = True
    standard_prior = kl_trains_prior = False
    inference = ("encoder.", "to_code.", "condition.")
    generation = ("quantizer.", "decoder.", "likelihood.")

    def __init__(
        self,
        net: SpatialArchitecture,
        likelihood: Likelihood,
        quantizer: nn.Module,
        x_shape: Shape,
        normalize: bool = True,
        conditional: bool = False,
        y_size: int = 0,
    ) -> None:
        super().__init__()
        self.x_shape, self.likelihood, self.quantizer = tuple(x_shape), likelihood, quantizer
        self.conditional = conditional
        self.condition = Condition(self.x_shape, y_size) if conditional else None
        book = self._quantizer
        self.encoder = net.grid_encoder(self.condition.seen_shape if self.condition else self.x_shape)
        features, height, width = cast(Shape, self.encoder.out_shape)
        norm = [nn.GroupNorm(1, features)] if normalize else []
        self.to_code = nn.Sequential(*norm, nn.Conv2d(features, book.dims, 1))
        self.code_sizes = (book.codes,)
        self.latent_shapes = ((height, width, *([book.depth] if book.depth > 1 else [])),)
        given = y_size if conditional else 0
        self.decoder = net.grid_decoder(book.dims + given, likelihood.params_shape(self.x_shape))

    @property
    def _quantizer(self) -> Quantizer:
        return cast(Quantizer, self.quantizer)

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        """The codes of images x [B, C, H, W]: z [K, B, D, H', W'] and codes [K, B, H', W'], K times the same.

        In training, the quantizer's running state is updated after the codes are chosen.
        """
        h = self.to_code(self.encoder(self.condition.beside_image(x, y) if self.condition else x))
        found = quantized(self._quantizer, h, noise, self.training)
        z, codes = (part.expand(k, *part.shape) for part in (found.z, found.codes))
        kl = uniform_kl(found.codes, self._quantizer)
        return Latents(z=(z,), kl=(kl,), q=(None,), aux=found.losses, codes=(codes,))

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """log p(c) = −log K · positions of the uniform prior: [K, B] nats."""
        nats = log_uniform(self.latent_shapes[0], self._quantizer)
        return torch.full(z[0].shape[:2], nats, device=z[0].device)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """Vectors z [K, B, D, H', W'] to the parameters of the likelihood, [K, B, *params_shape]."""
        code = self.condition.beside_code(z[0], y) if self.condition else z[0]
        params: Tensor = self.decoder(code.flatten(0, 1))
        return params.unflatten(0, code.shape[:2])

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise, top: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        """The vectors [1, n, D, H', W'] of n draws from the uniform prior, or of given codes ``top`` [1, n, H', W'].

        Vectors are returned unchanged.
        """
        shape = (1, n, *self.latent_shapes[0])
        return (vectors_of(top[0] if top else None, self._quantizer, shape, noise),)
