"""Prints the comparison as a table: the settings that differ, and as many scores as fit the terminal's width."""

import re
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from vae_lab.compare.averages import means_over_tasks
from vae_lab.compare.choosing import BEST, best_cells, first_ranked, how_marked, missing_validation, ranking
from vae_lab.compare.compared import Compared, Value
from vae_lab.compare.protocols import letter
from vae_lab.compare.scores import LAST_LOSS, Score
from vae_lab.compare.settings import Setting, format_setting
from vae_lab.report.rounding import with_error

ROWS, LISTED = 40, 5  # most rows of the table, and most entries of a list below it
SCORE, NAME = 26, 12  # characters reserved for scores, however many settings differ, and for names of runs
Best = dict[str, set[tuple[int, ...]]]  # score -> the runs of the rows that are marked
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # characters that a terminal obeys, e.g. by moving its cursor


def print_table(console: Console, compared: Compared) -> None:
    """Print the table, best rows first, and below it what is left out, not comparable, unfinished or damaged."""
    scores = [compared.scores[name] for name in compared.show]
    cells = _ordered(compared)
    best: Best = {score.name: best_cells(compared, score) for score in scores}
    settings, fits = fitting(console.width, compared, scores, cells[:ROWS], best)
    seeds = any(len(cell) > 1 for cell in cells)
    title = f"{format_runs(len(compared.records))}{'' if cells else ', none of them finished'}"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for setting in settings:
        justify: JustifyMethod = "right" if setting.numeric else "left"
        table.add_column(escape(visible(setting.name)), justify=justify, no_wrap=setting.numeric, overflow="fold")
    if not settings:
        table.add_column("run", overflow="fold")  # names are wrapped, so that numbers stay complete
    if seeds:
        table.add_column("seeds", justify="right", no_wrap=True)
    for score in fits:
        table.add_column(escape(visible(score.name)), justify="right", no_wrap=True)
    for cell in cells[:ROWS]:
        names = [escape(visible(text)) for text in _names(compared, settings, cell)]
        count = [_count(compared, cell)] if seeds else []
        table.add_row(*names, *count, *(cell_text(compared, score, cell, best) for score in fits))
    if cells:
        console.print(table)
    else:
        console.print(title, style="bold")
    for note in _notes(compared, scores, settings, fits, cells, best) if cells else []:
        console.print(visible(note), style="dim", markup=False, highlight=False, soft_wrap=True)
    for line in [*_unfinished(compared), *_partly_damaged(compared), *_run_notes(compared)]:
        console.print(visible(line), style="bold yellow", markup=False, highlight=False, soft_wrap=True)


def visible(text: str) -> str:
    """Return a text of a run without control characters."""
    return _CONTROL.sub("�", text)


def format_runs(n: int) -> str:
    """Return a number of runs in words: ``1 run``, ``2 runs``."""
    return f"{n} run{'' if n == 1 else 's'}"


def _names(compared: Compared, settings: Sequence[Setting], cell: Sequence[int]) -> list[str]:
    return [format_setting(s.values[cell[0]]) for s in settings] or [compared.label_of(cell)]


def _count(compared: Compared, cell: Sequence[int]) -> str:
    """The number of seeds, and the number of runs that share a seed with another, because they count as one run."""
    duplicates = sum(len(equal) for equal in compared.duplicates(cell))
    return str(len({compared.seed(run) for run in cell})) + (f" ({duplicates} equal runs)" if duplicates else "")


def _ordered(compared: Compared) -> list[tuple[int, ...]]:
    """The finished cells, sorted by the first score that has a better direction, best first."""
    cells = [cell.runs for cell in compared.cells if compared.records[cell.runs[0]].finished]
    score = first_ranked(compared)
    return sorted(cells, key=ranking(compared, score)) if score else cells


def cell_text(compared: Compared, score: Score, runs: Sequence[int], best: Best) -> str:
    """Return the value of a score for the runs of a row, with its mark and the letter of its protocol."""
    value = compared.value(score, runs)
    if value is None:
        return "several protocols" if compared.mixed(score, runs) else "–"
    mark = f"{BEST} " if tuple(runs) in best[score.name] else ""
    return f"{mark}{format_score(value)}{footnote(score, value)}"


def format_score(value: Value) -> str:
    """Return a score with its spread over seeds, or with half of its interval, and rounded to it: ``12.3 ± 0.4``."""
    mean, spread = with_error(value.mean, value.spread)
    return f"{mean} ± {spread}" if spread else mean


def has_spread(compared: Compared, scores: Sequence[Score], cells: Sequence[Sequence[int]]) -> bool:
    """Whether a value of these scores in these rows is shown with ±."""
    values = [compared.value(score, tuple(runs)) for score in scores for runs in cells]
    return any(value is not None and value.spread is not None for value in values)


def footnote(score: Score, value: Value) -> str:
    """Return the letter of the value's protocol, after a space; empty if the score has only one protocol."""
    return f" {letter(value.protocol)}" if len(score.protocols) > 1 else ""


