"""Two scores of each run against each other: rate and distortion, the objectives of a search with their front."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from vae_lab.compare.compared import Compared
from vae_lab.compare.plots.drawing import score_label
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import MISSING, ordered, shown
from vae_lab.figures.plots import PALETTE, Line, Plot, wide


def scatter(compared: Compared, x: Score, y: Score, runs: Sequence[int], title: str) -> Plot | None:
    """One point per run: two scores of it; coloured by beta (or k2) where that varies, else by the first number."""
    having = [run for run in compared.order if run in set(runs) and run in x.values and run in y.values]
    having = [run for run in having if math.isfinite(x.values[run]) and math.isfinite(y.values[run])]
    if not having:
        return None
    numbers = [s for s in compared.varying(having) if s.numeric]
    by = next((s for s in numbers if s.name in ("beta", "k2")), numbers[0] if numbers else None)
    groups: dict[float | None, list[int]] = defaultdict(list)
    for run in having:
        groups[by.values[run] if by else None].append(run)
    few, varying = len(groups) <= len(PALETTE), compared.varying(having)  # points have no dashes: more look alike
    found = sorted(groups.items(), key=lambda item: ordered(item[0]))
    lines = [
        Line(
            f"{by.name}={shown(value)}" if by else "runs",
            [x.values[run] for run in members],
            [y.values[run] for run in members],
            about=[compared.label(run, settings=varying) for run in members],
            joined=False,
            shade=None if few or value is MISSING else value,
        )
        for value, members in found
    ]
    values = [value for value in groups if value is not MISSING]
    return Plot(
        title=title,
        x_label=score_label(x, False),
        y_label=score_label(y, False),
        lines=lines,
        subtitle=f"{compared.common(having)}; {len(having)} runs",
        shade=by.name if by and not few else "",
        log_shade=wide(values),
        legend=by.name if by else "",
    )


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points that no other beats in both coordinates, less being better, from left to right."""
    found: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        if not found or points[i][1] < points[found[-1]][1]:
            found.append(i)
    return found


def pareto(compared: Compared, ends: Sequence[tuple[Score, str]], runs: Sequence[int]) -> Plot | None:
    """Two objectives of a sweep against each other, with the runs that no other beats in both joined by a line."""
    (x, x_way), (y, y_way) = ends
    plot = scatter(compared, x, y, runs, f"{x.name} ({_WAYS[x_way]}) against {y.name} ({_WAYS[y_way]})")
    if plot is None:
        return None
    points = [(a, b, told) for line in plot.lines for a, b, told in zip(line.x, line.y, line.about)]
    signed = [(a if x_way == "min" else -a, b if y_way == "min" else -b) for a, b, _ in points]
    best = [points[i] for i in front(signed)]
    line = Line("Pareto front", [p[0] for p in best], [p[1] for p in best], about=[p[2] for p in best], style=-2)
    return _with_line(plot, line)


_WAYS = {"min": "lower is better", "max": "higher is better"}


def _with_line(plot: Plot, line: Line) -> Plot:
    return replace(plot, lines=[*plot.lines, line])
