"""Parts that all figures share: a palette for colour-blind readers, titles and grids of images."""

from collections.abc import Iterable
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

if TYPE_CHECKING:  # A comparison of runs draws plots without torch, whose import takes seconds.
    from torch import Tensor

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#777777"  # Okabe & Ito 2008
# Paul Tol's "muted" scheme: ten colours that remain distinguishable with all common colour vision deficiencies.
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


def class_colours(n: int) -> list[ColorType]:
    """Return a colour for each of n classes; more than ten colours are taken from a perceptually uniform scale."""
    return list(_MUTED[:n]) if n <= len(_MUTED) else list(colormaps["viridis"](np.linspace(0, 1, n)))


def new_figure(width: float, height: float, title: str, subtitle: str) -> Figure:
    """Return an empty figure, sizes in inches, with its title and below it a line such as the run's key settings."""
    figure = Figure(figsize=(max(width, 6.4), height), layout="constrained", dpi=120)
    lines = [line for text in (title, subtitle) for line in wrap(text, width=int(14 * max(width, 6.4)))]
    figure.suptitle(literal("\n".join(lines)), fontsize=9.5)
    return figure


def literal(text: str) -> str:
    """Return a text that matplotlib draws as it is, instead of typesetting what is between dollar signs."""
    return text.replace("$", r"\$")


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
    """Show a picture without ticks and frame, with each pixel as a sharp square."""
    axes.imshow(picture, interpolation="nearest", vmin=0, vmax=1)
    axes.set_axis_off()


def pick(blocks: "Iterable[Tensor]", places: list[int]) -> "Tensor":
    """Return the images at these positions of a stream of blocks, on the CPU."""
    import torch

    images: dict[int, Tensor] = {}
    start = 0
    for block in blocks:
        images |= {place: block[place - start].cpu() for place in places if start <= place < start + len(block)}
        start += len(block)
    return torch.stack([images[place] for place in places])
