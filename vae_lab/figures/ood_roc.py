"""ROC curves: the rate at which images of another kind are detected against the rate of false alarms."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_lab.figures.style import BLUE, GREEN, GREY, ORANGE, literal, new_figure, panels_in_a_row
from vae_lab.scores import Trained

_LINES = {"elbo": ("−ELBO", BLUE, "-"), "recon": ("recon", ORANGE, "--"), "kl": ("KL", GREEN, "-.")}
_KINDS = {"uniform": "uniform noise", "gaussian": "Gaussian noise", "rotated": "test images turned by 180°"}
_IN_A_ROW = 3


class OODROC:
    """One panel per kind of images, with one curve per score."""

    draws = ("ood",)

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``ood`` has no result."""
        panels = trained.scores.arrays.get("ood_roc")
        if not panels:
            return None
        n = trained.scores.protocol["ood"]["images"]
        title = f"Detection of other images: {n:,} of each kind against {n:,} test images"
        columns = panels_in_a_row(min(len(panels), _IN_A_ROW if len(panels) != 4 else 2), 2.6)
        rows = -(-len(panels) // columns)
        figure = new_figure(3.2 * columns, 3.6 * rows, title, trained.title)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        for axes, panel in zip(grid.flat, panels):
            _draw(axes, panel, trained.scores.values)
        for axes in grid[:, 0]:
            axes.set_ylabel("images detected (%)")
        return figure


def _draw(axes: Axes, panel: Mapping[str, Any], values: Mapping[str, float]) -> None:
    """Draw the curves of one kind of images, with the areas under them in the legend."""
    for score, detected in panel["found"].items():
        name, colour, line = _LINES[score]
        area = values[f"test/ood_auroc_{panel['kind']}_{score}"]
        share = np.linspace(0, 100, len(detected))
        axes.plot(share, 100 * np.array(detected), line, color=colour, lw=1.8, label=f"{name}: {area:.3f}")
    axes.plot([0, 100], [0, 100], ":", color=GREY, lw=1, label="chance: 0.5")
    axes.set_title(literal(_KINDS.get(panel["kind"], panel["kind"])))
    axes.set_xlabel("false alarms (%)")
    axes.set(xlim=(-2, 102), ylim=(-2, 102))
    axes.grid(alpha=0.3)
    axes.legend(title="AUROC by score", loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False)
