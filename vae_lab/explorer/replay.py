"""Carries out a :class:`~vae_lab.explorer.program.Program` layer by layer as the page does, on the page's weights."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from vae_lab.explorer.program import Layer, Program

Weight = Callable[[str], Tensor]


def replay(program: Program, z: Tensor, y: Tensor | None = None) -> Tensor:
    """Return the images [N, C, H, W] that the page shows for codes [N, D] and y [N, A]."""
    rows = zip(z.split(1), [None] * len(z) if y is None else y.split(1))
    with torch.inference_mode():
        return torch.cat([_one(program, *row) for row in rows]).clone()


def _one(program: Program, z: Tensor, y: Tensor | None) -> Tensor:
    registers = [z, *([] if y is None else [y])]
    for layer in program.layers:
        result = _LAYERS[layer.op](layer, program, *(registers[i] for i in layer.inputs))
        registers.append(result.reshape(layer.shape))
    return registers[program.output]


def _weights(layer: Layer, program: Program, *names: str) -> list[Tensor | None]:
    return [program.stored(layer.weights[name]) if name in layer.weights else None for name in names]


def _linear(layer: Layer, program: Program, x: Tensor) -> Tensor:
    weight, bias = _weights(layer, program, "weight", "bias")
    assert weight is not None
    return F.linear(x, weight, bias)


def _conv(layer: Layer, program: Program, x: Tensor) -> Tensor:
    weight, bias = _weights(layer, program, "weight", "bias")
    assert weight is not None
    return F.conv2d(x, weight, bias, _ints(layer, "stride"), _ints(layer, "padding"))


def _conv_transpose(layer: Layer, program: Program, x: Tensor) -> Tensor:
    weight, bias = _weights(layer, program, "weight", "bias")
    assert weight is not None
    stride, padding = _ints(layer, "stride"), _ints(layer, "padding")
    size = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(x.shape[2:], stride, padding, weight.shape[2:])]
    beyond = [full - n for full, n in zip(layer.shape[2:], size)]
    return F.conv_transpose2d(x, weight, bias, stride, padding, beyond)


def _scale(layer: Layer, program: Program, x: Tensor) -> Tensor:
    over = (1, -1, *(1,) * (x.ndim - 2))
    return x * layer.weights["scale"].view(over) + layer.weights["shift"].view(over)


def _group_norm(layer: Layer, program: Program, x: Tensor) -> Tensor:
    weight, bias = _weights(layer, program, "weight", "bias")
    return F.group_norm(x, int(layer.numbers["groups"]), weight, bias, float(layer.numbers["eps"]))  # type: ignore[arg-type]


def _constant(layer: Layer, program: Program) -> Tensor:
    return layer.weights["value"]


def _slice(layer: Layer, program: Program, x: Tensor) -> Tensor:
    dim, start = (int(layer.numbers[name]) for name in ("dim", "start"))  # type: ignore[arg-type]
    return x.narrow(dim, start, layer.shape[dim])


def _cat(layer: Layer, program: Program, *parts: Tensor) -> Tensor:
    return torch.cat(parts, int(layer.numbers["dim"]))  # type: ignore[arg-type]


def _pad(layer: Layer, program: Program, x: Tensor) -> Tensor:
    padded = x.new_zeros(layer.shape)
    top, left = (int(layer.numbers[name]) for name in ("top", "left"))  # type: ignore[arg-type]
    padded[..., top : top + x.shape[-2], left : left + x.shape[-1]] = x
    return padded


def _clamp(layer: Layer, program: Program, x: Tensor) -> Tensor:
    return x.clamp(layer.numbers.get("min"), layer.numbers.get("max"))  # type: ignore[arg-type]


def _expand(layer: Layer, program: Program, x: Tensor) -> Tensor:
    return x.expand(layer.shape)


def _upsample(layer: Layer, program: Program, x: Tensor) -> Tensor:
    return F.interpolate(x, layer.shape[2:], mode="nearest")


def _mean(layer: Layer, program: Program, x: Tensor) -> Tensor:
    return x.reshape(-1, int(layer.numbers["over"])).mean(-1)  # type: ignore[arg-type]


def _function(function: Callable[..., Tensor], *names: str) -> Callable[..., Tensor]:
    """A layer that needs nothing but its inputs and the numbers of these names."""

    def run(layer: Layer, program: Program, *inputs: Tensor) -> Tensor:
        return function(*inputs, *(layer.numbers[name] for name in names if name in layer.numbers))

    return run


def _ints(layer: Layer, name: str) -> list[int]:
    return list(layer.numbers[name])  # type: ignore[arg-type]


_LAYERS: dict[str, Callable[..., Tensor]] = {
    "linear": _linear,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "scale": _scale,
    "group_norm": _group_norm,
    "constant": _constant,
    "reshape": _function(lambda x: x),
    "slice": _slice,
    "cat": _cat,
    "expand": _expand,
    "pad": _pad,
    "upsample": _upsample,
    "mean": _mean,
    "clamp": _clamp,
    "relu": _function(F.relu),
    "silu": _function(F.silu),
    "gelu": _function(F.gelu),
    "gelu_tanh": _function(lambda x: F.gelu(x, approximate="tanh")),
    "tanh": _function(torch.tanh),
    "sigmoid": _function(torch.sigmoid),
    "leaky_relu": _function(F.leaky_relu, "slope"),
    "elu": _function(F.elu, "alpha"),
    "exp": _function(torch.exp),
    "log": _function(torch.log),
    "softplus": _function(F.softplus),
    "add": _function(torch.add),
    "sub": _function(torch.sub),
    "mul": _function(torch.mul),
    "div": _function(torch.div),
}
