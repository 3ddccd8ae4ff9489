"""The samples that are nearest to training images, over those training images, and all distances."""

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from vae_lab.figures.style import BLUE, ORANGE, image_grid, new_figure, pick, show
from vae_lab.scores import Generated

PAIRS = "nearest_training_images"


class Novelty:
    """Copies would show as equal pairs, and as a curve of samples that lies left of the curve of test images."""

    of_images = True
    needs = ("images",)

    def __call__(self, made: Generated) -> Figure | None:
        """None where the metric ``novelty`` gave nothing in these features."""
        arrays = made.scores.arrays
        if not any(name.startswith(PAIRS) for name in arrays):
            return None  # before the features' network is asked for
        suffix = made.extractor.suffix if made.extractor else ""
        if PAIRS + suffix not in arrays:
            return None
        samples, places, distances = (list(column) for column in zip(*arrays[PAIRS + suffix]))
        searched = made.scores.protocol[f"novelty{suffix}"]["train_images"]
        pairs = torch.cat([
            pick(made.sample(max(samples) + 1), samples),
            pick(made.data.clean(made.learnt_from, searched), places),
        ])  # fmt: skip
        columns, (height, width) = len(samples), pairs.shape[2:]
        rows = 2 * 0.6 * height / width
        closer, copies = (made.scores.values[f"test/{name}{suffix}"] for name in ("novelty_closer", "near_copies"))
        title = f"Are samples new? {100 * copies:.2g} % are near copies; P(nearer than a test image) = {closer:.2f}"
        figure = new_figure(max(8, 0.6 * columns), rows + 3.6, title, made.title)
        top, bottom = figure.subplots(2, 1, height_ratios=[rows + 0.4, 2.6])
        show(top, image_grid(pairs, columns))
        top.set_title(
            "the samples nearest to training images, over those training images and their distance", fontsize=9
        )
        for i, distance in enumerate(distances):
            place = ((i + 0.5) * (width + 1), 2 * (height + 1) + 0.5)
            top.annotate(
                f"{distance:.2f}", place, (0, -3), textcoords="offset points", ha="center", va="top", fontsize=7.5
            )
        _curves(bottom, *(arrays[f"nearest_distances_{kind}{suffix}"] for kind in ("test", "generated")))
        return figure


def _curves(axes: Any, test: list[float], generated: list[float]) -> None:
    share = np.linspace(0, 100, 101)
    axes.plot(test, share, color=BLUE, label="test images (new by construction)")
    axes.plot(generated, share, color=ORANGE, ls="--", label="samples")
    axes.axvline(test[1], color=BLUE, lw=1, ls=":", label="1 % of test images are nearer")
    axes.set(xlabel="distance to the nearest training image (1 = median of test images)", ylabel="share as near (%)")
    axes.set_xlim(left=-0.02 * max(test))  # copies lie at 0
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="best", fontsize=8.5)
