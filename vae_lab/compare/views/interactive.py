"""A plot as a figure of the page: plotly's JSON. Colours of text and grid are the page's, for light and dark."""

from collections.abc import Sequence
from typing import Any

from vae_lab.figures.plots import PALETTE, HeatMap, Line, Plot

_DASHES, _MARKERS = ("solid", "dash", "dot", "dashdot"), ("circle", "square", "triangle-up", "diamond", "x", "cross")
_SPECIAL = {-1: ("#888888", "dash"), -2: ("#E69F00", "solid"), -3: ("#888888", "solid")}  # a floor, a front, a mean
LEGEND = 24  # lines that a legend names


def figure(plot: Plot) -> dict[str, Any]:
    """``data`` and ``layout``; traces say in ``meta`` which run they belong to."""
    import plotly.graph_objects as go

    traces = [_heat_map(go, plot, plot.heat_map)] if plot.heat_map else _lines(go, plot)
    named = sum(bool(line.label) and line.shade is None for line in plot.lines)
    layout = go.Layout(
        title={"text": plot.title, "subtitle": {"text": _wrapped(plot.subtitle)}, "x": 0.01, "xanchor": "left"},
        xaxis={"title": {"text": plot.x_label}, "type": _axis(plot.heat_map, plot.log_x), **_ticks(plot)},
        yaxis={"title": {"text": plot.y_label}, "type": _axis(plot.heat_map, plot.log_y)},
        showlegend=1 < named <= LEGEND or any(line.style == -1 for line in plot.lines),
        legend={"title": {"text": plot.legend}},
        hovermode="closest",
        margin={"l": 70, "r": 20, "t": 95, "b": 60},
    )
    return {"data": [trace.to_plotly_json() for trace in traces], "layout": layout.to_plotly_json()}


def _axis(heat: HeatMap | None, log: bool) -> str:
    return "category" if heat else "log" if log else "linear"


def _ticks(plot: Plot) -> dict[str, Any]:
    if not plot.log_x or not plot.x_ticks:
        return {}
    return {"tickvals": list(plot.x_ticks), "ticktext": [f"{tick:.3g}" for tick in plot.x_ticks]}


def _lines(go: Any, plot: Plot) -> list[Any]:
    shades = [line.shade for line in plot.lines if line.shade is not None]
    colours = _colours(plot, sorted(set(shades)))
    traces = [
        _line(go, plot, line, i if line.style is None else line.style, colours.get(line.shade))
        for i, line in enumerate(plot.lines)
    ]
    return traces + ([_colour_bar(go, plot, shades)] if shades else [])


def _line(go: Any, plot: Plot, line: Line, style: int, shade: str | None) -> Any:
    colour, dash = _SPECIAL.get(style, (PALETTE[style % len(PALETTE)], _DASHES[style // len(PALETTE) % len(_DASHES)]))
    whole = len(line.x) > 2 and list(line.x) == list(range(1, len(line.x) + 1))
    return go.Scatter(
        **({"x0": 1, "dx": 1} if whole else {"x": list(line.x)}),
        y=_rounded(line.y),
        error_y={"array": _rounded(line.error), "visible": True} if line.error else None,
        text=list(line.about) or None,
        hovertemplate=f"{'%{text}' if line.about else line.label}<br>{_bare(plot.x_label)} %{{x:.6~g}}"
        f"<br>{_bare(plot.y_label)} %{{y:.4g}}<extra></extra>",
        name=line.label,
        mode="lines+markers" if line.joined and line.markers else "lines" if line.joined else "markers",
        line={"color": shade or colour, "dash": "solid" if shade else dash, "width": 1 if line.faint else 1.5},
        opacity=0.6 if line.faint else 1,
        marker={"symbol": "circle" if shade else _MARKERS[style % len(_MARKERS)], "size": 7},
        meta={"run": line.run} if line.run is not None else None,
        showlegend=bool(line.label) and shade is None,  # the scale names it then
        _validate=False,  # half of the time with 500 runs
    )


def _bare(label: str) -> str:
    """An axis' name without its unit: there is little room beside a point."""
    return label.partition(",")[0].partition(" (")[0]


def _colours(plot: Plot, shades: Sequence[float]) -> dict[float | None, str]:
    """A colour of the scale per number, where lines are too many to tell apart by colours of their own."""
    from math import log

    from plotly.colors import sample_colorscale

    places = [log(shade) if plot.log_shade else shade for shade in shades]
    apart = places[-1] - places[0] if places else 0
    return dict(zip(shades, sample_colorscale("Viridis", [(p - places[0]) / apart if apart else 0.5 for p in places])))


def _colour_bar(go: Any, plot: Plot, shades: Sequence[float]) -> Any:
    """An empty trace that carries the scale; with a logarithmic one, ticks at the values themselves."""
    from math import log10

    low, high = (log10(v) if plot.log_shade else v for v in (min(shades), max(shades)))
    ticks = sorted(set(shades))[:: max(1, len(set(shades)) // 6)]
    bar: dict[str, Any] = {"title": {"text": plot.shade}}
    if plot.log_shade:
        bar |= {"tickvals": [log10(v) for v in ticks], "ticktext": [f"{v:.3g}" for v in ticks]}
    marker = {"color": [low], "cmin": low, "cmax": high, "colorscale": "Viridis", "showscale": True, "colorbar": bar}
    return go.Scatter(x=[None], y=[None], mode="markers", marker=marker, showlegend=False, hoverinfo="skip")


def _heat_map(go: Any, plot: Plot, heat: HeatMap) -> Any:
    few = len(heat.x) * len(heat.y) <= 100
    return go.Heatmap(
        x=list(heat.x),
        y=list(heat.y),
        z=[_rounded(row) for row in heat.values],
        text=[list(row) for row in heat.about] or None,
        texttemplate="%{z:.4g}" if few else None,
        hovertemplate=f"{_bare(plot.x_label)} %{{x}}<br>{_bare(plot.y_label)} %{{y}}"
        f"<br>{_bare(heat.label)} %{{z:.4g}}<br>%{{text}}<extra></extra>",
        colorscale="Viridis",
        colorbar={"title": {"text": heat.label, "side": "right"}},
        hoverongaps=False,
    )


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    """Five digits: enough for the eye, half of the page's size."""
    return [None if v is None else float(f"{v:.5g}") for v in values]


def _wrapped(text: str) -> str:
    from textwrap import wrap

    return "<br>".join(wrap(text, 120))
