"""Loss curves: total, reconstruction and KL per epoch, in training and validation."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vae_lab.figures.style import BLUE, ORANGE, new_figure, panels_in_a_row
from vae_lab.scores import Trained, differing_loss

_PANELS = {"loss": "loss", "recon": "reconstruction", "kl": "KL"}


class Curves:
    """One panel per term that the objective logs."""

    requires = "a completed epoch in metrics.csv"

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if no epoch was recorded."""
        history = trained.history
        if not history:
            return None
        panels = [name for name in _PANELS if f"val/{name}" in history[-1]]
        columns = panels_in_a_row(len(panels), 2.2)
        rows = -(-len(panels) // columns)
        title = "Terms of the loss in training and validation"
        figure = new_figure(3.4 * columns, 3 * rows, title, trained.title)
        grid = figure.subplots(rows, columns, squeeze=False).flat
        for axes in grid[len(panels) :]:
            axes.remove()
        epochs = [row["epoch"] for row in history]
        for axes, name in zip(grid, panels):
            for split, colour, style in (("train", BLUE, "o-"), ("val", ORANGE, "s--")):
                values = [row.get(f"{split}/{name}", float("nan")) for row in history]
                axes.plot(epochs, values, style, color=colour, label=split)
            axes.set(
                xlabel="epoch",
                ylabel=f"nats per {trained.data.values.one}",
                title=_PANELS[name] + (differing_loss(trained) if name == "loss" else ""),
            )
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(alpha=0.3)
            axes.legend(frameon=False)
        return figure
