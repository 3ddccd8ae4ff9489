"""How often each class occurs in the samples and in the test images."""

import numpy as np
from matplotlib.figure import Figure

from vae_lab.figures.style import BLUE, ORANGE, literal, new_figure
from vae_lab.scores import Generated


class LabelShares:
    """Bars for the fraction of each label; samples are labelled by the frozen classifier."""

    of_images = True
    draws = ("label_distribution",)

    def __call__(self, generated: Generated) -> Figure | None:
        """Draw the figure; None if the metric ``label_distribution`` has no result."""
        arrays, values = generated.scores.arrays, generated.scores.values
        if "labels_generated" not in arrays:
            return None
        classes = generated.data.classes
        distance = values["test/label_distance"]
        title = f"Labels of samples and of test images (total variation distance {distance:.3f})"
        figure = new_figure(min(12, max(6.4, 0.5 * len(classes))), 3.4, title, generated.title)
        axes = figure.subplots()
        places = np.arange(len(classes))
        axes.bar(places - 0.2, 100 * np.array(arrays["labels_real"]), 0.38, color=BLUE, label="test images")
        axes.bar(
            places + 0.2, 100 * np.array(arrays["labels_generated"]), 0.38, color=ORANGE, hatch="//",
            edgecolor="white", label="samples, labelled by the classifier",
        )  # fmt: skip
        letters = max(map(len, classes)) * len(classes)
        turned = 0 if letters <= 60 else 45 if len(classes) <= 20 else 90
        axes.set_xticks(places, [literal(name) for name in classes], rotation=turned)
        axes.set(xlabel="label", ylabel="share (%)")
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)  # bars may be anywhere
        axes.grid(axis="y", alpha=0.3)
        return figure
