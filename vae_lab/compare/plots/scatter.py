"""Scatter plots of two scores: rate and distortion, and the two objectives of a search with their Pareto front."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from vae_lab.compare.compared import Compared
from vae_lab.compare.plots.drawing import score_label
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import format_setting, sort_key
from vae_lab.figures.plots import PALETTE, Line, Plot, wide


def scatter(compared: Compared, x: Score, y: Score, runs: Sequence[int], title: str) -> Plot | None:
    """Return a plot with one point per run: two of its scores; None if no run has finite values of both.

    The colour shows beta or k2 if one of them varies, else the first numeric setting that varies.
    """
    drawn = [run for run in compared.order if run in set(runs) and run in x.values and run in y.values]
    drawn = [run for run in drawn if math.isfinite(x.values[run]) and math.isfinite(y.values[run])]
    if not drawn:
        return None
    varying = compared.varying(drawn)
    numeric = [s for s in varying if s.numeric]
    colour = next((s for s in numeric if s.name in ("beta", "k2")), numeric[0] if numeric else None)
    groups: dict[float | None, list[int]] = defaultdict(list)
    for run in drawn:
        groups[colour.numbers[run] if colour else None].append(run)
    few = len(groups) <= len(PALETTE)  # points have no dashes, so that only the palette's colours distinguish them
    lines = [
        Line(
            f"{colour.name}={format_setting(value)}" if colour else "runs",
            [x.values[run] for run in members],
            [y.values[run] for run in members],
            about=[compared.label(run, settings=varying) for run in members],
            joined=False,
            shade=None if few else value,
        )
        for value, members in sorted(groups.items(), key=lambda item: sort_key(item[0]))
    ]
    values = [value for value in groups if value is not None]
    return Plot(
        title=title,
        x_label=score_label(compared, x, drawn, False),
        y_label=score_label(compared, y, drawn, False),
        lines=lines,
        subtitle=f"{compared.common(drawn)}; {len(drawn)} runs",
        shade=colour.name if colour and not few else "",
        log_shade=wide(values),
        legend=colour.name if colour else "",
    )


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the Pareto-optimal points, sorted by their first coordinate; lower values are better."""
    best: list[int] = []
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        if not best or points[i][1] < points[best[-1]][1]:
            best.append(i)
    return best


def pareto(compared: Compared, objectives: Sequence[tuple[Score, str]], runs: Sequence[int]) -> Plot | None:
    """Return a plot of the two objectives of a search, with a line through the Pareto-optimal runs.

    Args:
        compared: the runs.
        objectives: two scores, each with ``"min"`` or ``"max"``.
        runs: indices of the runs to draw.

    Returns:
        The plot; None if no run has finite values of both scores.
    """
    (x, x_way), (y, y_way) = objectives
    plot = scatter(compared, x, y, runs, f"{x.name} ({_WAYS[x_way]}) against {y.name} ({_WAYS[y_way]})")
    if plot is None:
        return None
    points = [(a, b, about) for line in plot.lines for a, b, about in zip(line.x, line.y, line.about)]
    signed = [(a if x_way == "min" else -a, b if y_way == "min" else -b) for a, b, _ in points]
    best = [points[i] for i in front(signed)]
    line = Line("Pareto front", [p[0] for p in best], [p[1] for p in best], about=[p[2] for p in best], style=-2)
    return replace(plot, lines=[*plot.lines, line])


_WAYS = {"min": "lower is better", "max": "higher is better"}
