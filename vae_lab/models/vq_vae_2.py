"""The VQ-VAE-2: discrete codes on grids of several sizes (Razavi et al. 2019, arXiv 1906.00446).

Features are computed from the bottom up, h_1 = enc_1(x) and h_{i+1} = enc_{i+1}(h_i), and quantised from the top down
(section 3.1 and algorithm 1). With e_L = Q_L(h_L) at the top and u_L = e_L,

    e_i = Q_i([dec_i(u_{i+1}), h_i]),   u_i = [up_i(u_{i+1}), e_i],   p(x|e) = p(x|u_1).

With two levels the bottom quantises [dec(e_t), h_b], and the decoder sees [up(e_t), e_b], as in the paper. Q stands for
a 1×1 convolution to D channels and a quantizer. As in the VQ-VAE, q(c|x) is a single point and p(c) is uniform during
training, so that the KL is the constant Σ_i log K_i · positions_i.

>>> from vae_lab.likelihoods import Bernoulli
>>> from vae_lab.nets.grid_levels import GridLevels
>>> from vae_lab.noise import SeededNoise
>>> from vae_lab.quantizers import EMA
>>> quantizers = [EMA(codes=8, dims=4), EMA(codes=16, dims=4)]
>>> model = VQVAE2(GridLevels(width=8, depths=[1, 1], blocks=1), Bernoulli(), quantizers, x_shape=(1, 28, 28))
>>> latents = model.infer(torch.rand(5, 1, 28, 28), None, k=1, noise=SeededNoise("cpu", 0))
>>> [tuple(codes.shape) for codes in latents.codes]  # the top first
[(1, 5, 7, 7), (1, 5, 14, 14)]
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from vae_lab.errors import UserError, counted
from vae_lab.models.discrete_codes import log_uniform, quantized, uniform_kl, vectors_of
from vae_lab.nets.condition import Condition
from vae_lab.types import Latents, LevelArchitecture, Likelihood, Noise, Quantized, Quantizer, Shape


class VQVAE2(nn.Module):
    """A hierarchy of grids of discrete codes; with one level it is a VQ-VAE.

    Args:
        net: makes the networks between the levels.
        likelihood: p(x|z).
        quantizer: the quantizer of each level, the lowest level first.
        x_shape: shape of one image.
        normalize: normalise what is quantised over all channels and positions, which ``quantizer=cosine`` needs.
        conditional: whether the encoder and the decoder also receive the label or the attributes of each image.
        y_size: number of classes or attributes; 0 if the dataset has none.

    Raises:
        UserError: there are not as many quantizers as the networks have levels, or the features are no grids.
    """

    deterministic = True
    standard_prior = kl_trains_prior = False
    inference = ("encoders.", "context.", "to_code.", "condition.")
    generation = ("quantizers.", "up.", "decoder.", "likelihood.")

    def __init__(
        self,
        net: LevelArchitecture,
        likelihood: Likelihood,
        quantizer: Sequence[Quantizer],
        x_shape: Shape,
        normalize: bool = True,
        conditional: bool = False,
        y_size: int = 0,
    ) -> None:
        super().__init__()
        _check_levels(net, quantizer)
        self.x_shape, self.likelihood = tuple(x_shape), likelihood
        self.quantizers = nn.ModuleList(cast(Sequence[nn.Module], quantizer))
        self.conditional = conditional
        self.condition = Condition(self.x_shape, y_size) if conditional else None
        self.encoders = _upward(net, self.condition.seen_shape if self.condition else self.x_shape, self.x_shape)
        features = [cast(Shape, encoder.out_shape) for encoder in self.encoders]
        # The channels of u_i: the codes of this level and of all levels above it.
        known = [sum(one.dims for one in quantizer[level:]) for level in range(net.levels)]
        above = list(enumerate(zip(features[:-1], known[1:], features[1:])))
        self.context = nn.ModuleList(net.downward((d, *high[1:]), low, level) for level, (low, d, high) in above)
        self.up = nn.ModuleList(net.downward((d, *high[1:]), (d, *low[1:]), level) for level, (low, d, high) in above)
        self.to_code = nn.ModuleList(
            _to_code(shape[0] * (1 if level == net.levels - 1 else 2), one.dims, normalize)
            for level, (shape, one) in enumerate(zip(features, quantizer))
        )
        self.code_sizes = tuple(one.codes for one in self.top_down)
        self.latent_shapes = tuple(
            (*shape[1:], *([one.depth] if one.depth > 1 else []))
            for shape, one in reversed(list(zip(features, quantizer)))
        )
        given = y_size if conditional else 0
        self.decoder = net.output((known[0] + given, *features[0][1:]), likelihood.params_shape(self.x_shape))

    @property
    def top_down(self) -> list[Quantizer]:
        """The quantizer of each level, the top level first, as in :class:`vae_lab.types.Latents`."""
        return cast(list[Quantizer], list(self.quantizers)[::-1])

    def infer(self, x: Tensor, y: Tensor | None, k: int, noise: Noise, densities: bool = False) -> Latents:
        """The codes of images x [B, C, H, W]: per level z [K, B, D, H', W'] and codes [K, B, H', W'], K times the same.

        In training, the running state of every quantizer is updated after its codes are chosen.
        """
        found = self._quantized(self.condition.beside_image(x, y) if self.condition else x, noise)
        aux: dict[str, Tensor] = {}
        for level in found:
            for name, loss in level.losses.items():
                aux[name] = aux[name] + loss if name in aux else loss
        return Latents(
            z=tuple(level.z.expand(k, *level.z.shape) for level in found),
            kl=tuple(uniform_kl(level.codes, one) for level, one in zip(found, self.top_down)),
            q=(None,) * len(found),
            aux=aux,
            codes=tuple(level.codes.expand(k, *level.codes.shape) for level in found),
        )

    def _quantized(self, x: Tensor, noise: Noise) -> list[Quantized]:
        """The codes of every level, the top level first."""
        features = []
        for encoder in self.encoders:
            x = encoder(x)
            features.append(x)
        found: list[Quantized] = []
        known: Tensor | None = None  # u_{i+1}
        for level in reversed(range(len(features))):
            seen = features[level]
            if known is not None:
                seen = torch.cat([self.context[level](known), seen], 1)
            quantizer = cast(Quantizer, self.quantizers[level])
            found.append(quantized(quantizer, self.to_code[level](seen), noise, self.training))
            if level > 0:
                known = self._known(level, known, found[-1].z)
        return found

    def _known(self, level: int, above: Tensor | None, vectors: Tensor) -> Tensor:
        """u_i from u_{i+1}, None at the top, and the vectors e_i."""
        return vectors if above is None else torch.cat([self.up[level](above), vectors], 1)

    def log_prior(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """log p(c) = −Σ_i log K_i · positions_i of the uniform prior: [K, B] nats."""
        nats = sum(log_uniform(shape, one) for shape, one in zip(self.latent_shapes, self.top_down))
        return torch.full(z[0].shape[:2], nats, device=z[0].device)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None) -> Tensor:
        """Vectors of every level, each [K, B, D, H', W'], to the parameters of the likelihood [K, B, *params_shape]."""
        known: Tensor | None = None
        for level, vectors in zip(reversed(range(len(z))), z):
            known = self._known(level, known, vectors.flatten(0, 1))
        code = cast(Tensor, known).unflatten(0, z[0].shape[:2])
        params: Tensor = self.decoder((self.condition.beside_code(code, y) if self.condition else code).flatten(0, 1))
        return params.unflatten(0, code.shape[:2])

    def prior_sample(self, n: int, y: Tensor | None, noise: Noise, top: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        """The vectors [1, n, D, H', W'] of each level: of codes ``top`` [1, n, H', W'], and of uniform draws below.

        ``top`` holds the codes, or the vectors, of the uppermost levels.
        """
        given = [*top, *[None] * (len(self.latent_shapes) - len(top))]
        levels = zip(given, self.latent_shapes, self.top_down)
        return tuple(vectors_of(part, one, (1, n, *shape), noise) for part, shape, one in levels)


def _upward(net: LevelArchitecture, in_shape: Shape, x_shape: Shape) -> nn.ModuleList:
    """The networks from the image to the features of each level, the lowest level first."""
    encoders = nn.ModuleList()
    for level in range(net.levels):
        encoders.append(net.upward(in_shape, level, x_shape))
        in_shape = cast(Shape, encoders[-1].out_shape)
        if len(in_shape) != 3:
            raise UserError("the codes of this model lie on grids; type model.net._target_=vae_lab.nets.grid_levels.…")
    return encoders


def _to_code(features: int, dims: int, normalize: bool) -> nn.Module:
    """The map from features to the D numbers that are quantised."""
    norm = [nn.GroupNorm(1, features)] if normalize else []
    return nn.Sequential(*norm, nn.Conv2d(features, dims, 1))


def _check_levels(net: LevelArchitecture, quantizer: Sequence[Quantizer]) -> None:
    if len(quantizer) != net.levels:
        typed = ",".join(["${quantizer}"] * net.levels)
        raise UserError(
            f"model.quantizer has {counted(len(quantizer), 'entry', 'entries')}, and the networks have "
            f"{counted(net.levels, 'level')}; type 'model.quantizer=[{typed}]', or as many entries in model.net.depths"
        )
