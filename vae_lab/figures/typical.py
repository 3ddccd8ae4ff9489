"""The test images that the model rates most and least typical, with their reconstructions and their scores."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_lab.figures.image_grids import caption, centres, fitting_size, image_grid, pick, show
from vae_lab.figures.style import new_figure, number
from vae_lab.scores import Trained

_LINES = {"label": "label", "elbo": "−ELBO", "recon": "recon", "kl": "KL"}
_PARTS = {"most typical": "most_typical", "least typical": "least_typical"}


class Typical:
    """Two pairs of rows: the most typical images, and the least typical images, each starting with the extreme one."""

    needs = ("images",)
    draws = ("anomaly",)

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``anomaly`` has no result."""
        arrays = trained.scores.arrays
        parts = [(name, arrays[key]) for name, key in _PARTS.items() if arrays.get(key)]
        if not parts:
            return None
        columns, (height, width) = len(parts[0][1]), trained.data.x_shape[1:]
        high = 4 * 0.66 * height / width
        title = _title(trained, parts[0][1][0])
        figure = new_figure(0.66 * columns + 0.6, high + 1.8, title, trained.title, pictures=high)
        for axes, (name, rows) in zip(figure.subplots(2, 1, squeeze=False)[:, 0], parts):
            places = [row["index"] for row in rows]
            images = pick((batch.x for batch in trained.data.batches("test")), places)
            y = trained.data.test.at(torch.tensor(places))[1]
            reconstructions = trained.reconstruct(images.to(trained.device), y).cpu()
            show(axes, image_grid(torch.cat([images, reconstructions]), columns))
            axes.set_title(f"{name}, above their reconstructions")
            _values(axes, rows, trained.data.classes, (height, width))
        return figure


def _title(trained: Trained, row: Mapping[str, float]) -> str:
    """The title, with the formula of the score where it contains a constant that ``recon`` leaves out."""
    protocol = trained.scores.protocol["anomaly"]
    constant = protocol["recon_leaves_out"] if "elbo" in row else 0
    sign = "+" if constant > 0 else "−"
    formula = f"; −ELBO = recon + KL {sign} {abs(constant):.2f}" if constant else ""
    return f"Most and least typical of {protocol['images']:,} test images by {protocol['score']} (nats{formula})"


def _values(axes: Axes, rows: Sequence[Mapping[str, float]], classes: tuple[str, ...], size: tuple[int, int]) -> None:
    """Write the scores of each image under its pair, and their names to the left of the row."""
    height, width = size
    lines = {key: name for key, name in _LINES.items() if key in rows[0]}
    below = 2 * (height + 1) + 0.5
    texts = ["\n".join(_text(row, key, classes) for key in lines) for row in rows]
    axes.annotate(
        "\n".join(lines.values()), (0, below), (-4, -3), textcoords="offset points", ha="right", va="top",
        multialignment="right", fontsize=fitting_size(axes, texts), linespacing=1.25,
        annotation_clip=False,
    )  # fmt: skip
    caption(axes, texts, centres(len(rows), width), below)


def _text(row: Mapping[str, float], key: str, classes: tuple[str, ...]) -> str:
    """One score of an image as text; −ELBO has the sign by which the images are ranked."""
    if key == "label":
        return classes[int(row[key])] if classes else number(row[key])
    return number(-row[key] if key == "elbo" else row[key], ".2f")
