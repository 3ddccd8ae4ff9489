"""Files that are there whole or not at all; and those of a run that other rooms read without its tools."""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is there


@contextmanager
def write_atomically(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """A file beside ``path`` that takes its place when the block ends well, and is removed when it does not."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        text: dict[str, Any] = {} if "b" in mode else {"newline": "", "encoding": "utf-8"}
        with unfinished.open(mode, **text) as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Readable JSON, atomically."""
    with write_atomically(path) as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """A table of columns of one length under their names, atomically.

    Raises:
        ValueError: a column is longer than another.
    """
    with write_atomically(path) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a ``metrics.csv``; empty where there is none."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: float(v) for key, v in row.items() if v} for row in csv.DictReader(file)]
