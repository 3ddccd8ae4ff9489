"""The comparison on the terminal: what differs first, then as many scores as the width allows, best marked."""

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vae_lab.compare.compared import Compared, Value
from vae_lab.compare.protocols import letter
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import Setting, shown

ROWS, TOLD = 40, 5
SCORE, NAME = 26, 12  # characters kept for scores, however many settings differ, and for names of runs
BEST = "▸"


def print_table(console: Console, compared: Compared) -> None:
    """The best rows, what is left out, what did not finish, and what does not compare."""
    scores = [compared.scores[name] for name in compared.show]
    cells = _ordered(compared, scores)
    settings, fitting = _fitting(console.width, compared, scores, cells[:ROWS])
    seeds = any(len(cell) > 1 for cell in cells)
    title = f"{counted(len(compared.records))}{'' if cells else ', none of them finished'}"
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for setting in settings:
        justify: Any = "right" if setting.numeric else "left"
        table.add_column(escape(setting.name), justify=justify, no_wrap=setting.numeric, overflow="fold")
    if not settings:
        table.add_column("run", overflow="fold")  # names give way, numbers do not
    if seeds:
        table.add_column("seeds", justify="right", no_wrap=True)
    for score in fitting:
        table.add_column(escape(score.name), justify="right", no_wrap=True)
    for cell in cells[:ROWS]:
        names = [escape(text) for text in _names(compared, settings, cell)]
        count = [_count(compared, cell)] if seeds else []
        table.add_row(*names, *count, *(_cell(compared, score, cell) for score in fitting))
    if cells:
        console.print(table)
    else:
        console.print(title, style="bold")
    for note in _notes(compared, scores, settings, fitting, cells, seeds) if cells else []:
        console.print(note, style="dim", markup=False, highlight=False, soft_wrap=True)
    for line in [*_unfinished(compared), *_half_read(compared), *_noted(compared)]:
        console.print(line, style="bold yellow", markup=False, highlight=False, soft_wrap=True)


def counted(n: int) -> str:
    """``1 run``, ``2 runs``."""
    return f"{n} run{'' if n == 1 else 's'}"


def _names(compared: Compared, settings: Sequence[Setting], cell: Sequence[int]) -> list[str]:
    return [shown(s.values[cell[0]]) for s in settings] or [compared.label(cell[0])]


def _count(compared: Compared, cell: Sequence[int]) -> str:
    """How many seeds; runs that share one are told, since they are counted once."""
    again = sum(len(found) for found in compared.equal(cell))
    return str(len({compared.seed(run) for run in cell})) + (f" ({again} equal runs)" if again else "")


def _ordered(compared: Compared, scores: Sequence[Score]) -> list[tuple[int, ...]]:
    """Finished cells, the best of the first score that knows better first."""
    cells = [cell.runs for cell in compared.cells if compared.records[cell.runs[0]].finished]
    score = next((score for score in scores if score.better), None)
    if score is None:
        return cells

    def rank(runs: tuple[int, ...]) -> tuple[int, float]:
        value = compared.value(score, runs)
        return (value.protocol, score.rank(value.mean)) if value else (len(score.protocols), 0.0)

    return sorted(cells, key=rank)


def _cell(compared: Compared, score: Score, runs: Sequence[int]) -> str:
    value = compared.value(score, runs)
    if value is None:
        return "several protocols" if compared.mixed(score, runs) else "–"
    place = {cell.runs: number for number, cell in enumerate(compared.cells)}[tuple(runs)]
    best = f"{BEST} " if place in compared.best_cells(score) else ""
    return f"{best}{told(value)}{footnote(score, value)}"


def told(value: Value) -> str:
    """``12.3 ± 0.4``: the spread over seeds, or half of the interval."""
    spread = f" ± {value.half:.2g}" if value.half is not None else ""
    return f"{number(value.mean)}{spread}"


