"""The masked autoencoder of MADE (Germain et al. 2015, arXiv 1502.03509): output j is a function of inputs before j.

Inputs have the degrees 1…D in the order of ``order``; the degrees of the hidden units are spread evenly over 1…D−1. A
hidden unit of degree m sees inputs of degree ≤ m, an output of degree d sees hidden units of degree < d (equations 12
and 13). If there is a context, some hidden units have degree 0 and see nothing else. The degrees are fixed instead of
drawn at random: a network has a single order.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import linear

from vae_lab.nets.activation import Activation, activation


class MaskedLinear(nn.Linear):
    """A linear layer in which some of the weights are fixed at 0.

    Args:
        mask: bool [out, in], False for weights that are fixed at 0.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Module):
    """A network from D numbers to ``outputs`` numbers for each, which depend on the numbers before it and a context.

    Args:
        dims: D.
        width, depth: hidden units per layer and hidden layers.
        outputs: numbers per dimension, such as 2 for a mean and a scale.
        context: C, the size of a vector on which all outputs may depend; 0: there is none.
        order: position of each dimension, a permutation of 0…D−1; ``range(D - 1, -1, -1)`` reverses the dimensions.
            None: the dimensions in their order.
        act: activation after each hidden layer.

    Raises:
        ValueError: ``order`` is not a permutation.
    """

    def __init__(
        self,
        dims: PositiveInt,
        width: PositiveInt,
        depth: PositiveInt = 1,
        outputs: PositiveInt = 2,
        context: int = 0,
        order: Sequence[int] | None = None,
        act: Activation = "relu",
    ) -> None:
        super().__init__()
        self.dims, self.outputs = dims, outputs
        places = torch.tensor([*(order if order is not None else range(dims))])
        if sorted(places.tolist()) != list(range(dims)):
            raise ValueError(f"order must be a permutation of 0…{dims - 1}")
        low = 0 if context or dims == 1 else 1
        hidden = low + torch.arange(width) * (dims - low) // width
        degrees = [places + 1, *[hidden] * depth]
        masks = [after[:, None] >= before for before, after in pairwise(degrees)]
        self.layers = nn.ModuleList(MaskedLinear(mask) for mask in masks)
        self.context = nn.Linear(context, width, bias=False) if context else None
        self.last = MaskedLinear(((places + 1)[:, None] > hidden).repeat(outputs, 1))
        self.act = activation(act)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """[..., D], with a context that broadcasts to [..., C] -> [..., outputs, D]."""
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i == 0 and self.context is not None:
                x = x + self.context(context)
            x = self.act(x)
        return self.last(x).unflatten(-1, (self.outputs, self.dims))
