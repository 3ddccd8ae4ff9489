"""The activation functions that a config can name."""

from typing import Literal

from torch import nn

Activation = Literal["relu", "silu", "gelu", "tanh", "leaky_relu", "elu"]

_MODULES: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
}


def activation(name: Activation) -> nn.Module:
    """Return a new module of the activation with this name."""
    return _MODULES[name]()
