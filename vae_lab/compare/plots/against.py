"""A score over a setting: lines through runs that agree in all other settings, else points, and the score's floor."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from vae_lab.compare.compared import Compared
from vae_lab.compare.plots.drawing import LINES, STYLES, axis_label, score_label, subtitle
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import Setting, format_setting, others, sort_key
from vae_lab.figures.plots import Line, Plot, log_ticks, wide


def against(compared: Compared, score: Score, axis: Setting, number: int) -> Plot | None:
    """Return a plot of a score over a numeric setting, with means and standard deviations over seeds.

    Each combination of the other varying settings is one line if it has at least two values of the axis, else points.

    Args:
        compared: the runs.
        score: the score on the y axis.
        axis: the setting on the x axis.
        number: the protocol whose runs are drawn.

    Returns:
        The plot; None if the runs under the protocol have fewer than two values of the axis.
    """
    under = [[run for run in cell.runs if score.protocols.number_of.get(run) == number] for cell in compared.cells]
    cells = [runs for runs in under if runs and axis.numbers[runs[0]] is not None]
    varying = [
        s
        for s in others([axis], compared.varying(run for runs in cells for run in runs))
        if not (axis.derived and s.name in ("k1", "k2"))
    ]
    places = {_place(axis, runs) for runs in cells}
    if len(places) < 2:
        return None
    lines, distinguishing, addition = _lines_over(compared, score, axis, varying, cells)
    floor, floor_text = _floor(compared, score, number, lines)
    return Plot(
        title=f"{score.name} against {axis.name}",
        x_label=axis_label(axis.name),
        y_label=score_label(
            compared, score, score.protocols.members(number), any(line.error and any(line.error) for line in lines)
        ),
        lines=[*lines, *floor],
        subtitle=subtitle(compared, score, number) + addition + floor_text,
        log_x=wide(list(places)),
        x_ticks=log_ticks(places),
        legend=", ".join(s.name for s in distinguishing),
    )


def _place(axis: Setting, runs: Sequence[int]) -> float:
    """The runs' value of the axis, which all of them share and which is not MISSING."""
    place = axis.numbers[runs[0]]
    assert place is not None
    return place


def _lines_over(
    compared: Compared, score: Score, axis: Setting, varying: Sequence[Setting], cells: Sequence[list[int]]
) -> tuple[list[Line], Sequence[Setting], str]:
    """The lines of the plot, the settings that distinguish them, and an addition to the subtitle.

    Cells that agree in all other settings are joined by a line; the remaining ones are single points.
    """
    groups = list(_grouped(cells, varying).values())
    joined = [g for g in groups if len({_place(axis, runs) for runs in g}) > 1]
    single = [runs for g in groups if g not in joined for runs in g]
    if len(joined) <= LINES:
        lines = [_line_over(compared, score, axis, varying, g) for g in joined]
        if single:
            line = _line_over(compared, score, axis, (), single)
            lines.append(replace(line, label="single points" if joined else "", joined=False))
        addition = f"; single points also differ in {', '.join(s.name for s in varying)}" if single else ""
        return lines, varying if joined else (), addition
    # With this many lines, the plot shows points instead, coloured by one setting, and the line of their mean.
    varying = [s for s in varying if len(s.distinct) <= LINES][:1]
    lines = [_line_over(compared, score, axis, varying, g) for g in _grouped(cells, varying).values()]
    lines = [replace(line, label=line.label or "runs", error=None, joined=False, faint=True) for line in lines]
    mean = _mean_line(axis, lines)
    return [*lines, *([mean] if mean and len(mean.x) <= STYLES else [])], varying, ""


def _grouped(cells: Sequence[list[int]], settings: Sequence[Setting]) -> dict[tuple[object, ...], list[list[int]]]:
    groups: dict[tuple[tuple[int, float, str], ...], list[list[int]]] = defaultdict(list)
    for runs in cells:
        groups[tuple(sort_key(s.values[runs[0]]) for s in settings)].append(runs)
    return {key: groups[key] for key in sorted(groups)}


def _mean_line(axis: Setting, lines: Sequence[Line]) -> Line | None:
    """The mean of all points at each value of the axis; None if any value has a single point only."""
    values: dict[float, list[float]] = defaultdict(list)
    for line in lines:
        for place, value in zip(line.x, line.y):
            values[place].append(value)
    places = sorted(values)
    if min(map(len, values.values()), default=0) < 2:
        return None
    return Line(
        f"mean at each {axis.name}",
        places,
        [sum(values[place]) / len(values[place]) for place in places],
        about=[f"mean of {len(values[place])} points" for place in places],
        style=-3,
    )


def _line_over(
    compared: Compared, score: Score, axis: Setting, settings: Sequence[Setting], cells: list[list[int]]
) -> Line:
    points: list[tuple[float, float, float, str]] = []
    for runs in sorted(cells, key=lambda runs: _place(axis, runs)):
        value = compared.value(score, runs)
        if value is not None and math.isfinite(value.mean):
            sd = value.spread if value.seeds > 1 else None
            about = f"{compared.label(runs[0], seed=len(runs) == 1)} (n = {value.seeds})"
            points.append((_place(axis, runs), value.mean, sd or 0.0, about))
    return Line(
        " ".join(f"{s.name}={format_setting(s.values[cells[0][0]])}" for s in settings),
        x=[x for x, _, _, _ in points],
        y=[y for _, y, _, _ in points],
        error=[sd for _, _, sd, _ in points] if any(sd for _, _, sd, _ in points) else None,
        about=[about for _, _, _, about in points],
    )


def _floor(compared: Compared, score: Score, number: int, lines: Sequence[Line]) -> tuple[list[Line], str]:
    """The floor of a score, which is the score of real images under the same protocol.

    It is a horizontal line, or an addition to the subtitle if it lies far from the data.
    """
    floors = _values_of(compared, f"{score.name}_floor", score, number)
    alone = _values_of(compared, f"{score.name}_split_floor", score, number)
    real = "real training images" + (f"; {sum(alone) / len(alone):.2g} by sampling error alone" if alone else "")
    x = [place for line in lines for place in line.x]
    if not floors or not x:
        return [], ""
    ends = [
        y + sign * e for line in lines for y, e in zip(line.y, line.error or [0.0] * len(line.y)) for sign in (-1, 1)
    ]
    mean, low, high = sum(floors) / len(floors), min(ends), max(ends)
    if not 2 * low - high <= mean <= 2 * high - low:  # a line there would compress the data
        return [], f"; floor {mean:.3g} ({real}) lies {'below' if mean < low else 'above'} these axes"
    return [Line(f"floor {mean:.3g}: {real}", [min(x), max(x)], [mean, mean], markers=False, style=-1)], ""


def _values_of(compared: Compared, name: str, score: Score, number: int) -> list[float]:
    """The values of the score ``name`` in the runs that share this protocol of another score."""
    found = compared.scores.get(name)
    return [found.values[run] for run in score.protocols.members(number) if run in found.values] if found else []
