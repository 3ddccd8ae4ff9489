"""The information of a hierarchy from the top down: KL cumulated by level, and reconstructions from the first k levels.

In the row of k, the first k levels are at the means of q(z|x), and the levels below at the means of p given them. The
bars have the cumulated KL of these levels: what the image in that row has cost.
"""

from itertools import accumulate
from typing import cast

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.figures.image_grids import image_grid, show
from vae_lab.figures.level_groups import group_name, level_groups
from vae_lab.figures.reconstructions import spread
from vae_lab.figures.style import BLUE, GREY, new_figure
from vae_lab.inference import at_the_means
from vae_lab.scores import Trained


class FirstLevels:
    """A row for every number of levels from q, beside the bars; levels of the same resolution count together.

    Args:
        columns: number of test images, evenly from all classes if there are labels.
    """

    needs = ("hierarchy", "continuous", "posterior", "images")

    def __init__(self, columns: PositiveInt = 10) -> None:
        self.columns = columns

    def __call__(self, trained: Trained) -> Figure:
        """Draw the figure."""
        shapes = trained.model.latent_shapes
        groups = level_groups(shapes)
        kl = [sum(float(trained.kl(level=index).mean(0).sum()) for index in group) for group in groups]
        n = min(self.columns, len(trained.data.test))
        chosen = spread(trained.data.test.labels, n)
        x = torch.cat([batch.x for batch in trained.data.batches("test")])[chosen.to(trained.device)]
        y = trained.data.test.at(chosen)[1]
        y = None if y is None else y.to(trained.device)
        images = _from_first_levels(trained, x, y, [group[-1] + 1 for group in groups])
        rows, (height, width) = len(images) + 1, trained.data.x_shape[1:]
        high = 0.6 * rows * height / width
        title = f"KL cumulated from the top level, {sum(kl):.1f} nats in all, and what these levels reconstruct"
        figure = new_figure(0.6 * n + 3.4, high + 0.5, title, trained.title, pictures=high)
        bars, pictures = figure.subplots(1, 2, width_ratios=[2.2, 0.6 * n])
        show(pictures, image_grid(torch.cat([*images, x]), n))
        pictures.set_title("first levels from q, the others at the means of p; last row: test images")
        names = [f"{'down to ' if row else ''}{group_name(group, shapes)}" for row, group in enumerate(groups)]
        _bars(bars, kl, names, trained.data.values.one)
        bars.set_ylim(rows - 0.5, -0.5)  # each bar stands beside its row of images
        return figure


def _from_first_levels(trained: Trained, x: Tensor, y: Tensor | None, first: list[int]) -> list[Tensor]:
    """Decoded means with the first k levels from q, for each k in ``first``; each like x."""
    model, noise = trained.model, trained.noise("first levels")
    z = at_the_means(model, x, y, noise).z
    drawn = (trained.latents(len(x), noise, y, z[:k], (0.0,)) for k in first)
    return [model.likelihood.mean(model.decode(codes, y))[0] for codes in drawn]


def _bars(axes: Axes, kl: list[float], names: list[str], one: str) -> None:
    """The KL of each group as a bar that begins where the one above ends, with what has been added up at its end."""
    totals = list(accumulate(kl))
    places, before = range(len(kl)), [total - part for total, part in zip(totals, kl)]
    axes.barh(places, before, color=GREY, alpha=0.35, height=0.6, label="levels above")
    axes.barh(places, kl, left=before, color=BLUE, height=0.6, label="this row")
    axes.set_yticks(places, cast(list[str], names))
    for place, total in zip(places, totals):
        axes.annotate(f"{total:.1f}", (total, place), (3, 0), textcoords="offset points", va="center", fontsize="small")
    axes.set_xlim(min(0.0, *before), 1.25 * max(totals[-1], 1e-3))
    axes.set_xlabel(f"cumulated KL (nats per {one})")
    axes.legend(frameon=False, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
