"""Writes ``plots/``: the default plots as PNG files."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from vae_lab.compare.plots.plotted import Panel, Plotted
from vae_lab.config.names import short_name
from vae_lab.figures.plots import Plot
from vae_lab.system.files import write_atomically

LONGEST = 200  # bytes of a plot's name


def write_pictures(plotted: Plotted, folder: Path) -> None:
    """Draw the plots that the page shows by default into a folder.

    These are the validation loss, every shown score over every setting, the heat maps of the first two shown scores,
    rate and distortion, and the Pareto front.
    """
    from vae_lab.figures.draw_plot import draw

    folder.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scores near the largest number overflow in matplotlib's ticks
        for name, plot in _named(plotted):
            with write_atomically(folder / f"{name}.png", "wb") as file:
                draw(plot).savefig(file, format="png", bbox_inches="tight")


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
