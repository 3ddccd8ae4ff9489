"""Samples at several temperatures: a row for each, with the same noise in all rows of a column.

The noise of every Gaussian is multiplied by the temperature τ, z = μ + τ σ ε; a prior of discrete codes divides its
logits by it. Low temperatures give more typical samples that differ less from each other (arXiv 2007.03898, figure 4).
"""

from typing import Annotated

import torch
from annotated_types import MinLen
from matplotlib.figure import Figure
from pydantic import NonNegativeFloat, PositiveInt

from vae_lab.figures.image_grids import image_grid, label_row, show
from vae_lab.figures.style import new_figure
from vae_lab.inference import code_sizes
from vae_lab.scores import Trained

_USUAL = (0.5, 0.7, 0.85, 1.0)


class Temperatures:
    """Rows of samples from the prior, one per temperature.

    Args:
        temperatures: the temperatures, one per row.
        columns: samples per row.
    """

    needs = ("images",)
    of_prior = True
    requires = "a prior that was fitted to the codes (sampler=code_transformer)"

    def __init__(
        self,
        temperatures: Annotated[list[NonNegativeFloat], MinLen(1)] = list(_USUAL),  # noqa: B006 - never changed
        columns: PositiveInt = 12,
    ) -> None:
        self.temperatures, self.columns = temperatures, columns

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the model has discrete codes without a prior, which no temperature changes."""
        model = trained.model
        if code_sizes(model) and trained.prior is None:
            return None
        y = trained.conditions(0, self.columns, trained.noise("conditions of the temperatures"))
        y = None if y is None else y.to(trained.device)
        images = []
        for temperature in self.temperatures:
            z = trained.latents(self.columns, trained.noise("temperatures"), y, temperature=(temperature,))
            images.append(model.likelihood.mean(model.decode(z, y))[0])
        height, width = trained.data.x_shape[1:]
        high = 0.55 * len(images) * height / width
        title = "Samples at several temperatures τ: one τ per row, the same noise in each column"
        figure = new_figure(0.55 * self.columns + 0.8, high + 0.2, title, trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(torch.cat(images), self.columns))
        for row, temperature in enumerate(self.temperatures):
            label_row(axes, f"τ = {temperature:g}", (row + 0.5) * (height + 1))
        return figure
