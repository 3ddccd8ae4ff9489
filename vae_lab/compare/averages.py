"""Means of scores over settings that only choose a task, such as the class of a one-class protocol."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

from vae_lab.compare.compared import Compared
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import MISSING, format_setting
from vae_lab.report.rounding import with_error

TASKS = {"dataset.keep": "classes"}  # setting -> what its values are


def means_over_tasks(compared: Compared, scores: Sequence[Score]) -> Iterator[str]:
    """Yield a sentence with the mean and the standard deviation of each score over the tasks, for runs alike otherwise:
    ``mean ± standard deviation over 10 classes (dataset.keep): ood_auroc_other_classes_elbo 0.94 ± 0.05``.
    """
    for setting in compared.settings:
        if setting.name not in TASKS:
            continue
        others = [other for other in compared.settings if other is not setting]
        groups: dict[tuple[str, ...], list[tuple[int, ...]]] = defaultdict(list)
        for cell in compared.cells:
            finished = compared.records[cell.runs[0]].finished and setting.values[cell.runs[0]] is not MISSING
            if finished:
                groups[tuple(format_setting(other.values[cell.runs[0]]) for other in others)].append(cell.runs)
        for values, cells in groups.items():
            texts = [text for score in scores if (text := _mean(compared, score, cells))]
            if len(cells) > 1 and texts:
                alike = "".join(f", {other.name}={value}" for other, value in zip(others, values))
                tasks = f"{len(cells)} {TASKS[setting.name]} ({setting.name}{alike})"
                yield f"mean ± standard deviation over {tasks}: {', '.join(texts)}"


def _mean(compared: Compared, score: Score, cells: Sequence[tuple[int, ...]]) -> str:
    """The mean of a score over cells and its standard deviation; empty unless all of them have it."""
    found = [compared.value(score, runs) for runs in cells]
    means = [value.mean for value in found if value is not None]
    if len(means) < len(cells) or len(means) < 2:
        return ""
    mean, spread = with_error(fmean(means), stdev(means))
    return f"{score.name} {mean} ± {spread}"
