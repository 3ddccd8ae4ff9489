"""The KL of each latent dimension in nats, largest first."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vae_lab.figures.style import BLUE, GREY, new_figure
from vae_lab.scores import Trained


class KLPerDimension:
    """A bar for the KL of each dimension, averaged over the test examples; inactive units are grey."""

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the objective has no KL or the metric ``latent_use`` was not computed."""
        kl = trained.scores.arrays.get("kl_per_dim")
        if not kl:
            return None
        arrays, threshold = trained.scores.arrays, trained.scores.protocol["latent_use"]["threshold"]
        variance = np.array(arrays["mean_variance_per_dim"])
        # Runs of earlier versions have only the variance.
        is_active = np.array(arrays.get("active_per_dim", variance > threshold))
        order = np.argsort(kl)[::-1]
        values, active = np.array(kl)[order], is_active[order]
        title = f"KL per latent dimension: {values.sum():.1f} nats in all, {active.sum()} of {len(kl)} units active"
        figure = new_figure(7.2, 3.6, title, trained.title)
        axes = figure.subplots()
        places = np.arange(1, len(kl) + 1)
        groups = ((active, BLUE, "active"), (~active, GREY, f"inactive (variance of mean ≤ {threshold})"))
        for chosen, colour, label in groups:
            if chosen.any():
                axes.bar(places[chosen], values[chosen], color=colour, label=label, width=0.85 if len(kl) <= 64 else 1)
        axes.set(xlabel="latent dimension, by KL", ylabel=f"KL (nats per {trained.data.values.one})")
        axes.set(xlim=(0.4, len(kl) + 0.6), ylim=(0, 1.3 * float(values.max()) or 1))  # room for the legend
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend(frameon=False, loc="upper right")
        axes.grid(axis="y", alpha=0.3)
        return figure
