"""The importance-weighted bound on −log p(x), which falls with the number of samples."""

import numpy as np
from matplotlib.figure import Figure

from vae_lab.figures.style import BLUE, new_figure, number
from vae_lab.scores import Trained


class NLLBounds:
    """A plot of −L_K against K with 95 % intervals over test examples."""

    draws = ("nll",)

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the metric ``nll`` has no result."""
        rows = trained.scores.arrays.get("nll_bounds")
        if not rows:
            return None
        k, nll, se = (np.array([row[name] for row in rows], float) for name in ("k", "nll", "se"))
        examples = trained.scores.protocol["nll"]["images"]
        best = f"{number(nll[-1], '.2f')} ± {1.96 * se[-1]:.2f} nats"
        title = f"Bounds on −log p(x) by K samples: {best} at K={k[-1]:,.0f}"
        figure = new_figure(6.4, 3.4, title, trained.title)
        axes = figure.subplots()
        axes.errorbar(k, nll, 1.96 * se, fmt="o-", color=BLUE, capsize=4)
        for place, value in zip(k, nll):
            axes.annotate(number(value, ".2f"), (place, value), (7, 5), textcoords="offset points", fontsize="small")
        axes.set_xscale("log")
        axes.margins(x=0.18)  # room for the number beside the last point
        axes.set(xlabel="importance samples K", ylabel=f"bound (nats per {trained.data.values.one})")
        axes.set_title(f"bars: 95 % intervals over {examples:,} examples, the same for every K")
        axes.grid(alpha=0.3)
        return figure
