"""``vae-lab list``: a line for each run, newest first, with its state, the settings that differ, and its scores."""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vae_lab.compare.choosing import BEST, best_of, how_marked
from vae_lab.compare.compared import Compared
from vae_lab.compare.folders import resolve, run_folders
from vae_lab.compare.reading import DAMAGED, FAILED, INTERRUPTED, Record, read
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import format_setting
from vae_lab.compare.views.table import format_runs, visible
from vae_lab.config.node import Node
from vae_lab.config.schema import check
from vae_lab.config.settings import ListConfig
from vae_lab.report.rounding import with_error
from vae_lab.runs.content import CONFIG
from vae_lab.runs.state import is_in_use

RUNNING = "running"
WIDE = 100  # columns from which there is room for the time of the start
MOST = 8  # settings, however much room there is
LISTED = 5  # reasons below the table
NAME = 21  # characters for the name of a run where there is little room: its day and time
_DATED = re.compile(r"(\d{4}-\d\d-\d\d)/(\d\d)-(\d\d)-(\d\d)-[^/]*$")
_KEY = ("experiment", "dataset", "model", "latent_dim")  # the settings that come first
Column = list[str]  # the heading, then the text of each run


def list_runs(config: Node) -> None:
    """Print the runs in or below the folders.

    Raises:
        UserError: a folder does not exist, or a score is unknown.
    """
    settings = check(ListConfig, config)
    console, terminal = Console(), sys.stdout.isatty()
    folders, _ = run_folders(resolve(settings.runs, "list"))
    if not folders:
        console.print(f"No runs in or below {', '.join(settings.runs)}", markup=False, highlight=False)
        return
    records = sorted(map(read, folders), key=lambda record: started(record.path), reverse=True)
    compared = Compared(records, settings.show)
    columns, left_out, shown = _columns(console.width if terminal else None, compared, bool(settings.show))
    if terminal:
        console.print(_table(columns, _gap(console.width)))
    else:  # like other programs, for grep, cut and spreadsheets
        print("\n".join("\t".join(cells) for cells in zip(*columns)))
    for note in [*_notes(compared, shown, left_out), *([_ELSEWHERE] if settings.runs == ["outputs"] else [])]:
        console.print(visible(note), style="dim", markup=False, highlight=False, soft_wrap=True)


_ELSEWHERE = "Only runs below outputs are listed; for others, type vae-lab list <folder> <folder>"


def started(folder: Path) -> str:
    """Return when a run was started, as ``2026-01-31 12:00:00``, by its folders' names or its config's time."""
    named = _DATED.search(folder.absolute().as_posix())
    if named:
        return f"{named[1]} {named[2]}:{named[3]}:{named[4]}"
    file = folder / CONFIG if (folder / CONFIG).is_file() else folder
    return f"{datetime.fromtimestamp(file.stat().st_mtime):%Y-%m-%d %H:%M:%S}"


