"""The test images that the model rates most and least typical, with their reconstructions and their scores."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_lab.figures.style import image_grid, new_figure, pick, show
from vae_lab.scores import Trained

_LINES = {"label": "label", "elbo": "ELBO", "recon": "recon", "kl": "KL"}


class Typical:
    """Two pairs of rows: the most typical images, and the least typical images, each starting with the extreme one."""

    needs = ("images",)

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``anomaly`` has no result."""
        arrays = trained.scores.arrays
        parts = [(name, arrays[key]) for name, key in _PARTS.items() if arrays.get(key)]
        if not parts:
            return None
        columns, (height, width) = len(parts[0][1]), trained.data.x_shape[1:]
        protocol = trained.scores.protocol["anomaly"]
        high = 2 * (2 * 0.66 * height / width + 0.9) + 0.4
        constant = protocol["recon_leaves_out"] if "elbo" in parts[0][1][0] else 0
        formula = f"; ELBO = −recon − KL − {constant:.2f}" if constant else ""
        title = f"Most and least typical of {protocol['images']:,} test images by {protocol['score']} (nats{formula})"
        figure = new_figure(0.66 * columns + 0.6, high, title, trained.title)
        for axes, (name, rows) in zip(figure.subplots(2, 1, squeeze=False)[:, 0], parts):
            places = [row["index"] for row in rows]
            images = pick((batch.x for batch in trained.data.batches("test")), places)
            y = trained.data.test.at(torch.tensor(places))[1]
            reconstructions = trained.reconstruct(images.to(trained.device), y).cpu()
            show(axes, image_grid(torch.cat([images, reconstructions]), columns))
            axes.set_title(f"{name}, above their reconstructions", fontsize=9)
            _values(axes, rows, trained.data.classes, (height, width))
        return figure


_PARTS = {"most typical": "most_typical", "least typical": "least_typical"}


def _values(axes: Axes, rows: Sequence[Mapping[str, float]], classes: tuple[str, ...], size: tuple[int, int]) -> None:
    """Write the scores of each image under its pair, and their names to the left of the row."""
    height, width = size
    lines = {key: name for key, name in _LINES.items() if key in rows[0]}
    annotate = partial(axes.annotate, textcoords="offset points", va="top", fontsize=7, linespacing=1.25)
    below = 2 * (height + 1) + 0.5
    annotate("\n".join(lines.values()), (0, below), (-4, -3), ha="right")
    for i, row in enumerate(rows):
        values = [classes[int(row[key])] if key == "label" and classes else f"{row[key]:.2f}" for key in lines]
        annotate("\n".join(values), ((i + 0.5) * (width + 1), below), (0, -3), ha="center")
