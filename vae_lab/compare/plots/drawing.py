"""What the runs' plots show, as data; each set of axes holds runs that compare, and no others."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from vae_lab.compare.compared import Compared
from vae_lab.compare.protocols import data_of
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import MISSING, Setting, others, shown
from vae_lab.figures.plots import HeatMap, Line, Plot, wide

LINES = 12  # more than these no eye tells apart: single points then
STYLES = 24  # sets of runs that colours and dashes tell apart
POINTS = 300  # epochs of a curve that are drawn
_UNITS = ("nats per image", "sum of squared errors per image", "nats", "bits per value", "bits per pixel")


def heat_map(compared: Compared, score: Score, x: Setting, y: Setting, number: int) -> Plot | None:
    """A score over two settings; the mean of the runs of each pair, whatever else varies."""
    cells: dict[tuple, list[float]] = defaultdict(list)
    for run in score.protocols.members(number):
        if MISSING not in (x.values[run], y.values[run]) and math.isfinite(score.values[run]):
            cells[x.values[run], y.values[run]].append(score.values[run])
    xs, ys = sorted({a for a, _ in cells}), sorted({b for _, b in cells})
    if len(xs) < 2 or len(ys) < 2:
        return None
    beside = [s.name for s in others([x, y], compared.varying(score.protocols.members(number)))]
    spread = f"; also varied and averaged over: {', '.join(beside)}" if beside else ""
    counts = sorted({len(found) for found in cells.values()})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return Plot(
        title=f"{score.name}: mean of {n} run{'s' if counts[-1] > 1 else ''} per cell",
        x_label=axis_label(x.name),
        y_label=axis_label(y.name),
        heat_map=HeatMap(
            [shown(a) for a in xs],
            [shown(b) for b in ys],
            [[_mean(cells.get((a, b))) for a in xs] for b in ys],
            score_label(score, False),
            [[f"n = {len(cells.get((a, b), []))}" for a in xs] for b in ys],
        ),
        subtitle=subtitle(compared, score, number) + spread,
    )


def curves(compared: Compared, column: str, runs: Sequence[int]) -> Plot | None:
    """A column of metrics.csv over the epochs, one line per run; runs that differ in the seed look alike."""
    having = [run for run in compared.order if run in set(runs) and _curve(compared, run, column)]
    if not having:
        return None
    place = {run: i for i, cell in enumerate(compared.cells) for run in cell.runs}
    styles = {number: i for i, number in enumerate(dict.fromkeys(place[run] for run in having))}
    axis = next(iter(compared.axes), None) if len(styles) > STYLES else None
    varying, lines = compared.varying(having), []
    for run in having:
        points = _curve(compared, run, column)
        x, y = [epoch for epoch, _ in points], [value for _, value in points]
        status = "" if compared.records[run].finished else f" ({compared.records[run].status})"
        shade = axis.values[run] if axis else None
        label = compared.label(run, settings=varying) + status
        lines.append(Line(label, x, y, run=run, style=styles[place[run]], shade=shade, markers=len(points) < 3,
                          faint=axis is not None))  # fmt: skip
    term = column.partition("/")[2]
    return Plot(
        title=f"{column} per epoch",
        x_label="epoch",
        y_label=f"{column}, nats per image" if term in ("loss", "recon", "kl", "elbo") else column,
        lines=lines,
        subtitle=f"{compared.common(having)}; {len(lines)} runs",
        shade=axis.name if axis else "",
        log_shade=bool(axis and wide([line.shade for line in lines if line.shade is not None])),
        legend=", ".join(s.name for s in varying),
    )


def _curve(compared: Compared, run: int, column: str) -> list[tuple[float, float]]:
    rows = [(row["epoch"] + 1, row[column]) for row in compared.records[run].history if column in row]
    rows = [row for row in rows if math.isfinite(row[1])]
    step = -(-len(rows) // POINTS) or 1
    return rows[::step] if not rows or rows[-1] in rows[::step] else [*rows[::step], rows[-1]]


def alike(compared: Compared, runs: Iterable[int]) -> dict[str, list[int]]:
    """Runs by dataset and likelihood: only within these do nats per image compare."""
    found: dict[str, list[int]] = defaultdict(list)
    names: dict[str, str] = {}
    for run in runs:
        config = compared.records[run].config
        likelihood = (config.get("choices") or {}).get("likelihood") or (config.get("likelihood") or {}).get("_target_")
        data = data_of(config)
        key = f"{data} {likelihood}"
        name = ", ".join(str(part) for part in (data["dataset"], data["binarize"], likelihood) if part) or "unknown"
        taken = [other for other, told in names.items() if told == name and other != key]
        names.setdefault(key, f"{name} ({len(taken) + 1})" if taken else name)
        found[key].append(run)
    return {names[key]: members for key, members in sorted(found.items(), key=lambda item: -len(item[1]))}


def _mean(values: list[float] | None) -> float | None:
    return sum(values) / len(values) if values else None


def axis_label(name: str) -> str:
    """A setting's name, with what it is where that is short."""
    return {"k1/(k1+k2)": "share of reconstruction k1/(k1+k2)", "beta": "beta (weight of the KL term)",
            "epochs": "epochs of training", "lr": "learning rate"}.get(name, name)  # fmt: skip


def score_label(score: Score, spread: bool) -> str:
    """A score's name with its unit, for an axis; ``spread``: bars are drawn."""
    unit = next((f", {unit}" for unit in _UNITS if unit in score.meaning), "")
    return f"{score.name}{unit}" + (" (mean ± sd over seeds)" if spread else "")


def subtitle(compared: Compared, score: Score, number: int) -> str:
    """Which way is better, what the runs share, how many they are and under which protocol."""
    way = f"{score.better} is better; " if score.better else ""
    protocol = f"; protocol {score.protocols.label(number)}" if len(score.protocols) > 1 else ""
    members = score.protocols.members(number)
    return f"{way}{compared.common(members)}; {len(members)} runs{protocol}"