def fitting(
    width: int, compared: Compared, scores: Sequence[Score], cells: Sequence[tuple[int, ...]], best: Best
) -> tuple[list[Setting], list[Score]]:
    """Return the settings and scores that fit the width, at least one of each.

    Settings take precedence, because rows cannot be distinguished without them, but leave room for some scores.

    Args:
        width: the number of columns of the terminal that are left for them.
        compared: the runs.
        scores: the scores to choose from.
        cells: the runs of each row.
        best: which values are marked.
    """
    left = width - 2
    if any(len(cell) > 1 for cell in cells):
        left -= 3 + max(len("seeds"), *(len(_count(compared, cell)) for cell in cells))
    settings: list[Setting] = []
    chosen: list[Score] = []
    if not compared.settings:
        left -= max(min(left - SCORE, 3 + max((len(compared.label_of(cell)) for cell in cells), default=0)), NAME)
    for setting in compared.settings:
        needed = 3 + max([len(setting.name), *(len(format_setting(setting.values[cell[0]])) for cell in cells)])
        if not settings or left - needed >= SCORE:
            settings.append(setting)
            left -= needed
    for score in scores:
        needed = 3 + max([len(score.name), *(len(cell_text(compared, score, cell, best)) for cell in cells)])
        if not chosen or left - needed >= 0:
            chosen.append(score)
            left -= needed
    return settings, chosen


def _notes(
    compared: Compared, scores: Sequence[Score], settings: Sequence[Setting], fits: Sequence[Score],
    cells: Sequence[tuple[int, ...]], best: Best,
) -> list[str]:  # fmt: skip
    notes = [*_legend(compared, fits, cells, best), *means_over_tasks(compared, scores)]
    duplicates = [equal for cell in cells for equal in compared.duplicates(cell)]
    if duplicates:
        names = [" = ".join(compared.records[run].name for run in equal) for equal in duplicates]
        notes.append(f"runs with equal settings and the same seed count as one run, with their mean: "
                     f"{', '.join(names[:LISTED])}{', …' if len(names) > LISTED else ''}")  # fmt: skip
    rows = len(cells)
    left = [s.name for s in compared.settings if s not in settings] + [s.name for s in scores if s not in fits]
    rest = len(compared.scores) - len(scores)
    more = [*left, *([f"{rest} further score{'s' if rest > 1 else ''}"] if rest else []),
            *([f"{rows - ROWS} row{'s' if rows > ROWS + 1 else ''}"] if rows > ROWS else [])]  # fmt: skip
    if more:
        notes.append(f"not shown here, but in compare.html and summary.csv: {', '.join(more)}")
    for score in fits:
        if len(score.protocols) > 1:
            labels = [score.protocols.label(n) for n in range(len(score.protocols))]
            listed = labels[:LISTED] + (["…"] if len(labels) > LISTED else [])
            notes.append(f"{score.name} was measured under {len(labels)} protocols, whose values are not comparable: "
                         f"{'; '.join(listed)}")  # fmt: skip
    return notes


def _legend(compared: Compared, fits: Sequence[Score], cells: Sequence[tuple[int, ...]], best: Best) -> list[str]:
    """What ▸ and ± mean, as far as the table has them, and that no score was computed if that is so."""
    names = [score.name for score in fits]
    marked = any(best[name] for name in names)
    legend = [how_marked(compared, names)] if marked else []
    if names in ([], [LAST_LOSS]):
        legend = ["no score was computed (metrics=none)" + (", and the loss is that of metrics.csv" if names else "")]
    if has_spread(compared, fits, cells[:ROWS]):
        interval = "half of the 95 % interval"
        several = any(len(cell) > 1 for cell in cells)
        spread = f"the standard deviation over seeds, for a single run {interval}" if several else interval
        legend.append(f"± is {spread}")
    advice = missing_validation(compared, names) if marked else ""
    return [line for line in ("; ".join(legend), advice) if line]


def _run_notes(compared: Compared) -> list[str]:
    """The notes that the runs saved, e.g. that the posterior collapsed; each sentence appears once."""
    names: dict[str, list[str]] = {}
    for record in compared.records:
        for note in record.notes:
            names.setdefault(note, []).append(record.name)
    lines = [f"{runs[0]}{f' and {len(runs) - 1} more' if len(runs) > 1 else ''}: {note}"
             for note, runs in names.items()]  # fmt: skip
    return lines[:LISTED] + ([f"{len(lines) - LISTED} more notes are in compare.html"] if len(lines) > LISTED else [])


def _partly_damaged(compared: Compared) -> list[str]:
    """The finished runs that have a file which could not be read."""
    damaged = [record for record in compared.records if record.finished and record.reason]
    lines = [f"{record.path}: {record.status_text}" for record in damaged[:LISTED]]
    more = len(damaged) - LISTED
    return lines + ([f"{more} more finished run{'s have' if more > 1 else ' has'} damaged files"] if more > 0 else [])


def _unfinished(compared: Compared) -> list[str]:
    unfinished = [record for record in compared.records if not record.finished]
    lines = [f"✗ {record.path}: {record.status_text}" for record in unfinished[:LISTED]]
    more = len(unfinished) - LISTED
    return lines + ([f"✗ {more} more run{'s have' if more > 1 else ' has'} no scores"] if more > 0 else [])
