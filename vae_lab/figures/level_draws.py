"""What each level of a hierarchy decides: the levels above are fixed, one level is drawn again, those below are means.

Each row begins with the same draws of the upper levels in all columns. Its own level is drawn anew for each column, and
all levels below are at the means of their priors given the levels above. What differs within a row is therefore what
its level decides, and a row of equal images is that of an empty level.
"""

import torch
from matplotlib.figure import Figure
from pydantic import PositiveInt

from vae_lab.examples import Data
from vae_lab.figures.image_grids import image_grid, label_row, show
from vae_lab.figures.level_groups import group_name, level_groups
from vae_lab.figures.style import new_figure
from vae_lab.scores import Trained


class LevelDraws:
    """A row for each level, the top first; levels of the same resolution share a row.

    Args:
        columns: number of draws of each level.
    """

    needs = ("hierarchy", "continuous", "images")

    def __init__(self, columns: PositiveInt = 12) -> None:
        self.columns = columns

    def __call__(self, trained: Trained) -> Figure:
        """Draw the figure."""
        shapes = trained.model.latent_shapes
        groups = level_groups(shapes)
        noise = trained.noise("levels drawn again")
        y = trained.conditions(0, 1, trained.noise("condition of the levels drawn again"))
        shown = "" if y is None else f" ({_name_of(y[0], trained.data)})"
        y = None if y is None else y.to(trained.device).expand(self.columns, *y.shape[1:])
        fixed = tuple(z.expand(1, self.columns, *z.shape[2:]) for z in trained.latents(1, noise, _first(y)))
        images = []
        for group in groups:
            scales = [1.0 if index <= group[-1] else 0.0 for index in range(len(shapes))]
            z = trained.latents(self.columns, noise, y, fixed[: group[0]], scales)
            images.append(trained.model.likelihood.mean(trained.model.decode(z, y))[0])
        height, width = trained.data.x_shape[1:]
        high = 0.55 * len(groups) * height / width
        title = f"Levels above fixed, one level drawn again in each column, levels below at their means{shown}"
        figure = new_figure(0.55 * self.columns + 1.4, high + 0.2, title, trained.title, pictures=high)
        axes = figure.subplots()
        show(axes, image_grid(torch.cat(images), self.columns))
        for row, group in enumerate(groups):
            label_row(axes, f"{group_name(group, shapes)}{'' if row else ' (top)'}", (row + 0.5) * (height + 1))
        return figure


def _name_of(y: torch.Tensor, data: Data) -> str:
    """The condition of all images in words: the name of a class, or the values of the attributes."""
    if not data.attributes:
        return f"class {data.classes[int(y)]}"
    return ", ".join(f"{name} {value:g}" for name, value in zip(data.attributes, y.tolist()))


def _first(y: torch.Tensor | None) -> torch.Tensor | None:
    return None if y is None else y[:1]
