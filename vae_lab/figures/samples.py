"""A grid of generated images."""

import torch
from matplotlib.figure import Figure
from pydantic import PositiveInt

from vae_lab.figures.image_grids import image_grid, show
from vae_lab.figures.style import new_figure
from vae_lab.scores import Generated


class Samples:
    """A grid of ``columns`` × ``rows`` samples."""

    of_images = True
    needs = ("images",)

    def __init__(self, columns: PositiveInt = 12, rows: PositiveInt = 10) -> None:
        self.columns, self.rows = columns, rows

    def __call__(self, generated: Generated) -> Figure:
        """Draw the figure, with the first of the samples that are scored."""
        shown = min(self.columns * self.rows, generated.available or self.columns * self.rows)
        images = torch.cat(list(generated.sample(shown)))
        return sample_figure(images, self.columns, generated.title, generated.sampler)


def sample_figure(images: torch.Tensor, columns: int, subtitle: str, sampler: str) -> Figure:
    """Return a figure with images [N, C, H, W] in [0, 1] in a grid, and a title."""
    height, width = images.shape[2:]
    rows = -(-len(images) // columns)
    cell = min(0.55, 14 / columns)
    figure = new_figure(
        max(4.5, cell * columns + 0.3),
        cell * rows * height / width + 0.2,
        f"{len(images):,} sample{'s' if len(images) > 1 else ''}: {sampler}",
        subtitle,
        pictures=cell * rows * height / width,
    )
    show(figure.subplots(), image_grid(images, columns))
    return figure
