"""What collects the layers of a decoder while its operations are gone through."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_lab.explorer.program import Layer, Number
from vae_lab.types import Shape


class CannotRun(Exception):
    """A decoder has something that the page does not have."""


@dataclass(frozen=True)
class Register:
    """A tensor that the page computes."""

    place: int
    shape: Shape


class Recorder:
    """Collects layers."""

    def __init__(self, inputs: Sequence[Shape]) -> None:
        self.layers: list[Layer] = []
        self._inputs = len(inputs)

    def add(self, op: str, shape: Sequence[int], *inputs: Register, **given: Number | Tensor | None) -> Register:
        """Add a layer and return the register of its result; arguments that are None are left out."""
        numbers = {key: value for key, value in given.items() if value is not None and not isinstance(value, Tensor)}
        weights = {key: value.detach().float() for key, value in given.items() if isinstance(value, Tensor)}
        self.layers.append(Layer(op, tuple(one.place for one in inputs), tuple(shape), numbers, weights))
        return Register(self._inputs + len(self.layers) - 1, tuple(shape))

    def register(self, value: "Register | Tensor | float") -> Register:
        """Return a register that holds a value, which may be a constant."""
        if isinstance(value, Register):
            return value
        constant = torch.as_tensor(value, dtype=torch.float32)
        return self.add("constant", constant.shape, value=constant.reshape(-1))
