"""What all pictures share: a palette that the colour-blind can tell apart, titles, grids of images."""

from collections.abc import Iterable
from textwrap import wrap
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from torch import Tensor

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#777777"  # Okabe & Ito 2008
# Paul Tol's "muted" scheme: ten classes that stay apart under all common colour deficiencies.
_MUTED = [
    "#332288",
    "#88CCEE",
    "#44AA99",
    "#117733",
    "#999933",
    "#DDCC77",
    "#CC6677",
    "#882255",
    "#AA4499",
    "#BBBBBB",
]


def class_colours(n: int) -> list[Any]:
    """A colour per class; more than ten are taken from a perceptually even scale."""
    return list(_MUTED[:n]) if n <= len(_MUTED) else list(colormaps["viridis"](np.linspace(0, 1, n)))


def new_figure(width: float, height: float, title: str, subtitle: str) -> Figure:
    """An empty figure, sizes in inches, with what it shows and the run's key settings above."""
    figure = Figure(figsize=(max(width, 6.4), height), layout="constrained", dpi=120)
    lines = [line for text in (title, subtitle) for line in wrap(text, width=int(14 * max(width, 6.4)))]
    figure.suptitle("\n".join(lines), fontsize=9.5)
    return figure


def image_grid(images: Tensor, columns: int, gap: int = 1, background: float = 1.0) -> np.ndarray:
    """[N, C, H, W] in [0, 1] to one picture [H', W', 3], row by row."""
    pictures = images.detach().float().cpu().clamp(0, 1).permute(0, 2, 3, 1).numpy()
    n, height, width, _ = pictures.shape
    rows = -(-n // columns)
    out = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), background, np.float32)
    for i, picture in enumerate(pictures):
        top, left = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        out[top : top + height, left : left + width] = picture
    return out


def show(axes: Any, picture: np.ndarray) -> None:
    """A picture without axes, each pixel a sharp square."""
    axes.imshow(picture, interpolation="nearest", vmin=0, vmax=1)
    axes.set_axis_off()


def pick(blocks: Iterable[Tensor], places: list[int]) -> Tensor:
    """The images at places of a stream, on the CPU."""
    found: dict[int, Tensor] = {}
    start = 0
    for block in blocks:
        found |= {place: block[place - start].cpu() for place in places if start <= place < start + len(block)}
        start += len(block)
    return torch.stack([found[place] for place in places])
