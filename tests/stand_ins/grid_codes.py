"""A model with discrete codes on a grid: each position takes the nearest of K vectors (straight-through gradient)."""

import math

import torch
from torch import Tensor, nn

from vae_lab.types import Latents, Likelihood, Noise, Shape, SpatialArchitecture


class GridCodes(nn.Module):
    """A VQ-VAE (arXiv 1711.00937) whose code vectors are trained by gradients; p(z) is uniform over the codes."""

    conditional = standard_prior = kl_trains_prior = False
    deterministic = True
    inference = ("encoder.",)
    generation = ("book", "decoder.", "likelihood.")

    def __init__(self, net: SpatialArchitecture, likelihood: Likelihood, x_shape: Shape, codes: int) -> None:
        super().__init__()
        self.x_shape, self.likelihood = tuple(x_shape), likelihood
        self.encoder = net.grid_encoder(self.x_shape)
        features, height, width = self.encoder.out_shape
        self.latent_shapes, self.code_sizes = ((height, width),), (codes,)
        self.book = nn.Parameter(torch.randn(codes, features))
        self.decoder = net.grid_decoder(features, likelihood.params_shape(self.x_shape))

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        h = self.encoder(x).permute(0, 2, 3, 1)  # [B, H', W', F]
        codes = torch.cdist(h.flatten(0, 2), self.book).argmin(1).unflatten(0, h.shape[:3])
        found = self.book[codes]
        commitment = (h - found.detach()).square() + (h.detach() - found).square()
        z = (h + (found - h).detach()).permute(0, 3, 1, 2)
        kl = torch.full((1, *codes.shape), math.log(len(self.book)), device=x.device)
        repeated = z.expand(k, *z.shape), codes.expand(k, *codes.shape)
        aux = {"commitment": commitment.flatten(1).sum(1)}
        return Latents(z=(repeated[0],), kl=(kl,), q=(None,), aux=aux, codes=(repeated[1],))

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        return torch.full(z[0].shape[:2], -math.log(len(self.book)) * math.prod(self.latent_shapes[0]))

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        return self.decoder(z[0].flatten(0, 1)).unflatten(0, z[0].shape[:2])

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise, top: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        codes = top[0] if top else (noise.uniform(1, n, *self.latent_shapes[0]) * len(self.book)).long()
        return (self.book[codes].permute(0, 1, 4, 2, 3),)
