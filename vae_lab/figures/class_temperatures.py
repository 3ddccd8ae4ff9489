"""Samples of every class at several temperatures: a row per class, and a block of columns per temperature.

A temperature multiplies the noise of Gaussians and divides the logits of priors of codes.
"""

from typing import Annotated

import torch
from annotated_types import MinLen
from matplotlib.figure import Figure
from pydantic import NonNegativeFloat, PositiveInt

from vae_lab.figures.image_grids import caption, centres, image_grid, label_row, show
from vae_lab.figures.style import new_figure
from vae_lab.inference import code_sizes
from vae_lab.scores import Trained


class ClassTemperatures:
    """Samples of a conditional model, with the same random numbers at each temperature.

    Args:
        temperatures: of all levels alike.
        columns: number of samples of each class at each temperature.
        rows: largest number of classes shown; the first ones are taken.
    """

    needs = ("conditional", "images")
    of_prior = True
    requires = "labels as the condition, and for discrete codes a prior that was fitted to them"

    def __init__(
        self,
        temperatures: Annotated[list[NonNegativeFloat], MinLen(1)],
        columns: PositiveInt = 4,
        rows: PositiveInt = 10,
    ) -> None:
        self.temperatures, self.columns, self.rows = list(temperatures), columns, rows

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the condition is not a class, or if no temperature changes a draw."""
        classes = trained.data.classes[: self.rows]
        untempered = bool(code_sizes(trained.model)) and trained.prior is None
        if not classes or untempered:
            return None
        blocks = [self._drawn(trained, len(classes), temperature) for temperature in self.temperatures]
        images = torch.cat([torch.cat(row) for row in zip(*(block.split(self.columns) for block in blocks))])
        columns, (height, width) = self.columns * len(blocks), trained.data.x_shape[1:]
        high = 0.5 * len(classes) * height / width
        title = "Samples of each class by temperature, with the same random numbers at each temperature"
        figure = new_figure(0.5 * columns + 1, high + 0.5, title, trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(images, columns))
        for row, name in enumerate(classes):
            label_row(axes, name, (row + 0.5) * (height + 1))
        middles = torch.tensor(centres(columns, width)).view(len(blocks), self.columns).mean(1).tolist()
        caption(axes, [f"τ = {one:g}" for one in self.temperatures], middles, 0, above=True)
        return figure

    def _drawn(self, trained: Trained, classes: int, temperature: float) -> torch.Tensor:
        """Decoded means of ``columns`` draws of each class at a temperature."""
        y = torch.arange(classes, device=trained.device).repeat_interleave(self.columns)
        z = trained.latents(len(y), trained.noise("classes by temperature"), y, temperature=(temperature,))
        return trained.model.likelihood.mean(trained.model.decode(z, y))[0]
