"""Images with their names: originals above reconstructions, images of codes, and the line from one image to another."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from vae_lab.figures.image_grids import caption, centres, fitting_size, image_grid, show
from vae_lab.figures.style import new_figure

MOST = 32  # images in a picture
COLUMNS = 8
_LONGEST = 14  # letters of a name


def named_images(rows: Sequence[Tensor], captions: Sequence[str], title: str, subtitle: str) -> Figure:
    """Return a figure with images that stand below each other, and a caption under them.

    Args:
        rows: for example images and their reconstructions, each [N, C, H, W] in [0, 1].
        captions: a text for each of the N, with line breaks.
        title: what the figure shows.
        subtitle: the run's key settings.
    """
    n, height, width = len(rows[0]), *rows[0].shape[2:]
    columns = min(COLUMNS, n)
    bands, lines = -(-n // columns), max(text.count("\n") + 1 for text in captions)
    cell = 7 / COLUMNS if n > 2 else 1.6
    high, text = bands * len(rows) * cell * height / width, bands * (0.14 * lines + 0.12)
    figure = new_figure(cell * COLUMNS if n > 2 else 6.4, high + text, title, subtitle, pictures=high)
    longest = max((line for text in captions for line in text.splitlines()), key=len)
    for axes, band in zip(figure.subplots(bands, 1, squeeze=False)[:, 0], range(0, n, columns)):
        part = slice(band, band + columns)
        grid = image_grid(torch.cat([_filled(images[part], columns) for images in rows]), columns)
        show(axes, grid)
        texts = [*captions[part], *[""] * (columns - len(captions[part]))]
        size = fitting_size(axes, [longest] * columns)  # the same in every band
        caption(axes, texts, centres(columns, width), len(rows) * (height + 1), size=size)
    return figure


def image_line(a: Tensor, line: Tensor, b: Tensor, names: tuple[str, str], title: str, subtitle: str) -> Figure:
    """Return a figure with A, the decoded codes of the line, the reconstructions at its ends, and B.

    Args:
        a, b: the images [C, H, W].
        line: decoded codes [steps, C, H, W].
        names: of A and B.
        title: what the figure shows.
        subtitle: the run's key settings.
    """
    images, steps = torch.cat([a[None], line, b[None]]), len(line)
    texts = [f"A\n{short(names[0])}", *(_share(i, steps) for i in range(steps)), f"B\n{short(names[1])}"]
    bands, (height, width) = -(-len(images) // 12), images.shape[2:]
    columns = -(-len(images) // bands)
    cell = 9 / columns if columns > 6 else 1.2
    high = bands * cell * height / width
    figure = new_figure(cell * columns, high + bands * 0.4, title, subtitle, pictures=high)
    for axes, start in zip(figure.subplots(bands, 1, squeeze=False)[:, 0], range(0, len(images), columns)):
        part = slice(start, start + columns)
        show(axes, image_grid(_filled(images[part], columns), columns))
        caption(axes, [*texts[part], *[""] * (columns - len(texts[part]))], centres(columns, width), height + 1)
    return figure


def short(name: str, longest: int = _LONGEST) -> str:
    """Return a name, or its end if it is long: the ends of files in one folder differ more than their beginnings."""
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def _share(i: int, steps: int) -> str:
    ends = {0: "reconstruction\nof A", steps - 1: "reconstruction\nof B"}
    return ends.get(i, f"{i / (steps - 1):.3g}")


def _filled(images: Tensor, count: int) -> Tensor:
    """Images, followed by white ones up to a number."""
    return torch.cat([images, torch.ones(count - len(images), *images.shape[1:])])
