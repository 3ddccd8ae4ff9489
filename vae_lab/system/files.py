"""Atomic file writes."""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file next to ``path``, for a library to write; it then replaces ``path``.

    When the block fails, the temporary file is removed and ``path`` stays as it was. The name holds the process id, so
    that two processes can write the same file.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def write_atomically(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file that replaces ``path`` when the block succeeds (see ``replaced``).

    Args:
        path: the file to write.
        mode: "w" for text in UTF-8 whose line ends are written unchanged, or "wb" for bytes.
    """
    newline, encoding = (None, None) if "b" in mode else ("", "utf-8")
    with replaced(path) as unfinished, unfinished.open(mode, newline=newline, encoding=encoding) as file:
        yield file


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON, atomically."""
    with write_atomically(path) as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def write_csv(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """Write named columns of equal length as a CSV table, atomically.

    Raises:
        ValueError: the columns differ in length.
    """
    with write_atomically(path) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
