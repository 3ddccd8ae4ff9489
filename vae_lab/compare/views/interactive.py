"""Turns a plot into plotly's JSON; the page adds the colours of text and grid, for its light and dark themes."""

from collections.abc import Sequence
from html import escape
from types import ModuleType
from typing import TYPE_CHECKING

from vae_lab.figures.plots import BESIDE, LEGEND, PALETTE, HeatMap, Line, Plot, legend_below, legend_names

if TYPE_CHECKING:
    from plotly.basedatatypes import BaseTraceType

_DASHES, _MARKERS = ("solid", "dash", "dot", "dashdot"), ("circle", "square", "triangle-up", "diamond", "x", "cross")
_SPECIAL = {-1: ("#888888", "dash"), -2: ("#E69F00", "solid"), -3: ("#888888", "solid")}  # a floor, a front, a mean
_TITLES = 79, 16  # pixels above the axes, and for each line of the subtitle


def figure(plot: Plot) -> dict[str, object]:
    """Return plotly's ``data`` and ``layout``; the ``meta`` of a curve states the runs that it shows.

    ``legend_letters`` is the length of the longest name of a legend that has to stand below the axes, 0 beside them.
    """
    import plotly.graph_objects as go

    traces = [_heat_map(go, plot, plot.heat_map)] if plot.heat_map else _lines(go, plot)
    named = sum(bool(line.label) and line.shade is None for line in plot.lines)
    subtitle = _wrapped(plot.subtitle)
    layout = go.Layout(
        title={"text": _plain(plot.title), "subtitle": {"text": "<br>".join(subtitle)}, "x": 0.01, "xanchor": "left"},
        xaxis={"title": {"text": _plain(plot.x_label)}, "type": _axis(plot.heat_map, plot.log_x), **_ticks(plot)},
        yaxis={"title": {"text": _plain(plot.y_label)}, "type": _axis(plot.heat_map, plot.log_y)},
        showlegend=1 < named <= LEGEND or any(line.style == -1 for line in plot.lines),
        legend={"title": {"text": "<br>".join(_wrapped(plot.legend, 100 if legend_below(plot) else BESIDE))}},
        hovermode="closest",
        margin={"l": 70, "r": 20, "t": _TITLES[0] + _TITLES[1] * max(1, len(subtitle)), "b": 60},
    )
    data = [trace.to_plotly_json() for trace in traces]
    return {"data": data, "layout": layout.to_plotly_json(), "legend_letters": legend_below(plot)}


def _axis(heat: HeatMap | None, log: bool) -> str:
    return "category" if heat else "log" if log else "linear"


def _ticks(plot: Plot) -> dict[str, object]:
    if plot.x_label.startswith("epoch") and plot.lines and not plot.log_x:
        return {"tickformat": "d", "tick0": 0, "dtick": _whole_step(max(max(line.x, default=1) for line in plot.lines))}
    if not plot.log_x or not plot.x_ticks:
        return {}
    return {"tickvals": list(plot.x_ticks), "ticktext": [f"{tick:.3g}" for tick in plot.x_ticks]}


def _whole_step(last: float) -> int:
    """The distance of at most ten ticks at whole numbers up to the last: 1, 2, 5, 10, 20, …"""
    steps = (step * 10**power for power in range(20) for step in (1, 2, 5))
    return next(step for step in steps if last <= 10 * step)


def _lines(go: ModuleType, plot: Plot) -> "list[BaseTraceType]":
    shades = [line.shade for line in plot.lines if line.shade is not None]
    colours = _colours(plot, sorted(set(shades)))
    traces = []
    for i, (line, name) in enumerate(zip(plot.lines, legend_names(plot))):
        trace = _line(go, plot, line, name, i if line.style is None else line.style, colours.get(line.shade))
        traces += [_band(go, line, trace.line.color), trace] if line.band else [trace]
    return traces + ([_colour_bar(go, plot, shades)] if shades else [])


