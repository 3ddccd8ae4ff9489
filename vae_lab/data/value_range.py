"""The values that mean black and white: derived from the values of all images, or asked for where they are unclear."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vae_lab.errors import UserError

Range = float | list[float]  # [black, white], or white alone where black is 0
BLOCK = 2**18  # values that are checked at a time
ROUNDING = 1e-5  # how far values may lie outside their range, as a share of it, and still count as rounding errors
CLEARLY_BYTES = 32  # if the largest value is above this, the range cannot be 0–1
MOST_CUT = 0.01  # a range that moves the values by more than this share of their span, on average, destroys images


class Images(Protocol):
    """N images whose values are read a block at a time."""

    count: int

    def read(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the images at these positions [n, C, H, W], with the values of the file."""


@dataclass(frozen=True)
class ValueRange:
    """The values that mean black and white.

    Args:
        black, white: the values.
        told: a description of the values that were found and how they are read.
    """

    black: float
    white: float
    told: str

    def unit(self, values: np.ndarray) -> np.ndarray:
        """Return values scaled to [0, 1], float32; those outside of the range are clamped."""
        scaled = (values.astype(np.float32) - np.float32(self.black)) / np.float32(self.white - self.black)
        return scaled.clip(0, 1)


@dataclass
class _Found:
    """What all values of the images have in common."""

    low: float = float("inf")
    high: float = -float("inf")
    kinds: str = ""  # kinds of types: b, u, i or f

    def __str__(self) -> str:
        return f"values from {self.low:g} to {self.high:g}"


def value_range(images: Images, start: str, option: str, asked: Range | None = None) -> ValueRange:
    """Return the range of the values of all images.

    Args:
        images: the images.
        start: the beginning of error messages, ``images=x.npy``.
        option: the option that gives the range, ``range=``.
        asked: the range that the user typed; None: derived from the values.

    Raises:
        UserError: a value is not finite, or the range is unclear, or would cut off much of the values.
    """
    ends = None if asked is None else black_and_white(asked, option.removesuffix("="))
    found = _scanned(images, start)
    low, high = ends or _evident(images, found, start, option)
    outside, cut = _cut(images, found, low, high)
    if cut > MOST_CUT:
        raise UserError(
            f"{start}: {found}; {option}{_shown(low, high)} would clamp them, by {100 * cut:.2g} % of their span "
            f"on average; type {option}{_shown(found.low, found.high)} to rescale them"
        )
    clamped = f" ({outside:,} outside {low:g}–{high:g} clamped)" if outside else ""
    return ValueRange(low, high, f"{found}{clamped}, read as {low:g}–{high:g}")


def black_and_white(asked: Range, option: str) -> tuple[float, float]:
    """Return the values that mean black and white, as the user typed them: white alone, or both.

    Raises:
        UserError: they are not two numbers in ascending order.
    """
    ends = asked if isinstance(asked, list) else [0, asked]
    if len(ends) != 2 or not ends[0] < ends[1]:
        typed = f"[{','.join(f'{end:g}' for end in ends)}]" if isinstance(asked, list) else f"{asked:g}"
        raise UserError(f"{option}={typed}: black, then white, a larger number, are needed, as in {option}=[-1,1]")
    return ends[0], ends[1]


def _blocks(images: Images) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions and images, a limited number of values at a time."""
    at_once = max(1, BLOCK // images.read([0]).size)
    for index in np.array_split(np.arange(images.count), -(-images.count // at_once)):
        yield index, images.read(index)


def _scanned(images: Images, start: str) -> _Found:
    found = _Found()
    for index, part in _blocks(images):
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            bad = int(index[~np.isfinite(part).reshape(len(part), -1).all(1)][0])
            raise UserError(f"{start}: image {bad} has values that are NaN or infinite; repair or remove it")
        found.low, found.high = min(found.low, float(part.min())), max(found.high, float(part.max()))
        found.kinds += part.dtype.kind
    return found


def _cut(images: Images, found: _Found, low: float, high: float) -> tuple[int, float]:
    """Return how many values clamping would change by more than rounding errors, and the mean change / span."""
    if low <= found.low and found.high <= high:
        return 0, 0.0
    outside, change, total = 0, 0.0, 0
    for _, part in _blocks(images):
        values = part.astype(np.float64)
        beyond = np.abs(values - values.clip(low, high))
        outside, change = outside + int((beyond > ROUNDING * (high - low)).sum()), change + float(beyond.sum())
        total += beyond.size
    return outside, change / total / (min(found.high - found.low, high - low) or high - low)


def _evident(images: Images, found: _Found, start: str, option: str) -> tuple[float, float]:
    """Return black and white, if the values make them clear.

    Raises:
        UserError: they do not.
    """
    floats, bools = "f" in found.kinds, set(found.kinds) == {"b"}
    if found.low < -ROUNDING:
        symmetric = floats and -1 - ROUNDING <= found.low < -0.5 and found.high <= 1 + ROUNDING
        ends = "[-1,1]" if symmetric else _shown(found.low, found.high)
        white = 1 if found.high < CLEARLY_BYTES else 255
        slight = _cut(images, found, 0, white)[1] <= MOST_CUT
        clamp = f", or {option}{white} to clamp the few that lie outside 0–{white}" if slight else ""
        raise UserError(f"{start}: {found}, so 0 may not mean black; type {option}{ends} to rescale them{clamp}")
    if found.high > 255 * (1 + ROUNDING):
        bits = 2 ** (int(found.high).bit_length()) - 1  # of a camera that writes 12 bits into 16, for example
        ends = f"{_shown(0, bits)} or {_shown(0, 65535)}" if bits < 65535 and not floats else _shown(0, found.high)
        raise UserError(f"{start}: {found}; type {option}{ends}, the values that mean black and white")
    if bools or (found.high <= 1 + ROUNDING and floats):
        return 0, 1
    if found.high > CLEARLY_BYTES:
        return 0, 255
    unit = "1" if _cut(images, found, 0, 1)[1] <= MOST_CUT else _shown(0, found.high)
    raise UserError(
        f"{start}: {found} may mean 0–{unit.strip('[]').split(',')[-1]} or 0–255; type {option}{unit} or {option}255"
    )


def _shown(low: float, high: float) -> str:
    return f"[{low:.6g},{high:.6g}]"
