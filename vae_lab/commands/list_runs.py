"""``vae-lab list``: a row for each run with its state, the settings that differ, and its scores."""

import sys
from collections import Counter
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vae_lab.compare.choosing import best_of, how_marked
from vae_lab.compare.compared import Compared
from vae_lab.compare.folders import resolve, run_folders
from vae_lab.compare.reading import INTERRUPTED, Record, read
from vae_lab.compare.settings import format_setting
from vae_lab.compare.views.table import cell_text, fitting, format_runs, visible
from vae_lab.config.node import Node
from vae_lab.config.schema import ListConfig, check
from vae_lab.runs.state import is_in_use

UNLIMITED = 10_000  # columns where the output is not a terminal, so that a run stays on one line for grep
SEED = 8  # columns of the terminal that are left for the seed
RUNNING = "running"


def list_runs(config: Node) -> None:
    """Print the runs in or below the folders.

    Raises:
        UserError: a folder does not exist, or a score is unknown.
    """
    settings = check(ListConfig, config)
    console = Console(width=None if sys.stdout.isatty() else UNLIMITED)
    folders, _ = run_folders(resolve(settings.runs, "list"))
    if not folders:
        console.print(f"No runs in or below {', '.join(settings.runs)}", markup=False, highlight=False)
        return
    compared = Compared([read(folder) for folder in folders], settings.show)
    states = [_state(record) for record in compared.records]
    table, left_out, shown = _table(console.width, compared, states)
    console.print(table)
    counts = ", ".join(f"{n} {state}" for state, n in Counter(state.split()[0] for state in states).items())
    notes = [f"{format_runs(len(folders))}: {counts}", how_marked(compared, shown)]
    notes += [f"not shown here: {', '.join(left_out)}; type show=[<score>], or widen the terminal"] if left_out else []
    for note in notes:
        console.print(visible(note), style="dim", markup=False, highlight=False, soft_wrap=True)


def _state(record: Record) -> str:
    """``finished``, ``running``, ``interrupted``, ``failed`` or ``damaged``, with how far an unfinished run has got."""
    if record.status != INTERRUPTED:
        return record.status
    state = RUNNING if is_in_use(record.path) else record.status
    return f"{state} {len(record.history)}/{record.config.get('epochs', '?')}"


def _table(width: int, compared: Compared, states: list[str]) -> tuple[Table, list[str], list[str]]:
    """The table, what does not fit it, and the names of the scores that do."""
    rows: list[tuple[int, ...]] = [(run,) for run in range(len(states))]
    scores = [compared.scores[name] for name in compared.show]
    best = {score.name: {rows[place] for place in best_of(compared, score, rows)} for score in scores}
    names = [visible(str(_relative(record.path))) for record in compared.records]
    room = min(max(map(len, names)), max(24, width // 3))
    settings, fits = fitting(width - room - max(map(len, states)) - SEED, compared, scores, rows, best)
    table = Table(box=SIMPLE_HEAD)
    table.add_column("run", overflow="fold", max_width=room)
    table.add_column("state", no_wrap=True)
    for setting in settings:
        table.add_column(escape(visible(setting.name)), justify="right" if setting.numeric else "left", no_wrap=True)
    if compared.seeded:
        table.add_column("seed", justify="right", no_wrap=True)
    for score in fits:
        table.add_column(escape(visible(score.name)), justify="right", no_wrap=True)
    for (run,), name, state in zip(rows, names, states):
        values = [format_setting(setting.values[run]) for setting in settings]
        values += [format_setting(compared.seed(run))] if compared.seeded else []
        cells = [cell_text(compared, score, (run,), best) for score in fits]
        table.add_row(*(escape(visible(text)) for text in (name, state, *values, *cells)))
    left = [s.name for s in compared.settings if s not in settings] + [s.name for s in scores if s not in fits]
    return table, left, [score.name for score in fits]


def _relative(path: Path) -> Path:
    """The path as the user can type it in this folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
