"""Writes ``summary.csv``: one row per run, in an order that depends only on the runs themselves."""

import csv
import io
from pathlib import Path

from vae_lab.compare.compared import Compared
from vae_lab.compare.protocols import letter
from vae_lab.compare.settings import MISSING, format_setting
from vae_lab.system.files import write_atomically


def write_summary(compared: Compared, path: Path) -> None:
    """Write the summary of the runs to a CSV file.

    A row holds the run's status, the settings that differ, the seed, and every score with its interval. If runs differ
    only in their seed, it also holds the mean and standard deviation over seeds; if a score has several protocols, the
    letter of its protocol.
    """
    cell_of = {run: cell.runs for cell in compared.cells for run in cell.runs}
    header, rows = _header(compared), [_row(compared, run, cell_of[run]) for run in compared.order]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with write_atomically(path, "wb") as file:
        file.write(as_utf8(text.getvalue()))


def as_utf8(text: str) -> bytes:
    """Return a text in UTF-8; lone surrogates, which names of files and escapes in JSON can hold, become ``?``."""
    return text.encode("utf-8", "replace")


def _header(compared: Compared) -> list[str]:
    names = ["run", "status", "reason", *(s.name for s in compared.settings), "seed", "seeds"]
    for score in compared.scores.values():
        names.append(score.name)
        names += [f"{score.name} {part}" for part in ("low", "high")] if score.half_widths else []
        names += [f"{score.name} {part}" for part in ("mean over seeds", "sd over seeds")] if compared.seeded else []
        names += [f"{score.name} protocol"] if len(score.protocols) > 1 else []
    return [*names, *(["notes"] if any(record.notes for record in compared.records) else [])]


def _row(compared: Compared, run: int, cell: tuple[int, ...]) -> dict[str, str | float | None]:
    record = compared.records[run]
    row: dict[str, str | float | None] = {"run": record.name, "status": record.status, "reason": record.reason}
    row |= {s.name: "" if s.values[run] is MISSING else format_setting(s.values[run]) for s in compared.settings}
    row |= {"notes": " ".join(record.notes)} if record.notes else {}
    row |= {"seed": compared.seed(run), "seeds": len({compared.seed(i) for i in cell})}
    for score in compared.scores.values():
        if run not in score.values:
            continue
        row[score.name] = score.values[run]
        interval = record.intervals.get(score.stored)
        if interval:
            row |= {f"{score.name} low": interval[0], f"{score.name} high": interval[1]}
        if len(score.protocols) > 1:
            row[f"{score.name} protocol"] = letter(score.protocols.number_of[run])
        value = compared.value(score, cell) if compared.seeded and len(cell) > 1 else None
        if value is not None:
            row[f"{score.name} mean over seeds"] = value.mean
            row[f"{score.name} sd over seeds"] = "" if value.spread is None else value.spread
    return row
