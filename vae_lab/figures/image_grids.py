"""Images in a grid, and the texts beside and below them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_lab.figures.style import inches_of, literal

if TYPE_CHECKING:  # A comparison of runs draws pictures without torch, whose import takes seconds.
    from torch import Tensor


def image_grid(images: "Tensor", columns: int, gap: int = 1, background: float = 1.0) -> np.ndarray:
    """Arrange images [N, C, H, W] in [0, 1] in one picture [H', W', 3], row by row."""
    pictures = images.detach().float().cpu().clamp(0, 1).permute(0, 2, 3, 1).numpy()
    n, height, width, _ = pictures.shape
    rows = -(-n // columns)
    out = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), background, np.float32)
    for i, picture in enumerate(pictures):
        top, left = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        out[top : top + height, left : left + width] = picture
    return out


def show(axes: Axes, picture: np.ndarray) -> None:
    """Show a picture without ticks and frame, with each pixel as a sharp square; vector graphics hold the pixels."""
    axes.imshow(picture, interpolation="none", vmin=0, vmax=1)
    axes.set_axis_off()


def centres(columns: int, width: int, gap: int = 1) -> list[float]:
    """Return the horizontal centre of each column of a grid in pixels; ``width`` is that of an image."""
    return [gap + column * (width + gap) + (width - 1) / 2 for column in range(columns)]


def caption(
    axes: Axes,
    texts: Sequence[str],
    places: Sequence[float],
    row: float,
    above: bool = False,
    size: float | None = None,
) -> None:
    """Write texts below, or above, the columns of a grid that :func:`show` has drawn, small enough for the columns.

    Args:
        axes: the axes of the grid.
        texts: one text per column; they may have several lines.
        places: the centres of the columns in pixels of the grid.
        row: the vertical place in pixels of the grid.
        above: whether the texts stand above that place.
        size: of the letters in points; None: :func:`fitting_size`.
    """
    size = fitting_size(axes, texts) if size is None else size
    for text, place in zip(texts, places):
        axes.annotate(
            literal(text), (place, row), (0, 2 if above else -3), textcoords="offset points", ha="center",
            va="bottom" if above else "top", fontsize=size, linespacing=1.25, annotation_clip=False,
        )  # fmt: skip


def fitting_size(axes: Axes, texts: Sequence[str]) -> float:
    """Return the size in points at which the longest line of the texts fits one of as many columns."""
    longest = max((len(line) for text in texts for line in text.splitlines()), default=0)
    names_of_rows = 5 * rcParams["font.size"]
    column = (72 * cast(Figure, axes.figure).get_figwidth() - names_of_rows) / len(texts)
    return min(0.75 * rcParams["font.size"], max(1, column) / max(1, longest) / 0.65)


def label_row(axes: Axes, text: str, row: float, size: float | None = None) -> None:
    """Write a text to the left of a grid, vertically centred at a place in pixels; ``size`` None: a small one."""
    axes.annotate(
        literal(text), (0, row), (-5, 0), textcoords="offset points", ha="right", va="center",
        fontsize="small" if size is None else size, annotation_clip=False,
    )  # fmt: skip


def label_inches(texts: Sequence[str]) -> float:
    """Return the inches that texts of :func:`label_row` need to the left of a grid, at the usual size of text."""
    return inches_of(texts, 0.833 * 10) + 0.25  # "small", of matplotlib's usual 10 points


def pick(blocks: "Iterable[Tensor]", places: list[int]) -> "Tensor":
    """Return the images at these positions of a stream of blocks, on the CPU."""
    import torch

    images: dict[int, Tensor] = {}
    start = 0
    for block in blocks:
        images |= {place: block[place - start].cpu() for place in places if start <= place < start + len(block)}
        start += len(block)
    return torch.stack([images[place] for place in places])
