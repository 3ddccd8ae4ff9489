"""Loss curves: total, reconstruction and KL per epoch, in training and validation."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vae_lab.figures.style import BLUE, ORANGE, new_figure
from vae_lab.scores import Trained

_PANELS = {"loss": "loss (as minimised)", "recon": "reconstruction", "kl": "KL"}


class Curves:
    """One panel per term that the objective logs."""

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if no epoch was recorded."""
        history = trained.history
        if not history:
            return None
        panels = [name for name in _PANELS if f"val/{name}" in history[-1]]
        figure = new_figure(4 * len(panels), 3.6, "Training", trained.title)
        epochs = [row["epoch"] for row in history]
        for axes, name in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
            for split, colour, style in (("train", BLUE, "o-"), ("val", ORANGE, "s--")):
                values = [row.get(f"{split}/{name}", float("nan")) for row in history]
                axes.plot(epochs, values, style, color=colour, label=split, markersize=3)
            axes.set(xlabel="epoch", ylabel=f"nats per {trained.data.values.one}", title=_PANELS[name])
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(alpha=0.3)
            axes.legend(frameon=False)
        return figure
