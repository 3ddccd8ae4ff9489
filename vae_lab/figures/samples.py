"""A grid of images decoded from draws of the prior."""

import torch
from matplotlib.figure import Figure
from pydantic import PositiveInt

from vae_lab.figures.style import image_grid, new_figure, show
from vae_lab.types import Trained


class Samples:
    """``columns`` × ``rows`` decoded means."""

    def __init__(self, columns: PositiveInt = 12, rows: PositiveInt = 10) -> None:
        self.columns, self.rows = columns, rows

    def __call__(self, trained: Trained) -> Figure:
        """The first draws of those that are scored."""
        images = torch.cat(list(trained.sample(self.columns * self.rows)))
        return sample_figure(images, self.columns, trained.title)


def sample_figure(images: torch.Tensor, columns: int, subtitle: str) -> Figure:
    """Images [N, C, H, W] in [0, 1] as a titled grid."""
    height, width = images.shape[2:]
    rows = -(-len(images) // columns)
    cell = min(0.55, 14 / columns)
    figure = new_figure(
        max(4.5, cell * columns + 0.3),
        cell * rows * height / width + 0.75,
        f"{len(images):,} sample{'s' if len(images) > 1 else ''}: decoded draws from N(0, I)",
        subtitle,
    )
    show(figure.subplots(), image_grid(images, columns))
    return figure
