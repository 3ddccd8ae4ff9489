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
    values, gates = _chunk(r, x, 2, dim)
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


def _reshape(r: Recorder, x: Register, shape: Sequence[int]) -> Register:
    """The same values in the same order."""
    known = math.prod(n for n in shape if n != -1)
    full = [math.prod(x.shape) // known if n == -1 else n for n in shape]
    return r.add("reshape", full, x)


def _flatten(r: Recorder, x: Register, start: int = 0, end: int = -1) -> Register:
    first, last = start % len(x.shape), end % len(x.shape)
    return _reshape(r, x, (*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


def _unflatten(r: Recorder, x: Register, dim: int, sizes: Sequence[int]) -> Register:
    at = dim % len(x.shape)
    known = math.prod(n for n in sizes if n != -1)
    full = [x.shape[at] // known if n == -1 else n for n in sizes]
    return _reshape(r, x, (*x.shape[:at], *full, *x.shape[at + 1 :]))


def _unsqueeze(r: Recorder, x: Register, dim: int) -> Register:
    at = dim % (len(x.shape) + 1)
    return _reshape(r, x, (*x.shape[:at], 1, *x.shape[at:]))


def _squeeze(r: Recorder, x: Register, dim: int) -> Register:
    at = dim % len(x.shape)
    return _reshape(r, x, (*x.shape[:at], *x.shape[at + 1 :])) if x.shape[at] == 1 else x


def _slice(
    r: Recorder, x: Register, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Register:
    at = dim % len(x.shape)
    first, last, _ = slice(start, end).indices(x.shape[at])
    if step != 1:
        raise CannotRun("the page has no slices with a step")
    if (first, last) == (0, x.shape[at]):
        return x
    return r.add("slice", (*x.shape[:at], last - first, *x.shape[at + 1 :]), x, dim=at, start=first)


def _select(r: Recorder, x: Register, dim: int, index: int) -> Register:
    at = dim % len(x.shape)
    one = _slice(r, x, at, index % x.shape[at], index % x.shape[at] + 1)
    return _reshape(r, one, (*x.shape[:at], *x.shape[at + 1 :]))


def _chunk(r: Recorder, x: Register, chunks: int, dim: int = 0) -> list[Register]:
    at = dim % len(x.shape)
    size = -(-x.shape[at] // chunks)
    return [_slice(r, x, at, start, start + size) for start in range(0, x.shape[at], size)]


def _split(r: Recorder, x: Register, sizes: int | Sequence[int], dim: int = 0) -> list[Register]:
    at = dim % len(x.shape)
    if isinstance(sizes, int):
        return _chunk(r, x, -(-x.shape[at] // sizes), at)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [_slice(r, x, at, end - size, end) for size, end in zip(sizes, ends)]


def _cat(r: Recorder, parts: Sequence[Any], dim: int = 0) -> Register:
    registers = [r.register(part) for part in parts]
    first = registers[0].shape
    at = dim % len(first)
    shape = (*first[:at], sum(one.shape[at] for one in registers), *first[at + 1 :])
    return r.add("cat", shape, *registers, dim=at)


def _expand(r: Recorder, x: Register, sizes: Sequence[int], implicit: bool = False) -> Register:
    own = (1,) * (len(sizes) - len(x.shape)) + x.shape
    shape = tuple(n if size == -1 else size for n, size in zip(own, sizes))
    return r.add("expand" if math.prod(shape) != math.prod(own) else "reshape", shape, x)


def _pad(r: Recorder, x: Register, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Register:
    if mode != "constant" or value not in (None, 0, 0.0) or len(pad) > 4 or min(pad) < 0:
        raise CannotRun("the page pads images with zeros only")
    left, right, top, bottom = [*pad, 0, 0, 0, 0][:4]
    *front, height, width = x.shape
    return r.add("pad", (*front, height + top + bottom, width + left + right), x, top=top, left=left)


def _constant_pad(r: Recorder, x: Register, pad: Sequence[int], value: float = 0) -> Register:
    return _pad(r, x, pad, "constant", value)


def _upsample(r: Recorder, x: Register, size: Any, factors: Any = None) -> Register:
    new = size or [int(n * factor) for n, factor in zip(x.shape[2:], factors)]
    return r.add("upsample", (*x.shape[:2], *new), x)


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


OPERATIONS: dict[str, Callable[..., Any]] = {
    f"aten.{name}": record
    for name, record in {
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
        "reshape.default": _reshape,
        "view.default": _reshape,
        "flatten.using_ints": _flatten,
        "unflatten.int": _unflatten,
        "unsqueeze.default": _unsqueeze,
        "squeeze.dim": _squeeze,
        "slice.Tensor": _slice,
        "select.int": _select,
        "chunk.default": _chunk,
        "split.Tensor": _split,
        "split_with_sizes.default": _split,
        "cat.default": _cat,
        "expand.default": _expand,
        "pad.default": _pad,
        "constant_pad_nd.default": _constant_pad,
        "upsample_nearest2d.vec": _upsample,
        "mean.dim": _mean,
        "to.dtype": _same,
        "contiguous.default": _same,
        "clone.default": _same,
        "alias.default": _same,
        "detach.default": _same,
        "dropout.default": _same,
        "zeros_like.default": _zeros_like,
        "_assert_tensor_metadata.default": _nothing,
    }.items()
}
