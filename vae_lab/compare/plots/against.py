"""A score over a setting: lines where all else agrees, points where it does not, and what real images reach."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from vae_lab.compare.compared import Compared
from vae_lab.compare.plots.drawing import LINES, STYLES, axis_label, score_label, subtitle
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import MISSING, Setting, ordered, others, shown
from vae_lab.figures.plots import Line, Plot, log_ticks, wide


def against(compared: Compared, score: Score, axis: Setting, number: int) -> Plot | None:
    """A score over a setting, under one of its protocols; None where fewer than two places have it.

    One line per combination of what else varies, if that has two places, else points.
    Means and standard deviations over seeds.
    """
    under = [[run for run in cell.runs if score.protocols.of.get(run) == number] for cell in compared.cells]
    cells = [runs for runs in under if runs and axis.values[runs[0]] is not MISSING]
    beside = [
        s
        for s in others([axis], compared.varying(run for runs in cells for run in runs))
        if not (axis.derived and s.name in ("k1", "k2"))
    ]
    places = {axis.values[runs[0]] for runs in cells}
    if len(places) < 2:
        return None
    lines, telling, told = _lines_over(compared, score, axis, beside, cells)
    floor, floor_told = _floor(compared, score, number, lines)
    return Plot(
        title=f"{score.name} against {axis.name}",
        x_label=axis_label(axis.name),
        y_label=score_label(score, any(line.error and any(line.error) for line in lines)),
        lines=[*lines, *floor],
        subtitle=subtitle(compared, score, number) + told + floor_told,
        log_x=wide(list(places)),
        x_ticks=log_ticks(places),
        legend=", ".join(s.name for s in telling),
    )


def _lines_over(
    compared: Compared, score: Score, axis: Setting, beside: Sequence[Setting], cells: Sequence[list[int]]
) -> tuple[list[Line], Sequence[Setting], str]:
    """Lines through what agrees in all else, single points for the rest; what tells lines apart, and what to add."""
    groups = list(_grouped(cells, beside).values())
    joined = [g for g in groups if len({axis.values[runs[0]] for runs in g}) > 1]
    single = [runs for g in groups if g not in joined for runs in g]
    if len(joined) <= LINES:
        lines = [_line_over(compared, score, axis, beside, g) for g in joined]
        if single:
            line = _line_over(compared, score, axis, (), single)
            lines.append(replace(line, label="single points" if joined else "", joined=False))
        told = f"; single points differ in {', '.join(s.name for s in beside)}, too" if single else ""
        return lines, beside, told
    beside = [s for s in beside if len(s.distinct) <= LINES][:1]  # points, coloured by one setting, with their mean
    lines = [_line_over(compared, score, axis, beside, g) for g in _grouped(cells, beside).values()]
    lines = [replace(line, label=line.label or "runs", error=None, joined=False, faint=True) for line in lines]
    mean = _mean_line(axis, lines)
    return [*lines, *([mean] if mean and len(mean.x) <= STYLES else [])], beside, ""


def _grouped(cells: Sequence[list[int]], beside: Sequence[Setting]) -> dict[tuple, list[list[int]]]:
    groups: dict[tuple, list[list[int]]] = defaultdict(list)
    for runs in cells:
        groups[tuple(ordered(s.values[runs[0]]) for s in beside)].append(runs)
    return dict(sorted(groups.items()))


def _mean_line(axis: Setting, lines: Sequence[Line]) -> Line | None:
    """The mean of all points at each place, whatever else varies; None where a place has a single one."""
    found: dict[float, list[float]] = defaultdict(list)
    for line in lines:
        for place, value in zip(line.x, line.y):
            found[place].append(value)
    places = sorted(found)
    if min(map(len, found.values()), default=0) < 2:
        return None
    return Line(
        f"mean at each {axis.name}",
        places,
        [sum(found[place]) / len(found[place]) for place in places],
        about=[f"mean of {len(found[place])} points" for place in places],
        style=-3,
    )


def _line_over(
    compared: Compared, score: Score, axis: Setting, beside: Sequence[Setting], cells: list[list[int]]
) -> Line:
    points: list[tuple[float, float, float, str]] = []
    for runs in sorted(cells, key=lambda runs: axis.values[runs[0]]):
        value = compared.value(score, runs)
        if value is not None and math.isfinite(value.mean):
            sd = value.half if value.seeds > 1 else None
            told = f"{compared.label(runs[0], seed=len(runs) == 1)} (n = {value.seeds})"
            points.append((axis.values[runs[0]], value.mean, sd or 0.0, told))
    return Line(
        " ".join(f"{s.name}={shown(s.values[cells[0][0]])}" for s in beside),
        x=[x for x, _, _, _ in points],
        y=[y for _, y, _, _ in points],
        error=[sd for _, _, sd, _ in points] if any(sd for _, _, sd, _ in points) else None,
        about=[told for _, _, _, told in points],
    )


def _floor(compared: Compared, score: Score, number: int, lines: Sequence[Line]) -> tuple[list[Line], str]:
    """What real images reach under the same protocol: a line across, or, far from the data, words beside them."""
    floor = compared.scores.get(f"{score.name}_floor")
    found = [floor.values[run] for run in score.protocols.members(number) if run in floor.values] if floor else []
    x = [place for line in lines for place in line.x]
    if not found or not x:
        return [], ""
    ends = [
        y + sign * e for line in lines for y, e in zip(line.y, line.error or [0.0] * len(line.y)) for sign in (-1, 1)
    ]
    mean, low, high = sum(found) / len(found), min(ends), max(ends)
    if not 2 * low - high <= mean <= 2 * high - low:  # a line there would press the data flat
        return [], f"; floor {mean:.3g} (real training images), {'below' if mean < low else 'above'} these axes"
    name = f"floor {mean:.3g}: real training images"
    return [Line(name, [min(x), max(x)], [mean, mean], markers=False, style=-1)], ""
