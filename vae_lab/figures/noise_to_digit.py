"""Noise in, digit out: images of noise, and the results of passing them through the model repeatedly."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import PositiveInt
from torch import Tensor

from vae_lab.figures.style import image_grid, literal, new_figure, show
from vae_lab.functional import noised
from vae_lab.scores import Trained


class NoiseToDigit:
    """``columns`` images of uniform and as many of Gaussian noise, like those of the metric ``ood``, one row per step.

    Args:
        columns: number of images of each kind.
        steps: numbers of passes through encoder and decoder after which the images are shown. A pass takes the mean of
            the posterior and decodes it to the mean of the likelihood.
    """

    needs = ("images",)

    def __init__(self, columns: PositiveInt = 5, steps: Sequence[PositiveInt] = (1, 2, 5, 10)) -> None:
        self.columns, self.steps = columns, sorted(set(steps))

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``ood`` has no result, or the model needs a label, which noise lacks."""
        if "ood_roc" not in trained.scores.arrays or trained.model.conditional:
            return None
        x = self._noise(trained)
        height, width = x.shape[2:]
        rows = 1 + len(self.steps)
        figure = new_figure(
            0.8 * len(x) + 0.9,
            rows * (0.8 * height / width + 0.3) + 0.9,
            f"Noise in, image out: {self.columns} of uniform noise (left), {self.columns} of Gaussian noise (right)",
            trained.title,
        )
        grid = figure.subplots(rows, 1)
        _row(grid[0], x, "noise", [""] * len(x))
        done = 0
        for axes, step in zip(grid[1:], self.steps):
            for _ in range(step - done):
                x = trained.reconstruct(x)
            done = step
            _row(axes, x, f"{step} pass{'es' if step > 1 else ''}", _labels(trained, x))
        if trained.classifier is not None:
            grid[-1].annotate("under each image: the classifier's label and its confidence", (0.5, 0), (0, -14),
                              xycoords="axes fraction", textcoords="offset points", ha="center", va="top",
                              fontsize=7.5)  # fmt: skip
        return figure

    def _noise(self, trained: Trained) -> Tensor:
        gaussian = trained.scores.protocol["ood"]["gaussian"]
        noise, shape = trained.noise("noise to digit"), (self.columns, *trained.data.x_shape)
        uniform = noise.uniform(*shape)
        normal = noised(torch.full_like(uniform, gaussian["mean"]), gaussian["sigma"], noise.normal(*shape))
        return trained.data.as_received(torch.cat([uniform, normal]), noise)


def _labels(trained: Trained, x: Tensor) -> list[str]:
    """Return the classifier's label and confidence for each image as text, empty if there is no classifier."""
    if trained.classifier is None:
        return [""] * len(x)
    confidence, label = trained.classifier(x)[1].softmax(1).max(1)
    return [
        f"{literal(trained.data.classes[i])} ({100 * p:.0f} %)" for i, p in zip(label.tolist(), confidence.tolist())
    ]


def _row(axes: Axes, images: Tensor, name: str, captions: list[str]) -> None:
    """Draw a row of images with its name on the left and a caption under each image."""
    height, width = images.shape[2:]
    show(axes, image_grid(images, len(images)))
    axes.annotate(name, (0, height / 2), (-6, 0), textcoords="offset points", ha="right", va="center", fontsize=8)
    for i, text in enumerate(captions):
        place = ((i + 0.5) * (width + 1), height + 1.5)
        axes.annotate(text, place, (0, -2), textcoords="offset points", ha="center", va="top", fontsize=7)
