"""Fully connected networks, plain or gated, with different widths for encoder and decoder."""

import math
from collections.abc import Sequence
from itertools import pairwise

from pydantic import PositiveInt
from torch import Tensor, nn

from vae_lab.nets.activation import Activation, activation
from vae_lab.types import Shape


class MLPEncoder(nn.Module):
    """A network from a flattened example through hidden layers to features."""

    def __init__(self, x_shape: Shape, widths: Sequence[int], act: Activation | None) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), *_hidden([math.prod(x_shape), *widths], act))
        self.out_features = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        """[B, *x_shape] -> [B, out_features]."""
        return self.layers(x)


class MLPDecoder(nn.Module):
    """A network from a code through hidden layers to an example."""

    def __init__(self, latent_dim: int, out_shape: Shape, widths: Sequence[int], act: Activation | None) -> None:
        super().__init__()
        last = nn.Linear(widths[-1], math.prod(out_shape))
        self.layers = nn.Sequential(*_hidden([latent_dim, *widths], act), last, nn.Unflatten(1, out_shape))

    def forward(self, z: Tensor) -> Tensor:
        """[N, latent_dim] -> [N, *out_shape]."""
        return self.layers(z)


class MLP:
    """Fully connected networks with hidden layers of given widths.

    Args:
        encoder: units of the encoder's hidden layers, first to last.
        decoder: units of the decoder's hidden layers, first to last.
        activation: the activation of the encoder.
        decoder_activation: the activation of the decoder.
        gated: each hidden layer is h ⊙ sigmoid(g) of two linear maps h and g, without an activation, as in the
            VampPrior's code (github.com/jmtomczak/vae_vampprior).
    """

    def __init__(
        self,
        encoder: list[PositiveInt],
        decoder: list[PositiveInt],
        activation: Activation = "relu",
        decoder_activation: Activation = "relu",
        gated: bool = False,
    ) -> None:
        self.widths = list(encoder), list(decoder)
        self.acts: tuple[Activation | None, Activation | None] = (activation, decoder_activation)
        if gated:
            self.acts = None, None

    def encoder(self, x_shape: Shape) -> nn.Module:
        """The network [B, *x_shape] -> [B, out_features]."""
        return MLPEncoder(x_shape, self.widths[0], self.acts[0])

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """The network [N, latent_dim] -> [N, *out_shape]."""
        return MLPDecoder(latent_dim, out_shape, self.widths[1], self.acts[1])


def _hidden(widths: Sequence[int], act: Activation | None) -> list[nn.Module]:
    """Return a layer for each pair of neighbouring widths, gated if there is no activation."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), activation(act)] if act else [nn.Linear(a, 2 * b), nn.GLU()]
    return layers
