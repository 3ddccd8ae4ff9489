"""Which runs are the best: they are chosen by scores of validation images where there are any.

The best of many runs by a test score looks better than it is, because the choice fits the test images. A score is
therefore ranked by the same score of the validation set, ``fid`` by ``val/fid``, if every run that has it has both.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from vae_lab.compare.compared import Compared
from vae_lab.compare.scores import VALIDATION, Score

BEST = "▸"


def chosen_by(compared: Compared, score: Score) -> Score:
    """Return the score by which the best value of a score is chosen: that of the validation set, or itself."""
    twin = compared.scores.get(f"{VALIDATION}{score.name}")
    return twin if twin and twin.better and score.values.keys() <= twin.values.keys() else score


def best_of(compared: Compared, score: Score, rows: Sequence[Sequence[int]]) -> set[int]:
    """Return the places of the rows that are the best within their protocol.

    Args:
        compared: the runs.
        score: the score whose best value is wanted.
        rows: the runs of each row, whose mean is ranked.
    """
    by = chosen_by(compared, score)
    comparable: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    for place, runs in enumerate(rows):
        value, reason = compared.value(score, runs), compared.value(by, runs)
        if value and reason:
            comparable[value.protocol, reason.protocol][place] = reason.mean
    return {place for values in comparable.values() for place in by.best(values)}


def best_cells(compared: Compared, score: Score) -> set[tuple[int, ...]]:
    """Return the runs of each cell whose mean is the best within its protocol."""
    cells = [cell.runs for cell in compared.cells]
    return {cells[place] for place in best_of(compared, score, cells)}


def ranking(compared: Compared, score: Score) -> Callable[[Sequence[int]], tuple[int, int, float]]:
    """Return a sort key of rows of runs that puts the best one first within each protocol, and rows without it last."""
    by = chosen_by(compared, score)

    def key(runs: Sequence[int]) -> tuple[int, int, float]:
        value, reason = compared.value(score, runs), compared.value(by, runs)
        if value is None or reason is None:
            return len(score.protocols), 0, 0.0
        return value.protocol, reason.protocol, by.rank(reason.mean)

    return key


def first_ranked(compared: Compared) -> Score | None:
    """Return the first shown score that has a better direction, by which rows are sorted; None if there is none."""
    return next((score for name in compared.show if (score := compared.scores[name]).better), None)


def how_marked(compared: Compared, names: Sequence[str], mark: str = BEST) -> str:
    """Return a sentence that says by which scores the best values of these scores are marked."""
    ranked = [compared.scores[name] for name in names if compared.scores[name].better]
    if not ranked:
        return "No value is marked as the best, because none of these scores has a better direction"
    by = {score.name: chosen_by(compared, score).name for score in ranked}
    on_validation = [f"{name} by {other}" for name, other in by.items() if other != name]
    on_test = [name for name, other in by.items() if other == name and not name.startswith(VALIDATION)]
    parts = [", ".join(on_validation)] if on_validation else []
    none = [name for name in on_test if f"{VALIDATION}{name}" not in compared.scores]
    for some, which in ((none, "no run has"), ([n for n in on_test if n not in none], "not every run has")):
        if some:
            lacking = ", ".join(f"{VALIDATION}{name}" for name in some)
            parts.append(f"{', '.join(some)} by the test score itself, because {which} {lacking}")
    return f"{mark} marks the best value within its protocol{': ' if parts else ''}{'; '.join(parts)}"


def missing_validation(compared: Compared, names: Sequence[str]) -> str:
    """Return a sentence that says which metrics compute the validation scores that no run has; empty if none does."""
    lacking = [name for name in names if f"{VALIDATION}{name}" not in compared.scores and compared.scores[name].better]
    wanted = {metric: name for name in reversed(lacking) for metric in [_COMPUTED_BY.get(name)] if metric}
    if not wanted:
        return ""
    listed = " and ".join(f"{VALIDATION}{name}" for name in wanted.values())
    return f"metrics=[fast,{','.join(wanted)}] computes {listed}"


_COMPUTED_BY = {"fid": "val_fid", "elbo": "val_loss_terms"}  # score -> the metric of its validation images
