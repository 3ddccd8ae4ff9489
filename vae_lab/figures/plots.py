"""Plots as data, which are drawn both as pictures for papers and on the page that compares runs."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Okabe & Ito 2008, without yellow and black: colour-blind readers can distinguish these colours, on white and on black.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


@dataclass(frozen=True)
class Line:
    """A series of points, joined by a line or not."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    error: Sequence[float] | None = None  # half of the length of each error bar; 0 for a point without one
    about: Sequence[str] = ()  # a description of each point
    joined: bool = True
    markers: bool = True
    band: Sequence[float] | None = None  # half of the height of a band around the line
    runs: tuple[int, ...] = ()  # the indices of the runs of a curve; empty for other lines
    style: int | None = None  # number of the colour, dash and marker; None: the index of the line in its plot
    faint: bool = False  # thin and transparent, for plots with very many lines
    shade: float | None = None  # the value of the quantity Plot.shade, which then determines the colour


@dataclass(frozen=True)
class HeatMap:
    """A value for each pair of x and y; None for pairs without a run."""

    x: Sequence[str]
    y: Sequence[str]
    values: Sequence[Sequence[float | None]]  # one row for each y
    label: str
    about: Sequence[Sequence[str]] = ()  # a description of each value


@dataclass(frozen=True)
class Plot:
    """The content of one pair of axes: lines or a heat map."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line] = ()
    heat_map: HeatMap | None = None
    subtitle: str = ""
    log_x: bool = False
    x_ticks: Sequence[float] = ()  # ticks of a logarithmic x axis; empty: the default ticks
    log_y: bool = False
    shade: str = ""  # the name of the quantity in Line.shade
    log_shade: bool = False
    legend: str = ""  # the title of the legend: the names of the settings that distinguish the lines


LEGEND = 24  # most lines that a legend lists
BESIDE, LETTERS = 40, 50  # letters of the longest name in a legend beside the axes, and of any name in a legend


def legend_names(plot: Plot) -> list[str]:
    """Return the name of every line in a legend: its label or, in the place of a long one, the values of its settings.

    >>> long = Line("objective.gradient=" + "a" * 30 + " prior.components=500", [], [])
    >>> legend_names(Plot("", "", "", [long, Line("beta=4", [], [])], legend="objective.gradient, prior.components"))
    ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 500', 'beta=4']

    Of a name that is still long, the beginning and the end remain. Names that become equal are numbered, so that each
    stands for one line.
    """
    names = [_short(line.label, plot.legend.split(", ") if plot.legend else []) for line in plot.lines]
    labels = {name: list(dict.fromkeys(x.label for x, n in zip(plot.lines, names) if n == name)) for name in names}
    return [
        f"{name} ({labels[name].index(line.label) + 1})" if len(labels[name]) > 1 else name
        for line, name in zip(plot.lines, names)
    ]


def _short(label: str, settings: Sequence[str]) -> str:
    if len(label) > LETTERS:
        for name in settings:
            label = re.sub(rf"(^| ){re.escape(name)}=", r"\1", label, count=1)
    half = LETTERS // 2
    return label if len(label) <= LETTERS else f"{label[: half - 1]} … {label[2 - half :]}"


def legend_below(plot: Plot) -> int:
    """Return the letters of the longest name if the legend needs the place below the axes; 0 if it fits beside them.

    Long names beside the axes would leave no width for the lines.
    """
    longest = max((len(name) for name, line in zip(legend_names(plot), plot.lines) if line.shade is None), default=0)
    return longest if longest > BESIDE else 0


def wide(values: Sequence[float]) -> bool:
    """Whether the values suit a logarithmic axis.

    They do if they are positive and span two decades, or a factor of 16 with at least three distinct values.
    """
    if not values or min(values) <= 0:
        return False
    ratio = max(values) / min(values)
    return ratio > 99.9 or (ratio > 15.99 and len(set(values)) > 2)


def log_ticks(values: Iterable[float], most: int = 8) -> list[float]:
    """Return ticks of a logarithmic axis at the values, without values too close to the tick before or to the last.

    Args:
        values: the values on the axis.
        most: the number of ticks that fit the axis.

    Returns:
        The ticks; empty if there is a single value, more than ``3 * most`` of them, or one that is not positive.
    """
    places = sorted(set(values))
    if not 2 <= len(places) <= 3 * most or places[0] <= 0:
        return []
    distance = math.log(places[-1] / places[0]) / most
    ticks = places[:1]
    for place in places[1:-1]:
        if min(math.log(place / ticks[-1]), math.log(places[-1] / place)) >= distance:
            ticks.append(place)
    return [*ticks, places[-1]]
