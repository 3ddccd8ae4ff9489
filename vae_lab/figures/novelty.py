"""The samples nearest to training images, above those training images, and the distances of all samples."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_lab.figures.style import BLUE, ORANGE, image_grid, new_figure, pick, show
from vae_lab.scores import Generated

PAIRS = "nearest_training_images"


class NearestPairs:
    """Pairs of images above the distributions of distances to the nearest training image.

    Copies of training images appear as equal pairs, and as a curve of samples to the left of that of test images.
    """

    of_images = True
    needs = ("images",)

    def __call__(self, generated: Generated) -> Figure | None:
        """Draw the figure; None if the metric ``novelty`` has no result for the current features."""
        arrays = generated.scores.arrays
        if not any(name.startswith(PAIRS) for name in arrays):
            return None  # checked first, since ``generated.extractor`` loads a network
        suffix = generated.extractor.suffix if generated.extractor else ""
        if PAIRS + suffix not in arrays:
            return None
        samples, places, distances = (list(column) for column in zip(*arrays[PAIRS + suffix]))
        searched = generated.scores.protocol[f"novelty{suffix}"]["train_images"]
        pairs = torch.cat([
            pick(generated.sample(max(samples) + 1), samples),
            pick(generated.data.clean(generated.learnt_from, searched), places),
        ])  # fmt: skip
        columns, (height, width) = len(samples), pairs.shape[2:]
        rows = 2 * 0.6 * height / width
        closer, copies = (generated.scores.values[f"test/{name}{suffix}"] for name in ("novelty_closer", "near_copies"))
        title = f"Are samples new? {100 * copies:.2g} % are near copies; P(nearer than a test image) = {closer:.2f}"
        figure = new_figure(max(8, 0.6 * columns), rows + 3.6, title, generated.title)
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


def _curves(axes: Axes, test: list[float], generated: list[float]) -> None:
    share = np.linspace(0, 100, 101)
    axes.plot(test, share, color=BLUE, label="test images (new by construction)")
    axes.plot(generated, share, color=ORANGE, ls="--", label="samples")
    axes.axvline(test[1], color=BLUE, lw=1, ls=":", label="1 % of test images are nearer")
    axes.set_xlabel("distance to the nearest training image (1 = median of test images)")
    axes.set_ylabel("share within this distance (%)")
    axes.set_xlim(left=-0.02 * max(test))  # keeps the curve of copies, at distance 0, visible
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="best", fontsize=8.5)
