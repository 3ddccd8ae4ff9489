"""A plot as data: drawn as a picture for papers by figures, and by the page that compares runs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

# Okabe & Ito 2008, without yellow and black: they stay apart for the colour-blind, on white and on black.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


@dataclass(frozen=True)
class Line:
    """Points, joined or not, with the runs behind each."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    error: Sequence[float] | None = None  # half of the bar; 0 where there is none
    about: Sequence[str] = ()  # per point, or one for all: what stands behind it
    joined: bool = True
    markers: bool = True
    run: int | None = None  # the run it belongs to, where it is one
    style: int | None = None  # colour and dash; None: its place
    faint: bool = False  # one of very many
    shade: float | None = None  # in place of a colour: the number that Plot.shade names


@dataclass(frozen=True)
class HeatMap:
    """A value per pair; None where there is no run."""

    x: Sequence[str]
    y: Sequence[str]
    values: Sequence[Sequence[float | None]]
    label: str
    about: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Plot:
    """One pair of axes with lines or a heat map."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line] = ()
    heat_map: HeatMap | None = None
    subtitle: str = ""
    log_x: bool = False
    x_ticks: Sequence[float] = ()  # where a logarithmic x axis is labelled; none: wherever the axis likes
    log_y: bool = False
    shade: str = ""  # what Line.shade is
    log_shade: bool = False
    legend: str = ""  # what tells the lines apart
    notes: Sequence[str] = field(default_factory=tuple)


def wide(values: Sequence[float]) -> bool:
    """Whether a logarithmic axis serves them: positive, and over two decades, or a factor of 16 in three places."""
    if not values or min(values) <= 0:
        return False
    ratio = max(values) / min(values)
    return ratio > 99.9 or (ratio > 15.99 and len(set(values)) > 2)


def log_ticks(values: Iterable[float], most: int = 8) -> list[float]:
    """The values themselves, without those too near to the one before; empty where they are no handful."""
    places = sorted(set(values))
    if not 2 <= len(places) <= 3 * most or places[0] <= 0:
        return []
    apart = math.log(places[-1] / places[0]) / most
    ticks = places[:1]
    for place in places[1:-1]:
        if min(math.log(place / ticks[-1]), math.log(places[-1] / place)) >= apart:
            ticks.append(place)
    return [*ticks, places[-1]]
