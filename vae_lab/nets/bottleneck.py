"""Bottleneck blocks of convolutions, with squeeze and excitation as an option.

Sources: Child 2020, arXiv 2011.10650, figure 3; Hu et al. 2018, arXiv 1709.01507.
"""

import math
from itertools import pairwise

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from vae_lab.nets.activation import Activation, activation
from vae_lab.nets.norm import Norm, norm
from vae_lab.nets.resizing import Size

REDUCTION, FEWEST = 16, 4  # the hidden layer of squeeze and excitation has C/16 units, at least 4


class SqueezeExcitation(nn.Module):
    """x · sigmoid(W₂ relu(W₁ mean(x))): every channel is weighed by a function of the means of all channels.

    Source: arXiv 1709.01507, equations 2 to 4; the mean is over the places of the grid.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // REDUCTION, FEWEST)
        self.layers = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        return x * self.layers(x.mean((2, 3)))[:, :, None, None]


class Bottleneck(nn.Sequential):
    """A 1×1 convolution to ``middle`` channels, ``depth`` 3×3 convolutions and a 1×1 convolution.

    An activation comes before each of them. On grids with a side of 1 or 2 all kernels are 1×1, since most of a 3×3
    kernel would see nothing but padding there.

    Args:
        a, b: channels of the input and of the output.
        size: height and width of the grid.
        middle: channels between the 1×1 convolutions.
        depth: number of 3×3 convolutions.
        act: the activation.
        how: the normalisation before each activation.
    """

    def __init__(self, a: int, b: int, size: Size, middle: int, depth: int, act: Activation, how: Norm) -> None:
        kernel = 3 if min(size) > 2 else 1
        widths, kernels = [a, *[middle] * (depth + 1), b], [1, *[kernel] * depth, 1]
        layers: list[nn.Module] = []
        for (before, after), k in zip(pairwise(widths), kernels):
            layers += [*norm(how, (before, *size)), activation(act), nn.Conv2d(before, after, k, padding=k // 2)]
        super().__init__(*layers)

    @property
    def last(self) -> nn.Conv2d:
        """The last convolution."""
        layer = self[-1]
        assert isinstance(layer, nn.Conv2d)
        return layer


class Residual(nn.Module):
    """x + s(f(x)) with a bottleneck f and, if asked for, squeeze and excitation s.

    Args:
        f: a bottleneck that keeps the number of channels.
        excited: whether s is used; otherwise s(f) = f.
        scale: factor of the initial weights of the last convolution, which keeps the sum of many blocks small.
    """

    def __init__(self, f: Bottleneck, excited: bool, scale: float) -> None:
        super().__init__()
        self.f, self.scale = f, scale
        self.s = SqueezeExcitation(f.last.out_channels) if excited else nn.Identity()
        self.after_initialisation()

    def after_initialisation(self) -> None:
        """Multiply the initial weights of the last convolution by ``scale``."""
        with torch.no_grad():
            self.f.last.weight.mul_(self.scale)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        return x + self.s(self.f(x))


class Bottlenecks:
    """The settings that all blocks of a model share, and the convolutions between images and the finest grid.

    Args:
        width: channels of the grids.
        middle: channels between the 1×1 convolutions of a block.
        depth: number of 3×3 convolutions in a block.
        activation: the activation before each convolution.
        norm: none | layer | batch, the normalisation before each activation.
        squeeze_excitation: whether the residual blocks weigh their channels (:class:`SqueezeExcitation`).
    """

    takes = ("images",)

    def __init__(
        self,
        width: PositiveInt,
        middle: PositiveInt,
        depth: NonNegativeInt = 2,
        activation: Activation = "gelu",
        norm: Norm = "none",
        squeeze_excitation: bool = False,
    ) -> None:
        self.width, self.middle, self.depth = width, middle, depth
        self.activation, self.norm, self.squeeze_excitation = activation, norm, squeeze_excitation

    def block(self, a: int, b: int, size: Size) -> Bottleneck:
        """A network [N, a, H, W] -> [N, b, H, W]."""
        return Bottleneck(a, b, size, self.middle, self.depth, self.activation, self.norm)

    def residual(self, size: Size, blocks: int) -> Residual:
        """A residual block of ``width`` channels, one of ``blocks``, which keeps the shape."""
        return Residual(self.block(self.width, self.width, size), self.squeeze_excitation, 1 / math.sqrt(blocks))

    def activated(self) -> nn.Module:
        """The activation."""
        return activation(self.activation)
