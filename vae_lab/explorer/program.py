"""A decoder as a list of layers with their weights: what the page carries out.

Registers hold tensors. The first ones hold the inputs, the code and, of a conditional model, y; each layer reads
registers and writes the next one. Shapes are those of torch with a batch of one. Matrices and kernels are rounded to
half precision, which halves the page; vectors, such as biases, stay in single precision.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from torch import Tensor

from vae_lab.types import Shape

Weights = Literal["fp16", "fp32"]
Number = float | int | str | Sequence[int]


@dataclass(frozen=True)
class Layer:
    """One operation: its name in ``page/layers.js``, the registers it reads, and what it is given."""

    op: str
    inputs: tuple[int, ...]
    shape: Shape  # of its result
    numbers: Mapping[str, Number] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """A decoder: ``layers[i]`` writes register ``len(inputs) + i``, and the image is in register ``output``.

    Args:
        inputs: the shapes of the code [1, D] and, of a conditional model, of y [1, A].
        layers: the operations in order.
        output: the register of the image [1, C, H, W], with values in [0, 1].
        precision: how matrices and kernels are stored.
    """

    inputs: tuple[Shape, ...]
    layers: tuple[Layer, ...]
    output: int
    precision: Weights = "fp16"

    def stored(self, weight: Tensor) -> Tensor:
        """Return a weight with the values that the page computes with."""
        return weight.half().float() if self.is_halved(weight) else weight

    def is_halved(self, weight: Tensor) -> bool:
        """Whether a weight is stored in half precision."""
        return self.precision == "fp16" and weight.ndim > 1

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return sum(weight.numel() for layer in self.layers for weight in layer.weights.values())


def without_unread(program: Program) -> Program:
    """Return the program without the layers whose results nothing reads, such as the σ of a level at its mean."""
    first, read = len(program.inputs), {program.output}
    for place in range(len(program.layers) - 1, -1, -1):
        if first + place in read:
            read |= set(program.layers[place].inputs)
    kept = [place for place in range(len(program.layers)) if first + place in read]
    names = {i: i for i in range(first)} | {first + old: first + new for new, old in enumerate(kept)}
    layers = (program.layers[place] for place in kept)
    moved = tuple(
        Layer(one.op, tuple(names[i] for i in one.inputs), one.shape, one.numbers, one.weights) for one in layers
    )
    return Program(program.inputs, moved, names[program.output], program.precision)


def for_page(program: Program) -> dict[str, Any]:
    """Return the program as plain values for JSON: its layers, and the weights as base64 of little-endian numbers.

    A weight is ``[kind, offset, shape]``, where kind is ``half`` or ``single`` and the offset counts numbers.
    """
    packed: dict[str, list[np.ndarray]] = {"half": [], "single": []}
    sizes = dict.fromkeys(packed, 0)

    def put(weight: Tensor) -> list[Any]:
        kind = "half" if program.is_halved(weight) else "single"
        values = weight.detach().cpu().float().contiguous().numpy()
        packed[kind].append(values.astype("<f2" if kind == "half" else "<f4").ravel())
        place = [kind, sizes[kind], list(weight.shape)]
        sizes[kind] += weight.numel()
        return place

    layers = [
        {"op": layer.op, "in": list(layer.inputs), "shape": list(layer.shape), **layer.numbers,
         **{name: put(weight) for name, weight in layer.weights.items()}}
        for layer in program.layers
    ]  # fmt: skip
    weights = {kind: encoded(np.concatenate(parts)) if parts else "" for kind, parts in packed.items()}
    return {"inputs": [list(shape) for shape in program.inputs], "layers": layers, "output": program.output,
            "weights": weights}  # fmt: skip


def encoded(values: np.ndarray) -> str:
    """Return an array's bytes as base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