def number(value: float) -> str:
    """Four digits."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def footnote(score: Score, value: Value) -> str:
    """The letter of the protocol, where there are several."""
    return f" {letter(value.protocol)}" if len(score.protocols) > 1 else ""


def _fitting(
    width: int, compared: Compared, scores: Sequence[Score], cells: Sequence[tuple[int, ...]]
) -> tuple[list[Setting], list[Score]]:
    """Settings, since rows look alike without them, then scores as long as they fit; at least one of each."""
    left = width - 2
    if any(len(cell) > 1 for cell in cells):
        left -= 3 + max(len("seeds"), *(len(_count(compared, cell)) for cell in cells))
    settings: list[Setting] = []
    fitting: list[Score] = []
    if not compared.settings:
        left -= max(min(left - SCORE, 3 + max((len(compared.label(cell[0])) for cell in cells), default=0)), NAME)
    for setting in compared.settings:
        needed = 3 + max([len(setting.name), *(len(shown(setting.values[cell[0]])) for cell in cells)])
        if not settings or left - needed >= SCORE:
            settings.append(setting)
            left -= needed
    for score in scores:
        needed = 3 + max([len(score.name), *(len(_cell(compared, score, cell)) for cell in cells)])
        if not fitting or left - needed >= 0:
            fitting.append(score)
            left -= needed
    return settings, fitting


def _notes(
    compared: Compared, scores: Sequence[Score], settings: Sequence[Setting], fitting: Sequence[Score],
    cells: Sequence[Sequence[int]], seeds: bool,
) -> list[str]:  # fmt: skip
    spread = "± sd over seeds; of a single run half of its 95 % interval" if seeds else "± half of the 95 % interval"
    notes = [f"{BEST} best within its protocol; {spread}"]
    again = [found for cell in cells for found in compared.equal(cell)]
    if again:
        names = [" = ".join(compared.records[run].name for run in found) for found in again]
        notes.append(f"equal in settings and seed, counted once by their mean: {', '.join(names[:TOLD])}"
                     f"{', …' if len(names) > TOLD else ''}")  # fmt: skip
    rows = len(cells)
    left = [s.name for s in compared.settings if s not in settings] + [s.name for s in scores if s not in fitting]
    rest = len(compared.scores) - len(scores)
    more = [*left, *([f"{rest} further scores"] if rest else []), *([f"{rows - ROWS} rows"] if rows > ROWS else [])]
    if more:
        notes.append(f"left out here, in compare.html and summary.csv: {', '.join(more)}")
    for score in fitting:
        if len(score.protocols) > 1:
            labels = [score.protocols.label(n) for n in range(len(score.protocols))]
            shown_labels = labels[:TOLD] + (["…"] if len(labels) > TOLD else [])
            notes.append(f"{score.name} stands under {len(labels)} protocols, which do not compare: "
                         f"{'; '.join(shown_labels)}")  # fmt: skip
    return notes


def _noted(compared: Compared) -> list[str]:
    """What runs said of themselves, as that the posterior collapsed; each sentence once."""
    found: dict[str, list[str]] = {}
    for record in compared.records:
        for note in record.notes:
            found.setdefault(note, []).append(record.name)
    lines = [f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {note}"
             for note, names in found.items()]  # fmt: skip
    return lines[:TOLD] + ([f"{len(lines) - TOLD} more notes in compare.html"] if len(lines) > TOLD else [])


def _half_read(compared: Compared) -> list[str]:
    """Finished runs of which a file could not be read."""
    found = [record for record in compared.records if record.finished and record.why]
    lines = [f"{record.path}: {record.told}" for record in found[:TOLD]]
    return lines + ([f"{len(found) - TOLD} more with damaged files"] if len(found) > TOLD else [])


def _unfinished(compared: Compared) -> list[str]:
    found = [record for record in compared.records if not record.finished]
    lines = [f"✗ {record.path}: {record.told}" for record in found[:TOLD]]
    return lines + ([f"✗ {len(found) - TOLD} more without scores"] if len(found) > TOLD else [])
