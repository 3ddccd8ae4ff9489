"""Writes ``plots/``: the default plots as files for papers, in the formats of ``figures.style``."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vae_lab.compare.plots.plotted import Panel, Plotted
from vae_lab.config.names import short_name
from vae_lab.figures.plots import Plot

if TYPE_CHECKING:
    from vae_lab.figures.style import Style

LONGEST = 200  # bytes of a plot's name


def write_pictures(plotted: Plotted, folder: Path, style: "Style | None" = None) -> None:
    """Draw the plots that the page shows by default into a folder.

    These are the validation loss, every shown score over every setting, the heat maps of the first two shown scores,
    rate and distortion, and the Pareto front.

    Args:
        plotted: the plots.
        folder: is created if it does not exist.
        style: how to draw them; None: the default style.
    """
    from vae_lab.figures.draw_plot import draw
    from vae_lab.figures.saving import save_figure
    from vae_lab.figures.style import Style, drawn_in

    style = style or Style()

    folder.mkdir(exist_ok=True)
    with warnings.catch_warnings(), drawn_in(style):
        warnings.simplefilter("ignore", RuntimeWarning)  # scores near the largest number overflow in matplotlib's ticks
        for name, plot in _named(plotted):
            save_figure(draw(plot), folder, name, style, crop=True)


def _named(plotted: Plotted) -> Iterator[tuple[str, Plot]]:
    shown = plotted.compared.show
    yield from _each("curves", next(iter(plotted.curves.values()), []))
    for score in shown:
        for axis, panels in plotted.against.get(score, {}).items():
            yield from _each(f"{score}-{axis}", panels)
    for score in shown[:2]:
        for pair, panels in plotted.heat_maps.get(score, {}).items():
            yield from _each(f"{score}-{pair}", panels)
    yield from _each("rate_distortion", plotted.rate_distortion)
    yield from _each("pareto", plotted.pareto)


def _each(name: str, panels: list[Panel]) -> Iterator[tuple[str, Plot]]:
    """The plots under their file names, numbered from 1 if there are several."""
    slug = short_name(re.sub(r"[^\w.]+", "-", name).strip("-"), LONGEST, name)
    for number, panel in enumerate(panels):
        yield slug + (f"-{number + 1}" if len(panels) > 1 else ""), panel.plot
