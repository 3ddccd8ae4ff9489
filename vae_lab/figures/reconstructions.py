"""Test images, and below each its reconstruction, which is decoded from the posterior mean."""

import torch
from matplotlib.figure import Figure
from pydantic import PositiveInt

from vae_lab.figures.image_grids import image_grid, show
from vae_lab.figures.style import new_figure
from vae_lab.scores import Trained


class Reconstructions:
    """``rows`` pairs of rows of ``columns`` images, evenly from all classes if there are labels."""

    needs = ("images",)

    def __init__(self, columns: PositiveInt = 10, rows: PositiveInt = 3) -> None:
        self.columns, self.rows = columns, rows

    def __call__(self, trained: Trained) -> Figure:
        """Draw the images above their reconstructions."""
        n = min(self.columns * self.rows, len(trained.data.test))
        chosen = spread(trained.data.test.labels, n)
        x = torch.cat([batch.x for batch in trained.data.batches("test")])[chosen]
        x_hat = trained.reconstruct(x, trained.data.test.at(chosen)[1])
        pairs = [torch.cat(pair) for pair in zip(x.split(self.columns), x_hat.split(self.columns))]
        columns = min(self.columns, n)
        height, width = trained.data.x_shape[1:]
        high, title = 2 * len(pairs) * 0.72 * height / width, "Test images (upper rows) and reconstructions"
        figure = new_figure(0.72 * columns + 0.3, high + 0.3, title, trained.title, pictures=high)
        for axes, pair in zip(figure.subplots(len(pairs), 1, squeeze=False)[:, 0], pairs):
            show(axes, image_grid(pair, columns))
        return figure


def spread(labels: torch.Tensor | None, n: int) -> torch.Tensor:
    """Return the indices of n images: the first image of each class, then the second of each, …"""
    if labels is None:
        return torch.arange(n)
    rank = torch.zeros_like(labels)
    for label in labels.unique():
        members = labels == label
        rank[members] = torch.arange(int(members.sum()))
    return torch.argsort(rank * (labels.max() + 1) + labels)[:n]
