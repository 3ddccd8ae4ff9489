"""Heat maps of the runs, and the labels of all plots; a plot never mixes runs that are not comparable."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable

from vae_lab.compare.compared import Compared
from vae_lab.compare.protocols import data_of
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import Setting, format_setting, others
from vae_lab.figures.plots import HeatMap, Plot

LINES = 12  # with more lines than this, which no reader can distinguish, a plot shows single points
STYLES = 24  # combinations of colour and dash that a reader can distinguish
# A number of nats is a threshold and not the unit.
_UNIT = re.compile(r"(?<!\d )(?:nats per \w+|sum of squared errors per \w+|nats|bits per \w+)")


def heat_map(compared: Compared, score: Score, x: Setting, y: Setting, number: int) -> Plot | None:
    """Return a heat map of a score over two numeric settings: the mean of the runs of each pair of values.

    Args:
        compared: the runs.
        score: the score that the colour shows.
        x: the setting on the x axis.
        y: the setting on the y axis.
        number: the protocol whose runs are drawn.

    Returns:
        The plot; None if the runs under the protocol have fewer than two values of one of the settings.
    """
    cells: dict[tuple[float, float], list[float]] = defaultdict(list)
    for run in score.protocols.members(number):
        a, b = x.numbers[run], y.numbers[run]
        if a is not None and b is not None and math.isfinite(score.values[run]):
            cells[a, b].append(score.values[run])
    xs, ys = sorted({a for a, _ in cells}), sorted({b for _, b in cells})
    if len(xs) < 2 or len(ys) < 2:
        return None
    averaged = [s.name for s in others([x, y], compared.varying(score.protocols.members(number)))]
    addition = f"; averaged over other settings: {', '.join(averaged)}" if averaged else ""
    counts = sorted({len(values) for values in cells.values()})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return Plot(
        title=f"{score.name}: mean of {n} run{'s' if counts[-1] > 1 else ''} per cell",
        x_label=axis_label(x.name),
        y_label=axis_label(y.name),
        heat_map=HeatMap(
            [format_setting(a) for a in xs],
            [format_setting(b) for b in ys],
            [[_mean(cells.get((a, b))) for a in xs] for b in ys],
            score_label(compared, score, score.protocols.members(number), False),
            [[f"n = {len(cells.get((a, b), []))}" for a in xs] for b in ys],
        ),
        subtitle=subtitle(compared, score, number) + addition,
    )


def group_comparable(compared: Compared, runs: Iterable[int]) -> dict[str, list[int]]:
    """Group runs by dataset and likelihood, because nats per example are comparable only within such a group.

    Returns:
        Name of the group -> its runs; the largest group comes first.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    names: dict[str, str] = {}
    for run in runs:
        config = compared.records[run].config
        likelihood = (config.get("choices") or {}).get("likelihood") or (config.get("likelihood") or {}).get("_target_")
        data = data_of(config)
        key = f"{data} {likelihood}"
        name = ", ".join(str(part) for part in (data["dataset"], data["binarize"], likelihood) if part) or "unknown"
        taken = [other for other, its_name in names.items() if its_name == name and other != key]
        names.setdefault(key, f"{name} ({len(taken) + 1})" if taken else name)
        groups[key].append(run)
    return {names[key]: members for key, members in sorted(groups.items(), key=lambda item: -len(item[1]))}


def _mean(values: list[float] | None) -> float | None:
    return sum(values) / len(values) if values else None


def axis_label(name: str) -> str:
    """Return the label of a setting's axis: its name, for some settings with a short explanation."""
    return {"k1/(k1+k2)": "share of reconstruction k1/(k1+k2)", "beta": "beta (weight of the KL term)",
            "epochs": "epochs of training", "lr": "learning rate"}.get(name, name)  # fmt: skip


def example_of(compared: Compared, runs: Iterable[int]) -> str:
    """Return the word for one example of the runs' data: ``image``; ``example`` if they differ or none says it."""
    words = {word for run in runs if (word := compared.records[run].one)}
    return words.pop() if len(words) == 1 else "example"


def score_label(compared: Compared, score: Score, runs: Iterable[int], spread: bool) -> str:
    """Return the label of a score's axis: its name and unit.

    Args:
        compared: the runs.
        score: the score.
        runs: the runs that are drawn.
        spread: whether the plot has error bars, which the label then explains.
    """
    unit = _unit_of(compared, score, runs)
    return f"{score.name}{', ' if unit else ''}{unit}" + (" (mean ± sd over seeds)" if spread else "")


def _unit_of(compared: Compared, score: Score, runs: Iterable[int]) -> str:
    """The unit that the runs' own meanings of a score name, or that of other runs; empty if there is none."""
    meanings = [compared.records[run].meanings.get(score.stored, "") for run in runs]
    units = list(dict.fromkeys(found[0] for text in meanings if (found := _UNIT.search(text))))
    if not units:
        found = _UNIT.search(score.meaning)
        return found[0] if found else ""
    return units[0] if len(units) == 1 else re.sub(r"(nats|errors) per \w+", r"\1 per example", units[0])


def subtitle(compared: Compared, score: Score, number: int) -> str:
    """Return the better direction of a score, the settings that the runs under a protocol share, and their number."""
    way = f"{score.better} is better; " if score.better else ""
    protocol = f"; protocol {score.protocols.label(number)}" if len(score.protocols) > 1 else ""
    members = score.protocols.members(number)
    return f"{way}{compared.common(members)}; {len(members)} runs{protocol}"