def _columns(width: int | None, compared: Compared, chosen: bool) -> tuple[list[Column], list[str], list[str]]:
    """The columns that fit the width, the names of settings and scores that do not, and those of the scores that do."""
    records, narrow = compared.records, width is not None and width < WIDE
    names = [visible(str(_relative(record.path))) for record in records]
    if width is not None:
        names = [_cut(name.removeprefix("outputs/"), NAME if narrow else width // 3) for name in names]
    columns = [["run", *names], ["state", *(_state(record, brief=narrow) for record in records)]]
    if not narrow:
        columns.insert(1, ["started", *(started(record.path)[:-3] for record in records)])
    ordered = sorted(compared.settings, key=lambda setting: setting.name not in _KEY)
    settings = [[visible(s.name), *map(_text, s.values)] for s in ordered]
    if compared.seeded:
        settings.append(["seed", *(_text(compared.seed(run)) for run in range(len(records)))])
    scores = [[visible(score.name), *_texts(compared, score)] for score in _ordered(compared, chosen)]
    gap = _gap(width)
    room = None if width is None else width - sum(_width(column, gap) for column in columns)
    fits = [settings[:MOST], scores] if room is None else _fitting(room, gap, settings[:MOST], scores)
    shown = [*fits[0], *fits[1]]
    left_out = [column[0] for column in (*settings, *scores) if column not in shown]
    return [*columns, *shown], left_out, [column[0] for column in fits[1]]


def _fitting(room: int, gap: int, settings: list[Column], scores: list[Column]) -> list[list[Column]]:
    """The settings and the scores that fit; the first two scores take precedence over settings."""
    reserved, taken = sum(_width(column, gap) for column in scores[:2]), 0
    kept: list[list[Column]] = [[], []]
    for place, columns in enumerate((settings, scores)):
        for column in columns:
            if taken + _width(column, gap) <= room - (0 if place else reserved):
                kept[place].append(column)
                taken += _width(column, gap)
    return kept


def _ordered(compared: Compared, chosen: bool) -> list[Score]:
    """The scores to show; unless they were typed, FID and ELBO come first."""
    key = ("fid", "elbo")
    names = compared.show if chosen else [*(name for name in key if name in compared.scores),
                                          *(name for name in compared.show if name not in key)]  # fmt: skip
    return [compared.scores[name] for name in names]


def _texts(compared: Compared, score: Score) -> list[str]:
    """The value of a score in every run, rounded to its error; the best one of each protocol is marked."""
    rows = [(run,) for run in range(len(compared.records))]
    best = best_of(compared, score, rows)
    values = [compared.value(score, row) for row in rows]
    texts = ["–" if value is None else with_error(value.mean, value.spread)[0] for value in values]
    return [f"{BEST} {text}" if run in best else text for run, text in enumerate(texts)]


def _text(value: object) -> str:
    return "–" if value == "null" else visible(format_setting(value))  # type: ignore[arg-type]


def _width(column: Column, gap: int) -> int:
    return max(map(len, column)) + gap


def _gap(width: int | None) -> int:
    """The number of spaces between columns."""
    return 1 if width is not None and width < WIDE else 2


def _cut(name: str, most: int) -> str:
    """A path of at most so many signs. Its beginning, which has the time, and its end, which names a job, are kept."""
    if len(name) <= most:
        return name
    end = min(len(name.rpartition("/")[2]), most // 2) if name.startswith("sweeps/") else 0
    return f"{name[: most - end - 1]}…{name[len(name) - end :]}"


def _state(record: Record, brief: bool) -> str:
    """``finished``, ``running``, ``interrupted``, ``failed`` or ``damaged``, with how far an unfinished run has got."""
    if not record.finished and is_in_use(record.path):
        state = RUNNING
    elif record.status != INTERRUPTED:
        return record.status
    else:
        state = record.status
    return state if brief else f"{state} {len(record.history)}/{record.config.get('epochs', '?')}"


def _table(columns: Sequence[Column], gap: int) -> Table:
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for name, *texts in columns:
        numeric = all(re.fullmatch(rf"({BEST} )?[-+\d.e]+|–|nan|-?inf", text) for text in texts)
        table.add_column(escape(name), justify="right" if numeric else "left", no_wrap=True)
    for cells in list(zip(*columns))[1:]:
        table.add_row(*map(escape, cells))
    return table


def _notes(compared: Compared, shown: Sequence[str], left_out: Sequence[str]) -> list[str]:
    """How many runs there are, what they share, why some have no scores, and what is not shown."""
    counts = Counter(_state(record, brief=True) for record in compared.records)
    common = compared.common()
    notes = [f"{format_runs(len(compared.records))}: {', '.join(f'{n} {state}' for state, n in counts.items())}"
             f"{f'; all with {common}' if common and len(compared.records) > 1 else ''}"]  # fmt: skip
    lacking = [record for record in compared.records if record.status in (FAILED, DAMAGED)]
    notes += [f"✗ {_relative(record.path)}: {record.status_text}" for record in lacking[:LISTED]]
    notes += [f"✗ {len(lacking) - LISTED} more failed or damaged"] if len(lacking) > LISTED else []
    if any(compared.scores[name].better for name in shown):
        notes.append(f"{how_marked(compared, shown)}; vae-lab compare shows the protocols")
    if left_out:
        notes.append(f"not shown here: {', '.join(left_out)}; type show=[<score>], or widen the terminal")
    return notes


def _relative(path: Path) -> Path:
    """The path as the user can type it in this folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
