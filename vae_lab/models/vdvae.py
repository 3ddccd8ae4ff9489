"""The very deep VAE: many levels of latents on grids, inferred from the top down (Child 2020, arXiv 2011.10650).

A pass upwards computes features a_g of the example on every grid g. The pass downwards begins with a learnt constant on
the smallest grid; each of its blocks has one level of latents and changes the features h, on whose present state both
Gaussians of the level depend:

    p(z_l|z_{>l}) = N(μ_p(h), σ_p(h)²),   q(z_l|z_{>l}, x) = N(μ_q(h, a_g), σ_q(h, a_g)²),   h ← r(h + b(h) + P z_l).

At the next larger grid, h is repeated at the nearest places and a learnt constant is added. The decoder computes the
likelihood's parameters from the last h. With a residual posterior (NVAE; Vahdat & Kautz 2020, arXiv 2007.03898,
equation 3) inference only predicts differences, q = N(μ_p + Δμ, (σ_p Δσ)²). The KL of a level is always the general one
of two Gaussians.

In a conditional model every constant also depends on y, so that the prior is p(z|y).

>>> from vae_lab.likelihoods import Bernoulli
>>> from vae_lab.noise import SeededNoise
>>> nets = Bottlenecks(width=8, middle=4)
>>> model = VDVAE(nets, Bernoulli(), (1, 28, 28), scales=[2, 32], blocks=[2, 1], latent_dims=[3, 5])
>>> latents = model.infer(torch.rand(6, 1, 28, 28), None, k=4, noise=SeededNoise("cpu", 0))
>>> [tuple(z.shape) for z in latents.z]  # the top level first
[(4, 6, 5, 1, 1), (4, 6, 3, 14, 14), (4, 6, 3, 14, 14)]
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from vae_lab.errors import UserError, counted
from vae_lab.functional import log_normal, reparameterize
from vae_lab.models.gaussian_levels import kl_normals
from vae_lab.nets.bottleneck import Bottlenecks
from vae_lab.nets.condition import Condition
from vae_lab.nets.grids import from_grid, grid_size, resized, to_grid
from vae_lab.nets.resizing import image_size
from vae_lab.nets.spectral import SpectralNorms
from vae_lab.nets.top_down import TopDownBlock, bounded_normal
from vae_lab.types import Latents, Likelihood, Noise, Normal, Shape

Draw = Callable[[int, Tensor, Normal], Tensor]  # the level, features [K, B, ...] and prior to z [K, B, ...]


class VDVAE(nn.Module):
    """A hierarchy of Gaussian levels on grids; the equations are in the module's docstring.

    Args:
        net: makes the blocks.
        likelihood: p(x|z).
        x_shape: shape of one image.
        scales: how many times smaller than the image each grid is, rounded up; the largest grid first.
        blocks: number of blocks, and so of levels, on each grid.
        latent_dims: channels of the latents of a level on each grid.
        up_blocks: number of residual blocks on the way up on each grid; None: as many as on the way down.
        residual_posterior: whether q is predicted relative to p.
        spectral: λ of the spectral regularisation of all convolutions (:mod:`vae_lab.nets.spectral`), which training
            adds to the loss as the term ``spectral``; 0 switches it off.
        conditional: whether inference and all of the generative model also receive the label or the attributes.
        y_size: number of classes or attributes; 0 if the dataset has none.

    Raises:
        UserError: the lists differ in length, or a grid is larger than the one before.
    """

    deterministic = standard_prior = False
    inference = ("up.", "q.", "condition.")
    generation = ("start.", "given.", "p.", "decoder.", "likelihood.")

    def __init__(
        self,
        net: Bottlenecks,
        likelihood: Likelihood,
        x_shape: Shape,
        scales: list[PositiveInt],
        blocks: list[PositiveInt],
        latent_dims: list[PositiveInt],
        up_blocks: list[NonNegativeInt] | None = None,
        residual_posterior: bool = False,
        spectral: NonNegativeFloat = 0.0,
        conditional: bool = False,
        y_size: int = 0,
    ) -> None:
        super().__init__()
        up_blocks = list(blocks) if up_blocks is None else list(up_blocks)
        _check_grids(scales, {"blocks": blocks, "latent_dims": latent_dims, "up_blocks": up_blocks})
        self.x_shape, self.likelihood, self.conditional = tuple(x_shape), likelihood, conditional
        self.residual_posterior = residual_posterior
        self.kl_trains_prior = not residual_posterior  # a residual q contains p, so that recon trains it too
        self.condition = Condition(self.x_shape, y_size) if conditional else None
        image, width, total = image_size(self.x_shape), net.width, sum(blocks)
        self.sizes = [grid_size(image, scale) for scale in scales]
        self.grids = [g for g in reversed(range(len(scales))) for _ in range(blocks[g])]  # of each level, top first
        self.latent_shapes = tuple((latent_dims[g], *self.sizes[g]) for g in self.grids)

        channels = self.condition.seen_shape[0] if self.condition else self.x_shape[0]
        entry = nn.Sequential(*to_grid(channels, width, image, scales[0]))
        above = sum(up_blocks)
        ups = (nn.Sequential(*(net.residual(size, above) for _ in range(n))) for size, n in zip(self.sizes, up_blocks))
        self.up = nn.ModuleList([entry, *ups])
        self.q = nn.ModuleList(net.block(2 * width, 2 * latent_dims[g], self.sizes[g]) for g in self.grids)
        self.start = nn.ParameterList(nn.Parameter(torch.zeros(width, *size)) for size in self.sizes)
        self.given = nn.ModuleList(nn.Linear(y_size, width) for _ in self.sizes) if conditional else None
        self.p = nn.ModuleList(TopDownBlock(net, self.sizes[g], latent_dims[g], total) for g in self.grids)
        out_channels = likelihood.params_shape(self.x_shape)[0]
        self.decoder = nn.Sequential(
            net.activated(), *from_grid(width, width, image, scales[0]),
            net.activated(), nn.Conv2d(width, out_channels, 3, padding=1),
        )  # fmt: skip

        convolutions = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d)]
        self.spectral = SpectralNorms(convolutions, spectral) if spectral else None

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        """Draw every level for images x [B, C, H, W], each [K, B, D, H', W'], the top level first.

        Args:
            x: images.
            y: their labels or attributes, which only a conditional model reads.
            k: number of samples per example.
            noise: the source of the samples.
            densities: also compute log q(z|x) and log p(z), [K, B].
        """
        features = self._features(x, y)
        q: list[Normal] = []
        kl: list[Tensor] = []
        log_q: list[Tensor] = []
        log_p: list[Tensor] = []

        def draw(level: int, h: Tensor, prior: Normal) -> Tensor:
            a = features[self.grids[level]].unsqueeze(0)
            q.append(self._posterior(level, torch.cat([h, a.expand_as(h)], 2), prior))
            z = reparameterize(q[-1].mu, q[-1].log_var, noise.normal(k, *q[-1].mu.shape[1:]))
            kl.append(kl_normals(q[-1], prior))
            if densities:
                log_q.append(_log_density(z, q[-1]))
                log_p.append(_log_density(z, prior))
            return z

        z, h = self._descend(len(x), y, draw)
        latents = Latents(z=z, kl=tuple(kl), q=tuple(q), params=_over(self.decoder, h))
        if self.spectral and self.training:
            latents.aux["spectral"] = self.spectral().expand(len(x))
        if densities:
            latents.log_q, latents.log_p = torch.stack(log_q).sum(0), torch.stack(log_p).sum(0)
        return latents

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """log p(z|y) over all levels: latents [K, B, ...] to [K, B] nats."""
        log_p: list[Tensor] = []

        def given(level: int, h: Tensor, prior: Normal) -> Tensor:
            log_p.append(_log_density(z[level], prior))
            return z[level]

        self._descend(z[0].shape[1], y, given)
        return torch.stack(log_p).sum(0)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """Latents of all levels to the parameters of the likelihood, [K, B, *params_shape]."""
        _, h = self._descend(z[0].shape[1], y, lambda level, h, prior: z[level])
        return _over(self.decoder, h)

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise, top: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        """n draws from p(z|y), each level [1, n, ...]; the latents ``top`` are kept, and the others drawn given them.

        With :class:`vae_lab.noise.NoNoise` each drawn level is at the mean of its prior.
        """

        def draw(level: int, h: Tensor, prior: Normal) -> Tensor:
            if level < len(top):
                return top[level]
            return reparameterize(prior.mu, prior.log_var, noise.normal(*prior.mu.shape))

        return self._descend(n, y, draw)[0]

    def _features(self, x: Tensor, y: Tensor | None) -> list[Tensor]:
        """The features of images on every grid, the largest grid first: [B, C, *size] each."""
        a, features = self.condition.beside_image(x, y) if self.condition else x, []
        entry, *ups = self.up
        a = entry(a)
        for up, size in zip(ups, self.sizes):
            a = up(resized(a, size))
            features.append(a)
        return features

    def _posterior(self, level: int, seen: Tensor, prior: Normal) -> Normal:
        """q(z_l|z_{>l}, x) from [h, a], [K, B, 2 C, H', W']."""
        q = bounded_normal(self.q[level](seen.flatten(0, 1)))
        mu, log_var = (moment.unflatten(0, seen.shape[:2]) for moment in (q.mu, q.log_var))
        return Normal(prior.mu + mu, prior.log_var + log_var) if self.residual_posterior else Normal(mu, log_var)

    def _descend(self, n: int, y: Tensor | None, draw: Draw) -> tuple[tuple[Tensor, ...], Tensor]:
        """Go down all levels for n examples; ``draw`` gives the latents of each.

        Returns:
            The latents of every level, and the features [K, n, C, H', W'] after the last.
        """
        z: list[Tensor] = []
        h: Tensor | None = None
        before = None
        for level, (grid, block) in enumerate(zip(self.grids, cast(Sequence[TopDownBlock], self.p))):
            if grid != before:
                h, before = self._entered(grid, h, n, y), grid
            assert h is not None
            prior, change = block(h.flatten(0, 1))
            prior = Normal(*(moment.unflatten(0, h.shape[:2]) for moment in (prior.mu, prior.log_var)))
            z.append(draw(level, h, prior))
            h = h + change.unflatten(0, h.shape[:2]) + _over(block.project, z[-1])
            h = _over(block.residual, h)
        assert h is not None
        return tuple(z), h

    def _entered(self, grid: int, h: Tensor | None, n: int, y: Tensor | None) -> Tensor:
        """The features [K, n, C, H', W'] with which a grid begins, from those of the grid before, if there is one."""
        start = self.start[grid]
        if self.condition and self.given is not None:
            start = start + self.given[grid](self.condition.encoded(y))[:, :, None, None]
        if h is None:
            return start.expand(1, n, *start.shape[-3:])
        return _over(lambda rows: resized(rows, self.sizes[grid]), h) + start


def _over(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A network of examples [N, ...] applied to all samples of all examples, [K, B, ...]."""
    return f(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def _log_density(z: Tensor, normal: Normal) -> Tensor:
    """The log density of latents [K, B, ...], summed over their dimensions: [K, B] nats."""
    return log_normal(z, normal.mu, normal.log_var).flatten(2).sum(2)


def _check_grids(scales: Sequence[int], of_grids: Mapping[str, Sequence[int]]) -> None:
    for name, numbers in of_grids.items():
        if len(numbers) != len(scales):
            raise UserError(
                f"model.{name} has {counted(len(numbers), 'entry', 'entries')} and model.scales {len(scales)}; "
                "type one entry per grid in both"
            )
    if list(scales) != sorted(set(scales)):
        typed = ",".join(map(str, sorted(set(scales))))
        raise UserError(f"model.scales: each grid is smaller than the one before; type model.scales=[{typed}]")
