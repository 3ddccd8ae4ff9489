"""Samples of every class: one row per class, with the same noise in all rows of a column.

The latents of a column are the same, too, unless the model's prior depends on the label.
"""

import torch
from matplotlib.figure import Figure
from pydantic import PositiveInt

from vae_lab.figures.image_grids import image_grid, label_row, show
from vae_lab.figures.style import new_figure
from vae_lab.scores import Trained


class ClassSamples:
    """Shows which properties (slant, stroke, size, …) stay when the label changes.

    Args:
        columns: number of draws.
        rows: largest number of classes shown; the first ones are taken.
    """

    needs = ("conditional", "images")
    requires = "labels as the condition; this model is conditional on attributes"

    def __init__(self, columns: PositiveInt = 12, rows: PositiveInt = 20) -> None:
        self.columns, self.rows = columns, rows

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the model is conditioned on attributes instead of classes."""
        classes = trained.data.classes[: self.rows]
        if not classes:
            return None
        of_class = [trained.sample(self.columns, "class samples", y=torch.tensor([c])) for c in range(len(classes))]
        images = torch.cat([block for blocks in of_class for block in blocks])
        height, width = images.shape[2:]
        title = "Samples of each class: one row per label, the same noise in each column"
        high = 0.55 * len(classes) * height / width
        figure = new_figure(0.55 * self.columns + 1, high + 0.2, title, trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(images, self.columns))
        for row, name in enumerate(classes):
            label_row(axes, name, (row + 0.5) * (height + 1))
        return figure
