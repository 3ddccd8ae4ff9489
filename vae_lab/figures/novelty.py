"""The samples nearest to training images, above those training images, and the distances of all samples."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_lab.figures.image_grids import caption, centres, image_grid, label_row, pick, show
from vae_lab.figures.style import BLUE, ORANGE, new_figure
from vae_lab.scores import Generated

PAIRS = "nearest_training_images"


class NearestPairs:
    """Pairs of images above the distributions of distances to the nearest training image.

    Copies of training images appear as equal pairs, and as a curve of samples to the left of that of test images.
    """

    of_images = True
    needs = ("images",)
    draws = ("novelty",)
    requires = "the results of metrics=novelty with these features"

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
        wide = max(8, 0.6 * columns)
        figure = new_figure(wide, rows + 3.5, title, generated.title, rows)
        grid_high = rows * figure.get_figwidth() / wide
        top, bottom = figure.subplots(2, 1, height_ratios=[grid_high + 0.4, figure.get_figheight() - grid_high - 0.9])
        show(top, image_grid(pairs, columns))
        top.set_title("the samples nearest to training images, and those training images")
        for row, name in enumerate(("sample", "training", "distance")):
            label_row(top, name, (row + 0.5) * (height + 1) if row < 2 else 2.3 * (height + 1))
        caption(top, [f"{d:.2f}" for d in distances], centres(columns, width), 2 * (height + 1) + 0.5)
        _curves(bottom, *(arrays[f"nearest_distances_{kind}{suffix}"] for kind in ("test", "generated")))
        return figure


def _curves(axes: Axes, test: list[float], generated: list[float]) -> None:
    share = np.linspace(0, 100, 101)
    axes.plot(test, share, color=BLUE, label="test images (new by construction)")
    axes.plot(generated, share, color=ORANGE, ls="--", label="samples")
    axes.axvline(test[1], color=BLUE, lw=1, ls=":", label="1 % of test images are nearer")
    axes.set_xlabel("distance to the nearest training image\n(1 = median of test images)")
    axes.set_ylabel("share within distance (%)")
    axes.set_xlim(left=-0.02 * max(test))  # keeps the curve of copies, at distance 0, visible
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
