"""Operations that move values and compute none, as layers of the page; see :mod:`~vae_lab.explorer.operations`."""

import math
from collections.abc import Sequence
from typing import Any

from vae_lab.explorer.recording import CannotRun, Recorder, Register


def reshape(r: Recorder, x: Register, shape: Sequence[int]) -> Register:
    """The same values in the same order."""
    known = math.prod(n for n in shape if n != -1)
    full = [math.prod(x.shape) // known if n == -1 else n for n in shape]
    return r.add("reshape", full, x)


def flatten(r: Recorder, x: Register, start: int = 0, end: int = -1) -> Register:
    """Join the axes from start to end."""
    first, last = start % len(x.shape), end % len(x.shape)
    return reshape(r, x, (*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


def unflatten(r: Recorder, x: Register, dim: int, sizes: Sequence[int]) -> Register:
    """Divide an axis."""
    at = dim % len(x.shape)
    known = math.prod(n for n in sizes if n != -1)
    full = [x.shape[at] // known if n == -1 else n for n in sizes]
    return reshape(r, x, (*x.shape[:at], *full, *x.shape[at + 1 :]))


def unsqueeze(r: Recorder, x: Register, dim: int) -> Register:
    """Insert an axis of length 1."""
    at = dim % (len(x.shape) + 1)
    return reshape(r, x, (*x.shape[:at], 1, *x.shape[at:]))


def squeeze(r: Recorder, x: Register, dim: int) -> Register:
    """Drop an axis of length 1."""
    at = dim % len(x.shape)
    return reshape(r, x, (*x.shape[:at], *x.shape[at + 1 :])) if x.shape[at] == 1 else x


def slice_(
    r: Recorder, x: Register, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Register:
    """A range of an axis."""
    at = dim % len(x.shape)
    first, last, _ = slice(start, end).indices(x.shape[at])
    if step != 1:
        raise CannotRun("the page has no slices with a step")
    if (first, last) == (0, x.shape[at]):
        return x
    return r.add("slice", (*x.shape[:at], last - first, *x.shape[at + 1 :]), x, dim=at, start=first)


def select(r: Recorder, x: Register, dim: int, index: int) -> Register:
    """One place of an axis, which is dropped."""
    at = dim % len(x.shape)
    one = slice_(r, x, at, index % x.shape[at], index % x.shape[at] + 1)
    return reshape(r, one, (*x.shape[:at], *x.shape[at + 1 :]))


def chunk(r: Recorder, x: Register, chunks: int, dim: int = 0) -> list[Register]:
    """Equal parts of an axis, of which the last may be smaller."""
    at = dim % len(x.shape)
    size = -(-x.shape[at] // chunks)
    return [slice_(r, x, at, start, start + size) for start in range(0, x.shape[at], size)]


def split(r: Recorder, x: Register, sizes: int | Sequence[int], dim: int = 0) -> list[Register]:
    """Parts of an axis of one size, or of given sizes."""
    at = dim % len(x.shape)
    if isinstance(sizes, int):
        return chunk(r, x, -(-x.shape[at] // sizes), at)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [slice_(r, x, at, end - size, end) for size, end in zip(sizes, ends)]


def cat(r: Recorder, parts: Sequence[Any], dim: int = 0) -> Register:
    """Tensors one after the other along an axis."""
    registers = [r.register(part) for part in parts]
    first = registers[0].shape
    at = dim % len(first)
    shape = (*first[:at], sum(one.shape[at] for one in registers), *first[at + 1 :])
    return r.add("cat", shape, *registers, dim=at)


def expand(r: Recorder, x: Register, sizes: Sequence[int], implicit: bool = False) -> Register:
    """Repeat axes of length 1."""
    own = (1,) * (len(sizes) - len(x.shape)) + x.shape
    shape = tuple(n if size == -1 else size for n, size in zip(own, sizes))
    return r.add("expand" if math.prod(shape) != math.prod(own) else "reshape", shape, x)


def pad(r: Recorder, x: Register, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Register:
    """Zeros around the last two axes."""
    if mode != "constant" or value not in (None, 0, 0.0) or len(pad) > 4 or min(pad) < 0:
        raise CannotRun("the page pads images with zeros only")
    left, right, top, bottom = [*pad, 0, 0, 0, 0][:4]
    *front, height, width = x.shape
    return r.add("pad", (*front, height + top + bottom, width + left + right), x, top=top, left=left)


def constant_pad(r: Recorder, x: Register, sizes: Sequence[int], value: float = 0) -> Register:
    """Zeros around the last two axes."""
    return pad(r, x, sizes, "constant", value)


def upsample(r: Recorder, x: Register, size: Any, factors: Any = None) -> Register:
    """The nearest pixel of an image for each pixel of a larger one."""
    new = size or [int(n * factor) for n, factor in zip(x.shape[2:], factors)]
    return r.add("upsample", (*x.shape[:2], *new), x)
