"""Samples at several temperatures: one row per temperature, with the same random numbers in all rows of a column.

A temperature multiplies the noise of Gaussians and divides the logits of priors of codes. In a conditional model, every
class has a row, and every temperature a block of columns.
"""

import torch
from matplotlib.figure import Figure
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from vae_lab.figures.image_grids import caption, centres, image_grid, label_row, show
from vae_lab.figures.style import new_figure
from vae_lab.scores import Trained


class Temperatures:
    """Samples from the prior at each temperature.

    Args:
        temperatures: of all levels alike.
        columns: number of samples at each temperature.
        of_class: number of samples of each class at each temperature, for conditional models.
        classes: largest number of classes shown; the first ones are taken.
    """

    needs = ("images", "tempered")

    def __init__(
        self,
        temperatures: list[NonNegativeFloat],
        columns: PositiveInt = 12,
        of_class: PositiveInt = 4,
        classes: PositiveInt = 10,
    ) -> None:
        self.temperatures, self.columns = list(temperatures), columns
        self.of_class, self.classes = of_class, classes

    def __call__(self, trained: Trained) -> Figure:
        """Draw the figure."""
        names = trained.data.classes[: self.classes] if trained.model.conditional else ()
        return self._of_classes(trained, names) if names else self._of_all(trained)

    def _of_all(self, trained: Trained) -> Figure:
        n, (height, width) = self.columns, trained.data.x_shape[1:]
        images = torch.cat([self._drawn(trained, n, temperature) for temperature in self.temperatures])
        high = 0.55 * len(self.temperatures) * height / width
        title = "Samples by temperature: one row per temperature, the same random numbers in a column"
        figure = new_figure(0.55 * n + 1, high + 0.2, title, trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(images, n))
        for row, temperature in enumerate(self.temperatures):
            label_row(axes, f"T = {temperature:g}", (row + 0.5) * (height + 1))
        return figure

    def _of_classes(self, trained: Trained, names: tuple[str, ...]) -> Figure:
        """One row per class; all temperatures of a class use the same random numbers."""
        n, (height, width) = self.of_class, trained.data.x_shape[1:]
        y = torch.arange(len(names)).repeat_interleave(n)
        blocks = [self._drawn(trained, len(y), temperature, y) for temperature in self.temperatures]
        images = torch.cat([torch.cat(rows) for rows in zip(*(block.split(n) for block in blocks))])
        columns = n * len(blocks)
        high = 0.5 * len(names) * height / width
        title = "Samples of each class by temperature: the same random numbers at each temperature"
        figure = new_figure(0.5 * columns + 1, high + 0.5, title, trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(images, columns))
        for row, name in enumerate(names):
            label_row(axes, name, (row + 0.5) * (height + 1))
        middles = centres(columns, width)
        places = [sum(middles[i * n : (i + 1) * n]) / n for i in range(len(blocks))]
        caption(axes, [f"T = {one:g}" for one in self.temperatures], places, 0, above=True)
        return figure

    def _drawn(self, trained: Trained, n: int, temperature: float, y: Tensor | None = None) -> Tensor:
        """Decoded means of n draws at a temperature; their labels are y, or drawn as in training."""
        y = trained.conditions(0, n, trained.noise("labels by temperature")) if y is None else y
        y = None if y is None else y.to(trained.device)
        z = trained.latents(n, trained.noise("samples by temperature"), y, temperature=(temperature,))
        return trained.model.likelihood.mean(trained.model.decode(z, y))[0]
