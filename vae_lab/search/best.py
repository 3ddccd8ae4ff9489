"""The best trials of a search as a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from optuna import Study

_ROWS = 10


def table(study: "Study", aims: Sequence[tuple[str, str]]) -> Table | None:
    """Return the best trials of a study as a table; None if no trial is complete.

    With one aim, the best trial comes first. With several aims, the trials of the Pareto front come first; they are
    marked with ★.

    Args:
        study: the study, with one objective per aim.
        aims: the scores, each with 'min' or 'max'.
    """
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    distinct = list({tuple(trial.params.items()): trial for trial in trials}.values())
    if not distinct:
        return None
    several = len(aims) > 1
    sign = 1 if aims[0][1] == "min" else -1
    front = {trial.number for trial in study.best_trials}
    best = {tuple(trial.params.items()) for trial in trials if trial.number in front}
    marked = [tuple(trial.params.items()) in best for trial in distinct]
    rows = sorted(zip(distinct, marked), key=lambda row: (several and not row[1], sign * row[0].values[0]))
    shown = Table(title=_title(marked, aims), title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for name in ("", *distinct[0].params, *(f"{score} ({way})" for score, way in aims)):
        shown.add_column(name, justify="right")
    for trial, mark in rows[:_ROWS]:
        cells = [*(_cell(value) for value in trial.params.values()), *(f"{value:.5g}" for value in trial.values)]
        shown.add_row("★" if mark else "", *cells, style="bold" if mark else None)
    return shown


def _title(marked: list[bool], aims: Sequence[tuple[str, str]]) -> str:
    shown = f"; {_ROWS} shown" if len(marked) > _ROWS else ""
    if len(aims) == 1:
        on_test = ", chosen on the test set" if aims[0][0].startswith("test/") else ""
        return f"Best of {len(marked)} trials by {aims[0][0]}{on_test}{shown}"
    return f"Pareto front (★): {sum(marked)} of {len(marked)} trials, which no other trial beats in all scores{shown}"


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