def _line(go: ModuleType, plot: Plot, line: Line, name: str, style: int, shade: str | None) -> "BaseTraceType":
    colour, dash = _SPECIAL.get(style, (PALETTE[style % len(PALETTE)], _DASHES[style // len(PALETTE) % len(_DASHES)]))
    consecutive = len(line.x) > 2 and list(line.x) == list(range(1, len(line.x) + 1))
    return go.Scatter(
        **({"x0": 1, "dx": 1} if consecutive else {"x": list(line.x)}),
        y=_rounded(line.y),
        error_y={"array": _rounded(line.error), "visible": True} if line.error else None,
        text=[_plain(about) for about in line.about] or None,
        hovertemplate=f"{'%{text}' if line.about else _plain(line.label)}<br>{_bare(plot.x_label)} %{{x:.6~g}}"
        f"<br>{_bare(plot.y_label)} %{{y:.4g}}<extra></extra>",
        name=_plain(name),
        mode="lines+markers" if line.joined and line.markers else "lines" if line.joined else "markers",
        line={"color": shade or colour, "dash": "solid" if shade else dash, "width": 1 if line.faint else 1.5},
        opacity=0.6 if line.faint else 1,
        marker={"symbol": "circle" if shade else _MARKERS[style % len(_MARKERS)], "size": 7},
        meta={"runs": list(line.runs)} if line.runs else None,
        showlegend=bool(line.label) and shade is None,  # a shaded line is explained by the colour scale
        _validate=False,  # validation takes half of the time with 500 runs
    )


def _band(go: ModuleType, line: Line, colour: str) -> "BaseTraceType":
    """The band around a line, as an area of its colour without a border."""
    half = line.band or ()
    upper, lower = [y + h for y, h in zip(line.y, half)], [y - h for y, h in zip(line.y, half)]
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return go.Scatter(
        x=[*line.x, *reversed(line.x)],
        y=_rounded([*upper, *reversed(lower)]),
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.2)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        meta={"runs": list(line.runs)},
        showlegend=False,
        _validate=False,
    )


def _plain(text: str) -> str:
    """A text as plotly shows it unchanged: plotly interprets tags and, in hover labels, placeholders ``%{…}``."""
    return escape(text, quote=False).replace("%{", "&#37;{")


def _bare(label: str) -> str:
    """The label of an axis without its unit, because a hover label has little room."""
    return _plain(label.partition(",")[0].partition(" (")[0])


def _colours(plot: Plot, shades: Sequence[float]) -> dict[float | None, str]:
    """A colour of the continuous scale for each number, for plots with more lines than the palette distinguishes."""
    from math import log

    from plotly.colors import sample_colorscale

    places = [log(shade) if plot.log_shade else shade for shade in shades]
    width = places[-1] - places[0] if places else 0
    return dict(zip(shades, sample_colorscale("Viridis", [(p - places[0]) / width if width else 0.5 for p in places])))


def _colour_bar(go: ModuleType, plot: Plot, shades: Sequence[float]) -> "BaseTraceType":
    """An empty trace that shows the colour scale; a logarithmic scale has its ticks at the values of the lines."""
    from math import log10

    low, high = (log10(v) if plot.log_shade else v for v in (min(shades), max(shades)))
    ticks = sorted(set(shades))[:: max(1, len(set(shades)) // 6)]
    bar: dict[str, object] = {"title": {"text": _plain(plot.shade)}}
    if plot.log_shade:
        bar |= {"tickvals": [log10(v) for v in ticks], "ticktext": [f"{v:.3g}" for v in ticks]}
    marker = {"color": [low], "cmin": low, "cmax": high, "colorscale": "Viridis", "showscale": True, "colorbar": bar}
    return go.Scatter(x=[None], y=[None], mode="markers", marker=marker, showlegend=False, hoverinfo="skip")


def _heat_map(go: ModuleType, plot: Plot, heat: HeatMap) -> "BaseTraceType":
    few = len(heat.x) * len(heat.y) <= 100
    return go.Heatmap(
        x=[_plain(value) for value in heat.x],
        y=[_plain(value) for value in heat.y],
        z=[_rounded(row) for row in heat.values],
        text=[[_plain(about) for about in row] for row in heat.about] or None,
        texttemplate="%{z:.4g}" if few else None,
        hovertemplate=f"{_bare(plot.x_label)} %{{x}}<br>{_bare(plot.y_label)} %{{y}}"
        f"<br>{_bare(heat.label)} %{{z:.4g}}<br>%{{text}}<extra></extra>",
        colorscale="Viridis",
        colorbar={"title": {"text": _plain(heat.label), "side": "right"}},
        hoverongaps=False,
    )


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    """The values with five significant digits, which are enough to look at and halve the size of the page."""
    return [None if v is None else float(f"{v:.5g}") for v in values]


def _wrapped(text: str, letters: int = 120) -> list[str]:
    from textwrap import wrap

    return [_plain(line) for line in wrap(text, letters)]
