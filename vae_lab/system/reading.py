"""Readers of the files of a run folder, which may be missing, cut, of another program or made to do harm.

A file is read whole and refused in one line, or not at all. The readers need neither torch nor Hydra.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from vae_lab.errors import UserError

LARGEST = 64 << 20  # bytes of a file; a config has 3 kB, and 500,000 epochs of metrics.csv have 60 MB
DEEPEST = 40  # levels of lists and mappings inside each other
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C loader, where available, is ten times as fast


def printable(text: str) -> str:
    """Return a text with ``�`` in the place of control characters, which could move the cursor of a terminal."""
    return _CONTROL.sub("�", text)


class Damaged(UserError):
    """A file is missing, cannot be read, or does not hold what it should.

    Args:
        path: the file.
        what: what is wrong with it, as the end of a sentence: ``is missing``.
        remedy: what to do about it; empty if nothing is known.
    """

    def __init__(self, path: Path, what: str, remedy: str = "") -> None:
        self.path, self.what, self.remedy = path, printable(what), remedy
        super().__init__(f"{path} {self.what}{'; ' if remedy else ''}{remedy}")

    @property
    def named(self) -> str:
        """What is wrong, with the name of the file but without its folder and the remedy."""
        return f"{self.path.name} {self.what}"

    def advised(self, remedy: str) -> "Damaged":
        """Return the same error with another remedy."""
        return Damaged(self.path, self.what, remedy)


def damaged(path: Path, why: object) -> Damaged:
    """Return the error for a file whose content is wrong; ``why`` is shortened to one line."""
    text = " ".join(str(why).split())
    return Damaged(path, f"is damaged ({text if len(text) <= 120 else f'{text[:119]}…'})")


def read_json(path: Path) -> dict[str, Any]:
    """Return the mapping that a JSON file holds.

    Raises:
        Damaged: the file is missing or holds something else.
    """
    return _mapping(path, json.loads)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds. Aliases are refused, because nine of them can fill the memory.

    Raises:
        Damaged: the file is missing or holds something else.
    """
    return _mapping(path, _yaml)


def read_history(path: Path) -> list[dict[str, float]]:
    """Return the rows of a ``metrics.csv``, one per epoch, without empty cells; an empty list if there is no file.

    Every row has the keys ``epoch``, the number of completed epochs, and ``step``, that of optimizer steps so far. The
    epochs ascend. Earlier versions counted epochs from 0; their rows are read with the present count.

    Raises:
        Damaged: the file holds something else.
    """
    if not path.exists() and not path.is_symlink():
        return []
    lines = csv.reader(io.StringIO(read_text(path), newline=""))
    rows: list[dict[str, float]] = []
    try:
        header = next(lines, [])
        if not {"epoch", "step"} <= set(header) or len(set(header)) < len(header):
            raise damaged(path, "its first line does not name the columns epoch, step, …")
        for cells in filter(None, lines):  # line ends that were converted twice give empty lines
            rows.append(_epoch(path, lines.line_num, header, cells, rows[-1]["epoch"] if rows else -1))
    except csv.Error as why:  # for example a field of more than 131,072 characters
        raise damaged(path, f"line {lines.line_num}: {why}") from why
    counted_from_0 = bool(rows) and rows[0]["epoch"] == 0
    return [{**row, "epoch": row["epoch"] + counted_from_0} for row in rows]


def steps_in(history: list[dict[str, float]]) -> int:
    """Return the number of optimizer steps after the last row of a history; 0 if it has no rows."""
    return int(history[-1]["step"]) if history else 0


def _epoch(path: Path, line: int, header: list[str], cells: list[str], before: float) -> dict[str, float]:
    if len(cells) != len(header):
        raise damaged(path, f"line {line} has {len(cells)} of {len(header)} cells")
    try:
        row = {key: float(cell) for key, cell in zip(header, cells) if cell}
    except ValueError as why:
        raise damaged(path, f"line {line}: {why}") from why
    whole = all(0 <= row.get(key, -1) < 2**53 and row[key].is_integer() for key in ("epoch", "step"))
    if not whole or row["epoch"] <= before:
        raise damaged(path, f"line {line}: epoch and step must be whole numbers, and the epochs must ascend")
    return row


def read_text(path: Path) -> str:
    """Return the text of a regular file in UTF-8, with or without a byte order mark.

    Raises:
        Damaged: the file is missing, empty, not a regular file, too large, or not text.
    """
    content = read_bytes(path)
    if not content.strip():
        raise damaged(path, "it is empty")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        raise damaged(path, "it is not text in UTF-8") from why


def read_bytes(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        Damaged: the file is missing, not a regular file, or too large.
    """
    refuse_unreadable(path)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as why:
        raise Damaged(path, f"cannot be read ({why.strerror})") from why
    if len(content) > LARGEST:
        raise damaged(path, f"it has more than {LARGEST >> 20} MB")
    return content


def refuse_unreadable(path: Path) -> None:
    """Refuse a path that is not a regular file.

    Raises:
        Damaged: says what it is instead.
    """
    try:
        if path.is_file():
            return
        what = "is a folder, not a file" if path.is_dir() else "is not a file" if path.exists() else "is missing"
        raise Damaged(path, "is a link to a file that is missing" if path.is_symlink() else what)
    except OSError as why:  # a loop of links, or a folder that may not be entered
        raise Damaged(path, f"cannot be read ({why.strerror})") from why


def _mapping(path: Path, parse: Callable[[str], object]) -> dict[str, Any]:
    text = read_text(path)
    try:
        content = parse(text)
        if not isinstance(content, dict):
            raise ValueError("it does not hold keys with values")
        _refuse_odd(content)
        return content
    except (ValueError, TypeError, AttributeError, yaml.YAMLError) as why:  # PyYAML raises the second and the third
        raise damaged(path, why) from why
    except (RecursionError, MemoryError) as why:
        raise damaged(path, "it is nested too deeply") from why


def _yaml(text: str) -> object:
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_YAML_LOADER)):
        raise ValueError("it has aliases, *name, which a saved config never has")
    return yaml.load(text, Loader=_YAML_LOADER)


def _refuse_odd(content: object) -> None:
    """Refuse values that no file of ours holds, and that libraries would fail on.

    Raises:
        ValueError: names the value.
    """
    for depth, value in _values(content):
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels of brackets")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError(f"a number of {math.ceil(value.bit_length() * math.log10(2))} digits")
        if not isinstance(value, str | int | float | list | dict | None):
            raise ValueError(f"a {type(value).__name__}, {value}")


def _values(content: object) -> Iterator[tuple[int, object]]:
    """Yield every key and value inside lists and mappings, each with its depth."""
    waiting = [(0, content)]
    while waiting:
        depth, value = waiting.pop()
        yield depth, value
        if depth <= DEEPEST and isinstance(value, dict):
            waiting += [(depth + 1, part) for pair in value.items() for part in pair]
        elif depth <= DEEPEST and isinstance(value, list):
            waiting += [(depth + 1, part) for part in value]
