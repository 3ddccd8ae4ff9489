"""The weights that a network computes with, where they are not the parameters that it stores.

Two kinds of layer store other numbers than they use:

- A parametrised weight is computed from several stored tensors. Weight normalisation (Salimans & Kingma 2016, arXiv
  1602.07868, equation 2) stores a length g and a direction v for each output, and uses θ = g · v/‖v‖. A longer v is the
  same function.
- A masked weight (:class:`~vae_lab.nets.made.MaskedLinear`) is 0 where its mask is 0.

Penalties and counts of parameters refer to the weights in use. Memory and optimizers refer to the stored tensors, and
so does ``weight_decay``, which needs no correction: with ``optimizer=adamw``, decay of g and v multiplies θ by the same
factor as decay of θ would, and with L2 in the gradient, ‖g‖² is ‖θ‖² while the length of v has no effect on θ.

>>> import torch
>>> from torch.nn.utils.parametrizations import weight_norm
>>> layer = weight_norm(nn.Linear(2, 3))
>>> [name for name, _ in effective_parameters(layer)], count_effective(layer)  # 3 biases and 6 weights
(['bias', 'weight'], 9)
>>> sum(p.numel() for p in layer.parameters())  # with the lengths g of the 3 rows
12
"""

from collections.abc import Iterator
from typing import cast

from torch import Tensor, nn
from torch.nn.utils import parametrize

from vae_lab.nets.made import MaskedLinear


def effective_parameters(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Names and values of the weights and biases that a module and its submodules compute with.

    A parametrised weight has the name of the weight, e.g. ``layers.0.weight``, and its gradient flows to the stored
    tensors.
    """
    for owner, name, value in _named(module):
        mask = _mask(owner, name)
        yield name, value if mask is None else value * mask


def count_effective(module: nn.Module) -> int:
    """The number of trainable values that the function of a module depends on.

    A parametrised weight counts with its own size, and a masked one without the values that are fixed at 0.
    """
    sizes = ((value, _mask(owner, name)) for owner, name, value in _named(module) if _is_trained(owner, name))
    return sum(value.numel() if mask is None else int(mask.sum()) for value, mask in sizes)


def _named(module: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """The module that owns a weight, the weight's complete name, and its value; a shared parameter only once."""
    own = {id(p) for _, p in module.named_parameters()}
    for prefix, part in module.named_modules():
        if "parametrizations" in prefix.split("."):
            continue
        start = f"{prefix}." if prefix else ""
        for name, value in part.named_parameters(recurse=False):
            if id(value) in own:
                own.remove(id(value))
                yield part, start + name, value
        if parametrize.is_parametrized(part):
            for name in cast(nn.ModuleDict, part.parametrizations):
                yield part, start + name, getattr(part, name)


def _mask(owner: nn.Module, name: str) -> Tensor | None:
    return owner.mask if isinstance(owner, MaskedLinear) and name.endswith("weight") else None


def _is_trained(owner: nn.Module, name: str) -> bool:
    """Whether the stored tensors of a weight get gradients."""
    last = name.rsplit(".", 1)[-1]
    if parametrize.is_parametrized(owner, last):
        return any(p.requires_grad for p in cast(nn.ModuleDict, owner.parametrizations)[last].parameters())
    return bool(getattr(owner, last).requires_grad)
