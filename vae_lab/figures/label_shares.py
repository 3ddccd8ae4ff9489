"""Which classes the samples show, beside the test set's."""

import numpy as np
from matplotlib.figure import Figure

from vae_lab.figures.style import BLUE, ORANGE, new_figure
from vae_lab.scores import Generated


class LabelShares:
    """Shares of the labels as the frozen classifier reads them."""

    of_images = True

    def __call__(self, made: Generated) -> Figure | None:
        """None where the metric ``label_distribution`` gave nothing."""
        arrays, values = made.scores.arrays, made.scores.values
        if "labels_generated" not in arrays:
            return None
        classes = made.data.classes
        distance = values["test/label_distance"]
        title = f"Labels of samples and of test images (total variation distance {distance:.3f})"
        figure = new_figure(max(6.4, 0.5 * len(classes)), 3.6, title, made.title)
        axes = figure.subplots()
        places = np.arange(len(classes))
        axes.bar(places - 0.2, 100 * np.array(arrays["labels_real"]), 0.38, color=BLUE, label="test images")
        axes.bar(
            places + 0.2, 100 * np.array(arrays["labels_generated"]), 0.38, color=ORANGE, hatch="//",
            edgecolor="white", label="samples, as the classifier reads them",
        )  # fmt: skip
        axes.set_xticks(places, classes, rotation=30 if max(map(len, classes)) > 3 else 0)
        axes.set(xlabel="label", ylabel="share (%)")
        axes.legend(frameon=False)
        axes.grid(axis="y", alpha=0.3)
        return figure
