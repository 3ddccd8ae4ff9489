"""How often each code is used on the test set, one panel per level and depth, the most frequent code first."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_lab.figures.style import BLUE, GREY, new_figure
from vae_lab.metrics.codes import COUNTS, in_words
from vae_lab.scores import Trained


class CodeUsage:
    """A bar for the share of positions with each code, beside the share that all codes would have alike."""

    needs = ("codes",)
    draws = ("codes",)

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``codes`` was not computed."""
        found = {key: part for key, part in trained.scores.arrays.items() if key.startswith(COUNTS)}
        counts = {key.removeprefix(COUNTS): np.array(part) for key, part in found.items()}
        if not counts:
            return None
        values, rows = trained.scores.values, -(-len(counts) // 2)
        title = f"Codes of all {len(trained.data.test):,} test {trained.data.values.many}, by how often they occur"
        figure = new_figure(7.2, 2.8 * rows, title, trained.title)
        panels = figure.subplots(rows, min(2, len(counts)), squeeze=False)
        for axes in panels.flat[len(counts) :]:
            axes.remove()
        for axes, (name, numbers) in zip(panels.flat, counts.items()):
            used = round(values[f"test/codes_used{name}"] * len(numbers))
            label = in_words(name)
            text = f"{used:,} of {len(numbers):,} used, perplexity {values[f'test/perplexity{name}']:.1f}"
            axes.set_title(f"{label}: {text}" if label else text)
            _bars(axes, numbers / numbers.sum())
        for axes in panels[:, 0]:
            axes.set_ylabel("share of positions (%)")
        return figure


def _bars(axes: Axes, share: np.ndarray) -> None:
    places = np.arange(1, len(share) + 1)
    axes.bar(places, 100 * np.sort(share)[::-1], width=0.85 if len(share) <= 64 else 1, color=BLUE)
    axes.axhline(100 / len(share), color=GREY, ls="--", lw=1, label="if all were used alike")
    axes.set_xlabel("code, the most frequent first")
    axes.set_xlim(0.4, len(share) + 0.6)
    axes.legend(frameon=False, loc="upper right")
    axes.grid(axis="y", alpha=0.3)
