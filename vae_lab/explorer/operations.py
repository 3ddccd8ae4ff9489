"""Which layers of the page an operation of torch becomes.

Each function receives the recorder and the operation's arguments, of which tensors that depend on the code are
:class:`~vae_lab.explorer.recording.Register`. A batch has one example. What the page lacks raises
:class:`~vae_lab.explorer.recording.CannotRun`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from vae_lab.explorer.rearranging import (
    cat,
    chunk,
    constant_pad,
    expand,
    flatten,
    pad,
    reshape,
    select,
    slice_,
    split,
    squeeze,
    unflatten,
    unsqueeze,
    upsample,
)
from vae_lab.explorer.recording import CannotRun, Recorder, Register


def _linear(r: Recorder, x: Register, weight: Tensor, bias: Tensor | None = None) -> Register:
    return r.add("linear", (*x.shape[:-1], len(weight)), x, weight=weight, bias=bias)


def _addmm(r: Recorder, bias: Tensor, x: Register, weight: Tensor) -> Register:
    return _linear(r, x, weight.T, bias)


def _conv(
    r: Recorder, x: Register, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Register:  # fmt: skip
    stride, padding, dilation = _pair(stride), _pair(padding), _pair(dilation)
    _refuse_unusual(dilation, groups)
    kernel = weight.shape[2:]
    size = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(x.shape[2:], padding, kernel, stride)]
    return r.add("conv", (1, len(weight), *size), x, weight=weight, bias=bias, stride=stride, padding=padding)


def _conv_transpose(
    r: Recorder, x: Register, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Register:  # fmt: skip
    stride, padding, beyond, dilation = map(_pair, (stride, padding, output_padding, dilation))
    _refuse_unusual(dilation, groups)
    kernel = weight.shape[2:]
    size = [(n - 1) * s - 2 * p + k + o for n, s, p, k, o in zip(x.shape[2:], stride, padding, kernel, beyond)]
    shape = (1, weight.shape[1], *size)
    return r.add("conv_transpose", shape, x, weight=weight, bias=bias, stride=stride, padding=padding)


def _refuse_unusual(dilation: Sequence[int], groups: int) -> None:
    if groups != 1 or list(dilation) != [1, 1]:
        raise CannotRun("the page has no grouped or dilated convolutions")


def _pair(value: int | Sequence[int]) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * 2 if len(values) == 1 else values


def _batch_norm(
    r: Recorder, x: Register, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None, var: Tensor | None,
    training: bool, momentum: float, eps: float, cudnn: bool = False,
) -> Register:  # fmt: skip
    """γ (x − mean)/√(var + ε) + β with the running statistics is one scale and one shift per feature."""
    if training or mean is None or var is None:
        raise CannotRun("the page has no batch normalisation by the statistics of a batch")
    scale = torch.rsqrt(var.double() + eps) * (1 if weight is None else weight.double())
    shift = (0 if bias is None else bias.double()) - mean.double() * scale
    return r.add("scale", x.shape, x, scale=scale, shift=shift)


def _group_norm(
    r: Recorder, x: Register, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5,
    cudnn: bool = True,
) -> Register:  # fmt: skip
    return r.add("group_norm", x.shape, x, groups=groups, eps=eps, weight=weight, bias=bias)


def _unary(op: str, *names: str) -> Callable[..., Register]:
    """A function of every value, whose further arguments have these names in the page."""

    def record(r: Recorder, x: Register, *args: Any, **kwargs: Any) -> Register:
        return r.add(
            op, x.shape, x, **dict(zip(names, args)), **{name: kwargs[name] for name in names if name in kwargs}
        )

    return record


def _gelu(r: Recorder, x: Register, approximate: str = "none") -> Register:
    return r.add("gelu" if approximate == "none" else "gelu_tanh", x.shape, x)


def _elu(r: Recorder, x: Register, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Register:
    if scale != 1 or input_scale != 1:
        raise CannotRun("the page has no scaled ELU")
    return r.add("elu", x.shape, x, alpha=alpha)


def _glu(r: Recorder, x: Register, dim: int = -1) -> Register:
    values, gates = chunk(r, x, 2, dim)
    return _binary("mul")(r, values, r.add("sigmoid", gates.shape, gates))


def _binary(op: str) -> Callable[..., Register]:
    def record(r: Recorder, a: Any, b: Any, alpha: float = 1) -> Register:
        if alpha != 1:
            b = _binary("mul")(r, b, alpha)
        left, right = r.register(a), r.register(b)
        return r.add(op, torch.broadcast_shapes(left.shape, right.shape), left, right)

    return record


def _addcmul(r: Recorder, x: Any, a: Any, b: Any, value: float = 1) -> Register:
    """x + value · a · b, which is x where one of the factors is 0, as the noise of a level at its mean is."""
    if any(isinstance(one, Tensor) and not one.any() for one in (a, b)):
        return r.register(x)
    return _binary("add")(r, x, _binary("mul")(r, a, b), alpha=value)


def _mean(r: Recorder, x: Register, dims: Sequence[int], keepdim: bool = False, dtype: Any = None) -> Register:
    last = len(x.shape) - len(dims)
    if sorted(dim % len(x.shape) for dim in dims) != list(range(last, len(x.shape))):
        raise CannotRun("the page takes means over the last axes only")
    shape = (*x.shape[:last], *((1,) * len(dims) if keepdim else ()))
    return r.add("mean", shape, x, over=math.prod(x.shape[last:]))


def _same(r: Recorder, x: Register, *_: Any, **__: Any) -> Register:
    """Casts, clones and dropout leave the values as they are."""
    return x


def _nothing(*_: Any, **__: Any) -> None:
    """An assertion."""


def _zeros_like(r: Recorder, x: Register, *_: Any, **__: Any) -> Tensor:
    return torch.zeros(x.shape)


_RECORDED: dict[str, Callable[..., Any]] = {
    "linear.default": _linear,
    "addmm.default": _addmm,
    "conv2d.default": _conv,
    "conv_transpose2d.input": _conv_transpose,
    "batch_norm.default": _batch_norm,
    "group_norm.default": _group_norm,
    "relu.default": _unary("relu"),
    "silu.default": _unary("silu"),
    "gelu.default": _gelu,
    "tanh.default": _unary("tanh"),
    "sigmoid.default": _unary("sigmoid"),
    "leaky_relu.default": _unary("leaky_relu", "slope"),
    "elu.default": _elu,
    "glu.default": _glu,
    "exp.default": _unary("exp"),
    "log.default": _unary("log"),
    "softplus.default": _unary("softplus"),
    "clamp.default": _unary("clamp", "min", "max"),
    "hardtanh.default": _unary("clamp", "min", "max"),
    "add.Tensor": _binary("add"),
    "sub.Tensor": _binary("sub"),
    "mul.Tensor": _binary("mul"),
    "div.Tensor": _binary("div"),
    "addcmul.default": _addcmul,
    "reshape.default": reshape,
    "view.default": reshape,
    "flatten.using_ints": flatten,
    "unflatten.int": unflatten,
    "unsqueeze.default": unsqueeze,
    "squeeze.dim": squeeze,
    "slice.Tensor": slice_,
    "select.int": select,
    "chunk.default": chunk,
    "split.Tensor": split,
    "split_with_sizes.default": split,
    "cat.default": cat,
    "expand.default": expand,
    "pad.default": pad,
    "constant_pad_nd.default": constant_pad,
    "upsample_nearest2d.vec": upsample,
    "mean.dim": _mean,
    "to.dtype": _same,
    "contiguous.default": _same,
    "clone.default": _same,
    "alias.default": _same,
    "detach.default": _same,
    "dropout.default": _same,
    "zeros_like.default": _zeros_like,
    "_assert_tensor_metadata.default": _nothing,
}
OPERATIONS = {f"aten.{name}": record for name, record in _RECORDED.items()}
