"""The axes of an array of images: which of them counts the images, and where rows, columns and channels are.

Axes are written as a list with one entry per axis of the array: N counts images, H rows, W columns and C channels. An
entry of several letters is an axis that was flattened, the last letter changing fastest: ``[N,H,W,C]``; ``[N,HW]`` for
rows of flattened images; ``[WH,N]`` for columns that each hold an image pixel column by pixel column, as MATLAB does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vae_lab.errors import UserError
from vae_lab.types import Shape


@dataclass(frozen=True)
class Layout:
    """The axes of an array, with the sizes of the images.

    Args:
        axes: one entry per axis of the array.
        sizes: the sizes of H, W and C.
    """

    axes: tuple[str, ...]
    sizes: dict[str, int]

    @property
    def images(self) -> int:
        """The axis that counts images."""
        return self.axes.index("N")

    @property
    def x_shape(self) -> Shape:
        """C, H, W of an image."""
        return (self.sizes["C"], self.sizes["H"], self.sizes["W"])

    def arranged(self, block: np.ndarray) -> np.ndarray:
        """Return a block with its images first and its other axes in the file's order as [n, C, H, W]."""
        letters = "".join(axis for axis in self.axes if axis != "N")
        block = block.reshape(len(block), *(self.sizes[letter] for letter in letters))
        if "C" not in letters:
            block, letters = block[:, None], f"C{letters}"
        return block.transpose(0, *(1 + letters.index(letter) for letter in "CHW"))

    def __str__(self) -> str:
        return ", ".join(self.axes)


@dataclass(frozen=True)
class Sizes:
    """What is known of the images before the array is read: H, W and C, each None if it is not known."""

    height: int | None = None
    width: int | None = None
    channels: int | None = None


def layout_of(shape: Shape, axes: Sequence[str] | None, known: Sizes, start: str, prefix: str) -> Layout:
    """Return the layout of an array of this shape.

    Args:
        shape: the shape of the array.
        axes: the axes as they were typed; None: derived from the shape.
        known: the sizes that are known.
        start: the beginning of error messages, ``images=x.npy``.
        prefix: what stands before the names of options, ``dataset.source.`` or nothing.

    Raises:
        UserError: the axes do not fit the array, or are not clear.
    """
    if axes is None:
        axes = _derived(shape, known)
    if axes is None:
        raise UserError(f"{start}: {_question(shape, prefix)}")
    sizes = _sizes(shape, axes, known, start, prefix)
    if sizes["C"] not in (1, 3) and sizes["C"] != known.channels:
        raise UserError(f"{start}: {sizes['C']} channels; an image has 1 (grey) or 3 (RGB)")
    return Layout(tuple(axes), sizes)


def _derived(shape: Shape, known: Sizes) -> list[str] | None:
    """Return the axes that an array of this shape has, if there is only one possibility among the usual ones."""
    rest, size, wanted = shape[1:], (known.height, known.width), (known.channels, known.height, known.width)
    if len(shape) == 3:
        # As many images as columns or fewer are rare; more often, the images are on the last axis.
        may_be_last = shape[0] <= shape[2] if known.channels is None else shape[:2] == size
        return ["N", "H", "W"] if rest == size or not may_be_last else None
    if len(shape) == 4:
        first, last = shape[1] in (1, 3), shape[3] in (1, 3)
        if rest == wanted or (first and not last):
            return ["N", "C", "H", "W"]
        return ["N", "H", "W", "C"] if last and not first else None
    if len(shape) == 2 and known.height and known.width:
        pixels = known.height * known.width
        return ["N", "HW"] if rest == (pixels,) and shape[0] != pixels else None
    return None


def _sizes(shape: Shape, axes: Sequence[str], known: Sizes, start: str, prefix: str) -> dict[str, int]:
    """Return the sizes of H, W and C.

    Raises:
        UserError: they do not fit the array.
    """
    typed, letters = f"{prefix}axes=[{','.join(axes)}]", "".join(axes)
    if sorted(letters.replace("C", "")) != ["H", "N", "W"] or letters.count("C") > 1 or "N" not in axes:
        raise UserError(f"{typed}: N, H and W are needed once each, N alone; C once or not at all; as in [N,HW]")
    if len(axes) != len(shape):
        raise UserError(f"{typed}: {start} has {len(shape)} axes, {_shown(shape)}")
    sizes = {axis: size for axis, size in zip(axes, shape) if len(axis) == 1 and axis != "N"}
    if "C" not in letters:
        sizes["C"] = 1
    given = {"H": known.height, "W": known.width, "C": None}
    for axis, size in ((axis, size) for axis, size in zip(axes, shape) if len(axis) > 1):
        sizes |= _flattened(axis, size, {**given, **sizes}, start, prefix)
    wrong = next((letter for letter in "HW" if given[letter] not in (None, sizes[letter])), None)
    if wrong and prefix:
        option = {"H": "height", "W": "width"}[wrong]
        raise UserError(
            f"{prefix}{option}={given[wrong]}: the images of {start} are {sizes['H']}×{sizes['W']}; leave it out"
        )
    return sizes


def _flattened(axis: str, size: int, given: dict[str, int | None], start: str, prefix: str) -> dict[str, int]:
    """Return the sizes of the letters of a flattened axis, of which one may be unknown.

    Raises:
        UserError: more than one is unknown, or their product is not the size of the axis.
    """
    known = math.prod(given[letter] or 1 for letter in axis)
    unknown = [letter for letter in axis if not given[letter]]
    if len(unknown) > 1 or size % known or (not unknown and known != size):
        options = f"{prefix}height=<H> {prefix}width=<W>" if prefix else "another dataset="
        raise UserError(
            f"{start}: the flattened axis {axis} has {size} values, which must be the product of "
            f"{' and '.join(', '.join(axis).rsplit(', ', 1))}; type {options}"
        )
    return {letter: given[letter] or size // known for letter in axis}


def _question(shape: Shape, prefix: str) -> str:
    """Return what to type for an array whose axes are not clear."""
    option = f"{prefix}axes="
    start = f"an array of {_shown(shape)}"
    if len(shape) == 2:
        return (
            f"{start}; for flat images, type {option}[N,HW] (each row is an image) or [HW,N] (each column is), WH "
            f"instead of HW if its pixels come column by column"
            + (f", and {prefix}height=… {prefix}width=…" if prefix else "")
        )
    if len(shape) in (3, 4):
        choices = ("[N,H,W]", "[H,W,N]") if len(shape) == 3 else ("[N,H,W,C]", "[N,C,H,W]", "[H,W,C,N]")
        return f"{start} may be read in several ways; type {option}{' or '.join(choices)} (N images, C channels)"
    return f"{start}; images are N × H × W, N × H × W × C, N × C × H × W, or flat"


def _shown(shape: Shape) -> str:
    return " × ".join(map(str, shape)) or "one number"
