"""Fully connected networks between the levels of a hierarchy of latent variables."""

import math
from collections.abc import Sequence
from itertools import pairwise

from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vae_lab.nets.norm import Norm, norm
from vae_lab.types import Shape


class _Hidden(nn.Module):
    """Hidden layers, each a linear map, a normalisation and a leaky ReLU."""

    def __init__(self, in_shape: Shape, widths: Sequence[int], how: Norm, slope: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in pairwise([math.prod(in_shape), *widths]):
            layers += [nn.Linear(a, b, bias=how == "none"), *norm(how, (b,)), nn.LeakyReLU(slope)]
        self.layers = nn.Sequential(*layers)
        self.out_shape = (widths[-1],)

    def forward(self, x: Tensor) -> Tensor:
        """[N, *in_shape] -> [N, F]."""
        return self.layers(x)


class DenseLevels:
    """Fully connected networks with ``depth`` hidden layers between every two levels (arXiv 1602.02282, section 3).

    Args:
        widths: units of the hidden layers at each level, the lowest level first.
        depth: number of hidden layers per level.
        norm: batch | layer | none. Without batch normalisation the upper levels of a ladder stay empty.
        slope: the slope of the leaky ReLU below 0.
    """

    def __init__(
        self, widths: list[PositiveInt], depth: PositiveInt = 2, norm: Norm = "batch", slope: NonNegativeFloat = 0.1
    ) -> None:
        self.widths, self.depth, self.norm, self.slope = list(widths), depth, norm, slope
        self.levels = len(self.widths)

    def upward(self, in_shape: Shape, level: int, x_shape: Shape) -> nn.Module:
        """The network from the level below, or from an example, to the features of a level."""
        return self._hidden(in_shape, level)

    def downward(self, in_shape: Shape, out_shape: Shape, level: int) -> nn.Module:
        """The network from codes of the level above to the features of a level."""
        return self._hidden(in_shape, level)

    def output(self, in_shape: Shape, out_shape: Shape) -> nn.Module:
        """The network from codes of the lowest level to the parameters of the likelihood."""
        hidden = self._hidden(in_shape, 0)
        return nn.Sequential(hidden, nn.Linear(self.widths[0], math.prod(out_shape)), nn.Unflatten(1, out_shape))

    def _hidden(self, in_shape: Shape, level: int) -> _Hidden:
        return _Hidden(in_shape, [self.widths[level]] * self.depth, self.norm, self.slope)
