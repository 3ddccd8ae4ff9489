"""Loss curves: total, reconstruction, KL and the objective's further terms per epoch, in training and validation."""

import re

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vae_lab.figures.style import BLUE, ORANGE, new_figure, panels_in_a_row
from vae_lab.scores import Trained, differing_loss

_NAMES = {"loss": "loss", "recon": "reconstruction", "kl": "KL"}
_LEFT_OUT = re.compile(r"elbo|.*_level\d+")  # the ELBO is −recon − KL, and levels have a figure of their own
_COLUMNS = 3


class Curves:
    """One panel per term that the objective logs, except for the ELBO and the terms of single levels."""

    requires = "a completed epoch in metrics.csv"

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if no epoch was recorded."""
        history = trained.history
        if not history:
            return None
        panels = panels_of(history[-1])
        columns = min(_COLUMNS, panels_in_a_row(len(panels), 2.2))
        rows = -(-len(panels) // columns)
        title = "Terms of the loss in training and validation"
        figure = new_figure(3.4 * columns, 3 * rows, title, trained.title)
        grid = figure.subplots(rows, columns, squeeze=False).flat
        for axes in grid[len(panels) :]:
            axes.remove()
        epochs = [row["epoch"] for row in history]
        for axes, name in zip(grid, panels):
            # Markers without a filling leave a curve visible that lies beneath.
            for split, colour, style, filling in (("train", BLUE, "o-", "full"), ("val", ORANGE, "s--", "none")):
                values = [row.get(f"{split}/{name}", float("nan")) for row in history]
                axes.plot(epochs, values, style, color=colour, label=split, fillstyle=filling)
            title = _NAMES.get(name, name.replace("_", " ")) + (differing_loss(trained) if name == "loss" else "")
            axes.set(xlabel="epoch", ylabel=_unit(trained, name), title=title)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(alpha=0.3)
            axes.legend(frameon=False)
        return figure


def panels_of(row: dict[str, float]) -> list[str]:
    """The terms of an epoch's row that are drawn: loss, reconstruction and KL, then the others in their order."""
    terms = [key.removeprefix("val/") for key in row if key.startswith("val/")]
    others = [name for name in terms if name not in _NAMES and not _LEFT_OUT.fullmatch(name)]
    return [*(name for name in _NAMES if name in terms), *others]


def _unit(trained: Trained, name: str) -> str:
    """The label of the vertical axis; only some of an objective's own terms are in nats, as their meanings say."""
    in_nats = name in _NAMES or "nats" in getattr(trained.objective, "meanings", {}).get(name, "")
    return f"nats per {trained.data.values.one}" if in_nats else "value of the term"
