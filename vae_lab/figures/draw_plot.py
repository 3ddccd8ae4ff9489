"""Draws a plot of several runs with matplotlib, as a picture for papers."""

from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from vae_lab.figures.plots import LEGEND, PALETTE, HeatMap, Line, Plot, legend_below, legend_names
from vae_lab.figures.style import GREY, current_style, letters, literal, new_figure, number, wrapped

_DASHES, _MARKERS = ("-", "--", ":", "-."), "os^DvP"
_SPECIAL = {-1: (GREY, "--"), -2: ("black", "-"), -3: ("black", "-")}  # a floor, a front, a mean


def draw(plot: Plot) -> Figure:
    """Return a figure of the plot's lines with error bars, or of its heat map with a colour scale."""
    figure = new_figure(7.2, 4.0, plot.title, plot.subtitle)
    axes = figure.subplots()
    width, height = 0.75 * figure.get_size_inches()  # of the axes, roughly
    axes.set(xlabel=wrapped(plot.x_label, width), ylabel=wrapped(plot.y_label, height))
    if plot.heat_map:
        _draw_heat_map(figure, axes, plot.heat_map)
        return figure
    axes.set_xscale("log" if plot.log_x else "linear")
    axes.set_yscale("log" if plot.log_y else "linear")
    scale = _scale(plot)
    for i, (line, name) in enumerate(zip(plot.lines, legend_names(plot))):
        _draw_line(axes, line, name, i if line.style is None else line.style, scale)
    if plot.log_x and plot.x_ticks:
        axes.set_xticks(plot.x_ticks, [f"{tick:.3g}" for tick in plot.x_ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    if plot.x_label.startswith("epoch") and not plot.log_x:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    if scale:
        figure.colorbar(scale, ax=axes, label=literal(plot.shade))
    named = [line for line in plot.lines if line.label and line.shade is None]  # the colour scale explains the others
    if 1 < len(named) <= LEGEND or any(line.style == -1 for line in named):
        _add_legend(figure, axes, plot, beside=scale is None)
    return figure


def _add_legend(figure: Figure, axes: Axes, plot: Plot, beside: bool) -> None:
    """Add a legend beside the axes, where it widens the picture, or below them, where it makes the picture higher.

    It stands below if its names are long or if the style sets the width of the picture.

    Args:
        figure: the figure.
        axes: its axes.
        plot: what the axes show.
        beside: whether the place beside the axes is free.
    """
    style = current_style()
    look: Any = {"title": literal(plot.legend) or None, "fontsize": "x-small", "title_fontsize": "x-small",
                 "frameon": False}  # fmt: skip
    if style.width is not None or legend_below(plot):
        handles, labels = axes.get_legend_handles_labels()
        width, height = figure.get_size_inches()
        fit = letters(width, 0.7 * style.points)
        columns = max(1, fit // (max(map(len, labels)) + 8))
        if plot.legend:
            look["title"] = literal("\n".join(wrap(plot.legend, fit)))
        if style.width is None:
            rows = -(-len(labels) // columns) + 1
            figure.set_size_inches(width, height + rows * 0.7 * style.points * 1.6 / 72)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, **look)
        return
    place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1)} if beside else {"loc": "best"}
    legend = axes.legend(**place, **look)
    # The layout is computed without the legend, so that long names widen the picture instead of narrowing the axes.
    legend.set_in_layout(False)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    legend.set_in_layout(True)


def _draw_line(axes: Axes, line: Line, name: str, style: int, scale: ScalarMappable | None) -> None:
    colour: str | np.ndarray
    colour, dash = _SPECIAL.get(style, (PALETTE[style % len(PALETTE)], _DASHES[style // len(PALETTE) % len(_DASHES)]))
    if line.shade is not None and scale is not None:
        colour, dash, style = scale.to_rgba(np.asarray(line.shade)), "-", 0
    marker = _MARKERS[style % len(_MARKERS)] if line.markers and style != -1 else ""
    name = literal(name) if line.shade is None else ""
    if line.band is not None:
        y, half = np.asarray(line.y), np.asarray(line.band)
        axes.fill_between(line.x, y - half, y + half, color=colour, alpha=0.2, linewidth=0)
    axes.errorbar(
        line.x, line.y, line.error, color=colour, linestyle=dash if line.joined else "", marker=marker, markersize=4,
        linewidth=0.7 if line.faint else 1.3, alpha=0.6 if line.faint else 1, capsize=3, label=name or None,
    )  # fmt: skip


def _scale(plot: Plot) -> ScalarMappable | None:
    values = [line.shade for line in plot.lines if line.shade is not None]
    if not values:
        return None
    norm = (LogNorm if plot.log_shade else Normalize)(min(values), max(values))
    return ScalarMappable(norm, colormaps["viridis"])


def _draw_heat_map(figure: Figure, axes: Axes, heat: HeatMap) -> None:
    values = np.array([[np.nan if v is None else v for v in row] for row in heat.values], dtype=float)
    shown = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis")
    axes.set_xticks(range(len(heat.x)), heat.x, rotation=45 if len(heat.x) > 12 else 0)
    axes.set_yticks(range(len(heat.y)), heat.y)
    figure.colorbar(shown, ax=axes, label=literal(heat.label))
    if values.size <= 100:
        middle = (np.nanmin(values) + np.nanmax(values)) / 2
        for row, column in zip(*np.nonzero(np.isfinite(values))):
            colour = "white" if values[row, column] < middle else "black"
            value = number(values[row, column], ".4g")
            axes.text(column, row, value, ha="center", va="center", color=colour, fontsize="small")
