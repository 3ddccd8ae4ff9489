"""Noise in, digit out: images of noise, and the results of passing them through the model repeatedly."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.figures.image_grids import caption, centres, image_grid, label_row, show
from vae_lab.figures.style import GREY, new_figure
from vae_lab.functional import noised
from vae_lab.scores import Trained


class NoiseToDigit:
    """``columns`` images of uniform and as many of Gaussian noise, like those of the metric ``ood``, one row per step.

    Args:
        columns: number of images of each kind.
        steps: numbers of passes through encoder and decoder after which the images are shown. A pass takes the mean of
            the posterior and decodes it to the mean of the likelihood.
    """

    needs = ("images", "unconditional")
    draws = ("ood",)

    def __init__(self, columns: PositiveInt = 5, steps: Sequence[PositiveInt] = (1, 2, 5, 10)) -> None:
        self.columns, self.steps = columns, sorted(set(steps))

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``ood`` has no result."""
        if "ood_roc" not in trained.scores.arrays:
            return None
        x = self._noise(trained)
        height, width = x.shape[2:]
        rows = 1 + len(self.steps)
        figure = new_figure(
            0.8 * len(x) + 1.1,
            rows * (0.8 * height / width + 0.3) + 0.5,
            "Noise in, image out: images of noise after passes through encoder and decoder",
            trained.title,
            pictures=rows * 0.8 * height / width,
        )
        grid = figure.subplots(rows, 1)
        _row(grid[0], x, "noise", [])
        halves = _places(self.columns, width)
        middles = [(half[0] + half[-1]) / 2 for half in (halves[: self.columns], halves[self.columns :])]
        for place, name in zip(middles, ("uniform noise", "Gaussian noise")):
            grid[0].annotate(name, (place, 0), (0, 4), textcoords="offset points", ha="center", fontsize="small",
                             annotation_clip=False)  # fmt: skip
        done = 0
        for axes, step in zip(grid[1:], self.steps):
            for _ in range(step - done):
                x = trained.reconstruct(x)
            done = step
            _row(axes, x, f"{step} pass{'es' if step > 1 else ''}", _labels(trained, x))
        if trained.classifier is not None:
            grid[-1].annotate("under each image: the classifier's label and its confidence", (0.5, 0), (0, -14),
                              xycoords="axes fraction", textcoords="offset points", ha="center", va="top",
                              fontsize="small")  # fmt: skip
        _divide(figure, grid)
        return figure

    def _noise(self, trained: Trained) -> Tensor:
        gaussian = trained.scores.protocol["ood"]["gaussian"]
        noise, shape = trained.noise("noise to digit"), (self.columns, *trained.data.x_shape)
        uniform = noise.uniform(*shape)
        normal = noised(torch.full_like(uniform, gaussian["mean"]), gaussian["sigma"], noise.normal(*shape))
        return trained.data.as_received(torch.cat([uniform, normal]), noise)


def _labels(trained: Trained, x: Tensor) -> list[str]:
    """Return the classifier's label and confidence for each image as text; none if there is no classifier."""
    if trained.classifier is None:
        return []
    confidence, label = trained.classifier(x)[1].softmax(1).max(1)
    return [f"{trained.data.classes[i]} ({100 * p:.0f} %)" for i, p in zip(label.tolist(), confidence.tolist())]


def _gap(width: int) -> int:
    """The pixels between the two kinds of noise."""
    return max(2, width // 3)


def _places(columns: int, width: int) -> list[float]:
    """The centres of the columns of both kinds."""
    left = centres(columns, width)
    return [*left, *(place + columns * (width + 1) + _gap(width) for place in left)]


def _row(axes: Axes, images: Tensor, name: str, captions: list[str]) -> None:
    """Draw a row of images, the two kinds apart, with its name on the left and a caption under each image."""
    height, width = images.shape[2:]
    columns = len(images) // 2
    left, right = (image_grid(half, columns) for half in images.split(columns))
    show(axes, np.concatenate([left, np.ones((len(left), _gap(width) - 1, 3), np.float32), right], 1))
    label_row(axes, name, height / 2)
    if captions:
        caption(axes, captions, _places(columns, width)[: len(captions)], height + 1.5)


def _divide(figure: Figure, grid: Sequence[Axes]) -> None:
    """Draw a line between the two kinds of noise, and one under the noise itself, where the layout has placed them."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    top, second, bottom = (axes.get_position() for axes in (grid[0], grid[1], grid[-1]))
    middle, below = (top.x0 + top.x1) / 2, (top.y0 + second.y1) / 2
    for x, y in (([middle, middle], [bottom.y0, top.y1]), ([top.x0, top.x1], [below, below])):
        figure.add_artist(Line2D(x, y, color=GREY, lw=0.8))
