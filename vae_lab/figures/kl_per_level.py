"""The KL of each level of a hierarchy over the epochs, which shows when a level comes into use and when it dies."""

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pydantic import PositiveFloat

from vae_lab.figures.style import GREY, class_colours, new_figure
from vae_lab.scores import Trained
from vae_lab.types import KL_OF_LEVEL

_NAMED = 10  # most levels that a legend names; more are shown by a colour scale
_MARKERS = "os^Dv<>pP*"


class KLPerLevel:
    """A line for the validation KL of each level, on a logarithmic axis.

    Args:
        empty: nats below which a level is called empty; a line marks it, and the axis ends at a tenth of it at most.
    """

    needs = ("hierarchy", "continuous")
    requires = "the KL of each level in metrics.csv, which objectives with a KL log"

    def __init__(self, empty: PositiveFloat = 0.1) -> None:
        self.empty = empty

    def __call__(self, trained: Trained) -> Figure | None:
        """Draw the figure; None if no epoch has the KL of the levels."""
        history, levels = trained.history, len(trained.model.latent_shapes)
        if not history or f"val/{KL_OF_LEVEL}1" not in history[-1]:
            return None
        last = {level: history[-1][f"val/{KL_OF_LEVEL}{level}"] for level in range(levels, 0, -1)}
        used = sum(kl >= self.empty for kl in last.values())
        title = f"Validation KL of each level: {used} of {levels} have {self.empty:g} nats or more after the last epoch"
        figure = new_figure(7.2, 3.8, title, trained.title)
        axes = figure.subplots()
        epochs, smallest, least = [row["epoch"] for row in history], self.empty / 10, self.empty
        for (level, kl), colour in zip(last.items(), class_colours(levels)):
            values = [row.get(f"val/{KL_OF_LEVEL}{level}", float("nan")) for row in history]
            least = min([least, *values])  # a NaN is not less
            values = [max(value, smallest) for value in values]
            where = " (top)" if level == levels else " (next to the data)" if level == 1 else ""
            style = f"{_MARKERS[level % len(_MARKERS)]}-" if levels <= _NAMED else "-"
            axes.plot(epochs, values, style, color=colour, label=f"level {level}{where}: {kl:.2f}")
        axes.axhline(self.empty, color=GREY, ls="--", lw=1, label=f"{self.empty:g} nats; below, a level is empty")
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.8 * max(least, smallest))
        cut = f";\n{smallest:g} stands for less, too" if least < smallest else ""
        axes.set(xlabel="epoch", ylabel=f"KL (nats per {trained.data.values.one}{cut})")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        _name_lines(figure, axes, levels)
        return figure


def _name_lines(figure: Figure, axes: Axes, levels: int) -> None:
    """Name the lines beside the axes; if they are many, name only the limit, and show a scale of their colours."""
    if levels <= _NAMED:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), title="after the last epoch")
        return
    axes.legend(handles=axes.lines[-1:], frameon=False)
    scale = ScalarMappable(Normalize(1, levels), "viridis_r")
    figure.colorbar(scale, ax=axes, label="level; 1 is next to the data", ticks=MaxNLocator(integer=True))
