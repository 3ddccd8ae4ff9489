"""Loss curves: a line per run, or the mean over seeds with a band of one standard deviation."""

import math
from collections.abc import Sequence

from vae_lab.compare.compared import Compared
from vae_lab.compare.plots.drawing import STYLES, example_of
from vae_lab.compare.scores import over_seeds
from vae_lab.figures.plots import Line, Plot, wide

POINTS = 300  # epochs of a curve that are drawn

_Curve = dict[float, tuple[float, float]]  # epoch -> value and standard deviation over seeds


def curves(compared: Compared, column: str, runs: Sequence[int], averaged: bool) -> Plot | None:
    """Return a plot of a column of metrics.csv over the epochs; None if no run has the column.

    Args:
        compared: the runs.
        column: the column.
        runs: indices of the runs to draw.
        averaged: draw one line for the runs that differ only in their seed, with a band, instead of one for each. Their
            mean is drawn over the epochs that all of them have.
    """
    cells = [[run for run in cell.runs if run in set(runs)] for cell in compared.cells]
    rows = cells if averaged else [[run] for run in compared.order if run in set(runs)]
    drawn = [(row, curve) for row in rows if row and (curve := _curve(compared, row, column))]
    if not drawn:
        return None
    place = {run: i for i, cell in enumerate(cells) for run in cell}
    styles = {number: i for i, number in enumerate(dict.fromkeys(place[row[0]] for row, _ in drawn))}
    axis = next(iter(compared.axes), None) if len(styles) > STYLES else None
    among = [run for row, _ in drawn for run in row]
    varying, lines = compared.varying(among), []
    for row, curve in drawn:
        status = "" if compared.records[row[0]].finished else f" ({compared.records[row[0]].status})"
        several = f" (mean of {len(row)} runs)" if len(row) > 1 else ""
        band = [sd for _, sd in curve.values()] if several and not axis else None
        name = compared.label_of(row, varying) if several else compared.label(row[0], settings=varying)
        label = name + several + status
        lines.append(Line(label, [*curve], [value for value, _ in curve.values()], band=band, runs=tuple(row),
                          style=styles[place[row[0]]], shade=axis.numbers[row[0]] if axis else None,
                          markers=len(curve) < 3, faint=axis is not None))  # fmt: skip
    bands = "; bands: mean ± sd over seeds" if any(line.band for line in lines) else ""
    return Plot(
        title=f"{column} per epoch",
        x_label="epoch",
        y_label=_label(compared, column, among),
        lines=lines,
        subtitle=f"{compared.common(among)}; {len(among)} runs{bands}",
        shade=axis.name if axis else "",
        log_shade=bool(axis and wide([line.shade for line in lines if line.shade is not None])),
        legend=", ".join(s.name for s in varying),
    )


def _label(compared: Compared, column: str, runs: Sequence[int]) -> str:
    in_nats = column.partition("/")[2] in ("loss", "recon", "kl", "elbo")
    return f"{column}, nats per {example_of(compared, runs)}" if in_nats else column


def _curve(compared: Compared, runs: Sequence[int], column: str) -> _Curve:
    """The curve of one run, or the mean over several at the epochs that all of them have."""
    values = {run: _values(compared, run, column) for run in runs}
    common = [epoch for epoch in values[runs[0]] if all(epoch in of_run for of_run in values.values())]
    step = -(-len(common) // POINTS) or 1
    chosen = common[::step] if not common or common[-1] in common[::step] else [*common[::step], common[-1]]
    curve = {}
    for epoch in chosen:
        mean, sd, _ = over_seeds((compared.seed(run) or 0, of_run[epoch]) for run, of_run in values.items())
        curve[epoch] = mean, sd or 0.0
    return curve


def _values(compared: Compared, run: int, column: str) -> dict[float, float]:
    rows = ((row["epoch"], row[column]) for row in compared.records[run].history if column in row)
    return {epoch: value for epoch, value in rows if math.isfinite(value)}
