"""The KL of each latent dimension in nats, largest first; a panel for each level of a hierarchy."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_lab.figures.style import BLUE, GREY, new_figure
from vae_lab.scores import Trained
from vae_lab.types import Shape

_LABELS = 32  # most dimensions that are named below the bars of a panel
_BESIDE = {1: 20, 3: 6}  # most names that are written horizontally, for vectors and for grids


class KLPerDimension:
    """A bar for the KL of each dimension, averaged over the test examples; inactive units are grey."""

    draws = ("latent_use",)
    requires = "an objective with a KL"

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if the objective has no KL or the metric ``latent_use`` was not computed."""
        kl = np.array(trained.scores.arrays.get("kl_per_dim") or [])
        if not len(kl):
            return None
        arrays, threshold = trained.scores.arrays, trained.scores.protocol["latent_use"]["threshold"]
        # Runs of earlier versions have only the variance.
        active = np.array(arrays.get("active_per_dim", np.array(arrays["mean_variance_per_dim"]) > threshold))
        ends = np.cumsum([math.prod(shape) for shape in trained.model.latent_shapes])[:-1]
        levels = list(zip(np.split(kl, ends), np.split(active, ends)))
        title = f"KL per latent dimension: {kl.sum():.1f} nats in all, {active.sum()} of {len(kl)} units active"
        rows = -(-len(levels) // 2)
        figure = new_figure(7.2, 3.2 if rows == 1 else 2.7 * rows, title, trained.title)
        # Each level has a panel; all of them have the same axis of nats.
        panels = figure.subplots(rows, min(2, len(levels)), sharey=True, squeeze=False)
        for axes in panels.flat[len(levels) :]:
            axes.remove()
        for i, (axes, (values, used)) in enumerate(zip(panels.flat, levels)):
            what, unit = ("KL", " nats") if i else ("variance of mean", "")
            rules = [f"{what} {sign} {threshold:g}{unit}" for sign in (">", "≤")]
            _bars(axes, values, used, rules, trained.model.latent_shapes[i])
            if len(levels) > 1:
                name = f"level {len(levels) - i}{'' if i else ' (top)'}"
                axes.set_title(f"{name}: {values.sum():.2f} nats, {used.sum()} of {len(used)} units active")
        for axes in panels[:, 0]:
            axes.set_ylabel(f"KL (nats per {trained.data.values.one})")
        # The axis has room for the legend, and for estimates below 0.
        low, high = min(0.0, float(kl.min())), max(0.0, float(kl.max()))
        panels[0, 0].set_ylim(
            low - 0.1 * (high - low) if low else 0, high + (0.3 if len(levels) == 1 else 0.5) * (high - low) or 1
        )
        return figure


def _bars(axes: Axes, kl: np.ndarray, active: np.ndarray, rules: Sequence[str], shape: Shape) -> None:
    """Draw the dimensions of one level by their KL; ``rules`` say when one of them is active and when it is not."""
    order = np.argsort(-kl, kind="stable")
    values, used, places = kl[order], active[order], np.arange(len(kl))
    for chosen, colour, name, rule in zip((used, ~used), (BLUE, GREY), ("active", "inactive"), rules):
        if chosen.any():
            label, width = f"{name} ({rule})", 0.85 if len(kl) <= 64 else 1
            axes.bar(places[chosen], values[chosen], color=colour, label=label, width=width)
    negative = (values < 0).any()
    if negative:
        axes.axhline(0, color="black", lw=0.8)
    step = -(-len(kl) // _LABELS)
    names, what = _names(order[::step], shape)
    axes.set_xticks(places[::step], names, rotation=90 if len(names) > _BESIDE.get(len(shape), 0) else 0)
    which = f"latent dimension: {what}, from 0" + (f"\n(one in {step} is named)" if step > 1 else "")
    axes.set(xlabel=which + ("\n(below 0: an estimate from samples)" if negative else ""))
    axes.set_xlim(-0.6, len(kl) - 0.4)
    axes.legend(frameon=False, loc="upper right")
    axes.grid(axis="y", alpha=0.3)


def _names(indices: np.ndarray, shape: Shape) -> tuple[list[str], str]:
    """The names of latent dimensions with these indices in the codes of a level, and what the names are.

    >>> _names(np.array([0, 5]), (8,)), _names(np.array([0, 5]), (2, 2, 2))
    ((['0', '5'], 'index in z'), (['0:0,0', '1:0,1'], 'channel:row,column'))
    """
    if len(shape) != 3:
        return [str(index) for index in indices], "index in z"
    places = zip(*np.unravel_index(indices, shape))
    return [f"{channel}:{row},{column}" for channel, row, column in places], "channel:row,column"
