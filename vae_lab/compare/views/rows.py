"""The page's table as data: columns, rows of single runs, rows over seeds."""

from typing import Any

from vae_lab.compare.compared import Compared, Value
from vae_lab.compare.protocols import letter
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import MISSING, shown
from vae_lab.compare.views.table import told

Cell = dict[str, Any]  # v: what it sorts by, t: its text, best, note: letter of the protocol


def columns_of(compared: Compared) -> list[dict[str, Any]]:
    """What differs first, then the scores; ``of`` says in which kind of row a column is."""
    unfinished = not all(record.finished and not record.why for record in compared.records)
    columns: list[dict[str, Any]] = [
        {"key": s.name, "label": s.name, "number": s.numeric, "role": "setting", "shown": True}
        for s in compared.settings
    ]
    columns += [
        {"key": "seed", "label": "seed", "number": True, "role": "setting", "shown": True, "of": "single"},
        {"key": "n", "label": "seeds", "number": True, "role": "info", "shown": True, "of": "seeds"},
        {"key": "status", "label": "status", "number": False, "role": "info", "shown": unfinished},
        {"key": "run", "label": "run", "number": False, "role": "info", "shown": unfinished or not compared.settings},
    ]
    if any(record.notes for record in compared.records):
        columns.append({"key": "notes", "label": "notes", "number": False, "role": "info", "shown": True})
    for name in [*compared.show, *(name for name in compared.scores if name not in compared.show)]:
        score = compared.scores[name]
        columns.append({"key": f"score:{name}", "label": name, "number": True, "role": "score",
                        "shown": name in compared.show, "title": score.meaning, "better": score.better})  # fmt: skip
    return columns


def rows_of(compared: Compared) -> list[dict[str, Any]]:
    """One per run."""
    best = {name: score.best(score.values) for name, score in compared.scores.items()}
    return [_row(compared, (run,), {name for name, found in best.items() if run in found}) for run in compared.order]


def seed_rows_of(compared: Compared) -> list[dict[str, Any]]:
    """One per set of runs that differ in their seed alone."""
    best = {name: compared.best_cells(score) for name, score in compared.scores.items()}
    return [
        _row(compared, cell.runs, {name for name, found in best.items() if place in found})
        for place, cell in enumerate(compared.cells)
    ]


def _row(compared: Compared, runs: tuple[int, ...], best: set[str]) -> dict[str, Any]:
    first, record = runs[0], compared.records[runs[0]]
    cells: dict[str, Cell] = {
        s.name: {"v": s.values[first], "t": shown(s.values[first])}
        for s in compared.settings
        if s.values[first] is not MISSING
    }
    seeds = sorted({compared.seed(run) for run in runs} - {None}, key=str)
    again = sum(len(found) for found in compared.equal(runs))
    paths = "\n".join(str(compared.records[run].path) for run in runs)
    sign = "✓" if record.finished else "✗"
    status = next((compared.records[run].told for run in runs if compared.records[run].why), record.told)
    cells |= {
        "seed": {"v": compared.seed(first), "t": shown(compared.seed(first))},
        "n": {"v": len(seeds), "t": str(len(seeds)) + (f" ({again} equal runs)" if again else "")},
        "run": {"v": record.name, "t": record.name if len(runs) == 1 else f"{len(runs)} runs", "title": paths},
        "status": {"v": status, "t": f"{sign} {status}"},
    }
    notes = list(dict.fromkeys(note for run in runs for note in compared.records[run].notes))
    if notes:
        cells["notes"] = {"v": notes[0], "t": " ".join(notes)}
    for name, score in compared.scores.items():
        value = compared.value(score, runs)
        if value is not None:
            cells[f"score:{name}"] = _score(score, value, name in best)
        elif compared.mixed(score, runs):
            cells[f"score:{name}"] = {"v": None, "t": "several protocols"}
    return {"runs": list(runs), "bad": not record.finished, "cells": cells}


def _score(score: Score, value: Value, best: bool) -> Cell:
    cell: Cell = {"v": value.mean, "t": told(value)}
    if best:
        cell["best"] = True
    if len(score.protocols) > 1:
        cell["note"] = letter(value.protocol)
    return cell
