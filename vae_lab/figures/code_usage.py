"""How often each code is used on the test set, one panel per level and depth, the most frequent code first."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vae_lab.figures.style import BLUE, GREY, new_figure
from vae_lab.scores import Trained


class CodeUsage:
    """A bar for the share of positions with each code, beside the share that all codes would have alike."""

    needs = ("codes",)
    draws = ("codes",)

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``codes`` was not computed."""
        uses = trained.scores.arrays.get("code_use")
        if not uses:
            return None
        rows = -(-len(uses) // 2)
        title = f"Codes of all {len(trained.data.test):,} test {trained.data.values.many}, by how often they occur"
        figure = new_figure(7.2, 2.8 * rows, title, trained.title)
        panels = figure.subplots(rows, min(2, len(uses)), squeeze=False)
        for axes in panels.flat[len(uses) :]:
            axes.remove()
        for axes, use in zip(panels.flat, uses):
            counts = np.array(use["counts"])
            text = f"{(counts > 0).sum():,} of {len(counts):,} used, perplexity {use['perplexity']:.1f}"
            axes.set_title(f"{use['of']}: {text}" if use["of"] else text)
            _bars(axes, counts / counts.sum())
        for axes in panels[:, 0]:
            axes.set_ylabel("share of positions (%)")
        return figure


def _bars(axes: Axes, share: np.ndarray) -> None:
    places = np.arange(1, len(share) + 1)
    axes.bar(places, 100 * np.sort(share)[::-1], width=0.85 if len(share) <= 64 else 1, color=BLUE)
    axes.axhline(100 / len(share), color=GREY, ls="--", lw=1, label="if all were used alike")
    axes.set_xlabel("code, the most frequent first")
    axes.set_xlim(0.4, len(share) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axes.legend(frameon=False, loc="upper right")
    axes.grid(axis="y", alpha=0.3)
