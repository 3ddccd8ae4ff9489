"""Fully connected encoder and decoder with the same hidden layers."""

import math
from collections.abc import Sequence
from itertools import pairwise

from pydantic import PositiveInt
from torch import Tensor, nn

from vae_lab.nets.activation import Activation, activation
from vae_lab.types import Shape


class DenseEncoder(nn.Module):
    """A network from a flattened example through hidden layers of these ``widths`` to features."""

    def __init__(self, x_shape: Shape, widths: Sequence[int], act: Activation) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), *_layers([math.prod(x_shape), *widths], act))
        self.out_features = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        """[B, *x_shape] -> [B, out_features]."""
        return self.layers(x)


class DenseDecoder(nn.Module):
    """A network from a code through hidden layers of these ``widths`` to an example."""

    def __init__(self, latent_dim: int, out_shape: Shape, widths: Sequence[int], act: Activation) -> None:
        super().__init__()
        last = nn.Linear(widths[-1], math.prod(out_shape))
        self.layers = nn.Sequential(*_layers([latent_dim, *widths], act), last, nn.Unflatten(1, out_shape))

    def forward(self, z: Tensor) -> Tensor:
        """[N, latent_dim] -> [N, *out_shape]."""
        return self.layers(z)


class Dense:
    """Fully connected networks with ``depth`` hidden layers of ``width`` units."""

    def __init__(self, width: PositiveInt, depth: PositiveInt, activation: Activation = "silu") -> None:
        self.widths = [width] * depth
        self.activation: Activation = activation

    def encoder(self, x_shape: Shape) -> nn.Module:
        """The network [B, *x_shape] -> [B, out_features]."""
        return DenseEncoder(x_shape, self.widths, self.activation)

    def decoder(self, latent_dim: int, out_shape: Shape) -> nn.Module:
        """The network [N, latent_dim] -> [N, *out_shape]."""
        return DenseDecoder(latent_dim, out_shape, self.widths, self.activation)


def _layers(widths: Sequence[int], act: Activation) -> list[nn.Module]:
    """Return a linear layer and an activation for each pair of neighbouring widths."""
    pairs = pairwise(widths)
    return [module for a, b in pairs for module in (nn.Linear(a, b), activation(act))]
