"""The table of the page as data: its columns, one row per run, and one row per set of seeds."""

from typing import TypedDict

from vae_lab.compare.choosing import best_of, chosen_by
from vae_lab.compare.compared import Compared, Value
from vae_lab.compare.protocols import letter
from vae_lab.compare.scores import Score
from vae_lab.compare.settings import MISSING, Scalar, format_setting
from vae_lab.compare.views.table import format_score


class _CellValue(TypedDict):
    v: Scalar  # the value by which rows are sorted
    t: str  # the text


class Cell(_CellValue, total=False):
    """A cell of the table, under the keys that page.js reads."""

    title: str  # a tooltip
    best: bool  # whether the value is the best within its protocol
    note: str  # the letter of the protocol


class _ColumnNames(TypedDict):
    key: str
    label: str
    number: bool
    role: str  # setting | info | score
    shown: bool


class Column(_ColumnNames, total=False):
    """A column of the table, under the keys that page.js reads."""

    of: str  # the only kind of rows that have the column: single | seeds
    title: str  # a tooltip
    better: str | None  # lower | higher
    by: str  # the score by which its best value is chosen


class Row(TypedDict):
    """A row of the table, under the keys that page.js reads."""

    runs: list[int]
    bad: bool  # whether the run did not finish
    cells: dict[str, Cell]  # key of the column -> cell


def columns_of(compared: Compared) -> list[Column]:
    """Return the columns: first the settings that differ, then information about the run, then the scores."""
    unfinished = not all(record.finished and not record.reason for record in compared.records)
    columns: list[Column] = [
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
                        "shown": name in compared.show, "title": score.meaning, "better": score.better,
                        "by": chosen_by(compared, score).stored})  # fmt: skip
    return columns


def rows_of(compared: Compared) -> list[Row]:
    """Return one row per run."""
    return _rows(compared, [(run,) for run in compared.order])


def seed_rows_of(compared: Compared) -> list[Row]:
    """Return one row per set of runs that differ only in their seed."""
    return _rows(compared, [cell.runs for cell in compared.cells])


def _rows(compared: Compared, rows: list[tuple[int, ...]]) -> list[Row]:
    best = {name: best_of(compared, score, rows) for name, score in compared.scores.items()}
    return [
        _row(compared, runs, {name for name, places in best.items() if place in places})
        for place, runs in enumerate(rows)
    ]


def _row(compared: Compared, runs: tuple[int, ...], best: set[str]) -> Row:
    first, record = runs[0], compared.records[runs[0]]
    cells: dict[str, Cell] = {
        s.name: {"v": s.values[first], "t": format_setting(s.values[first])}
        for s in compared.settings
        if s.values[first] is not MISSING
    }
    seeds = {compared.seed(run) for run in runs} - {None}
    duplicates = sum(len(equal) for equal in compared.duplicates(runs))
    paths = "\n".join(str(compared.records[run].path) for run in runs)
    sign = "✓" if record.finished else "✗"
    status = next((compared.records[run].status_text for run in runs if compared.records[run].reason),
                  record.status_text)  # fmt: skip
    cells |= {
        "seed": {"v": compared.seed(first), "t": format_setting(compared.seed(first))},
        "n": {"v": len(seeds), "t": str(len(seeds)) + (f" ({duplicates} equal runs)" if duplicates else "")},
        "run": {"v": record.name, "t": _name(record.name, len(runs), len(seeds)), "title": paths},
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


def _name(folder: str, runs: int, seeds: int) -> str:
    return folder if runs == 1 else f"{seeds} seeds" if seeds == runs else f"{runs} runs"


def _score(score: Score, value: Value, best: bool) -> Cell:
    cell: Cell = {"v": value.mean, "t": format_score(value)}
    if best:
        cell["best"] = True
    if len(score.protocols) > 1:
        cell["note"] = letter(value.protocol)
    return cell
