"""Files of codes: one row per image in a ``.csv``, ``.npy`` or ``.parquet`` file, for ``encode`` and ``decode``.

A table is a mapping of columns, each [N] or [N, D]: ``file``, ``y`` of a conditional run, ``kl_total`` in nats, and for
each level ``mean``, ``log_var`` and ``kl`` of every dimension, or the integers ``code``; in a hierarchy ``level1_mean``
and so on. CSV has a column ``mean_0``, ``mean_1``, … for each dimension, with nine digits, so that float32 numbers are
read back exactly. A ``.npy`` file is a structured array, ``numpy.load(file)["mean"]``. In Parquet a vector is a list.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from vae_lab.data.array_file import arrays_of
from vae_lab.errors import UserError
from vae_lab.system.extras import need

Table = Mapping[str, np.ndarray]
SUFFIXES = (".csv", ".npy", ".parquet")
_CODES = re.compile(r"(level\d+_)?(mean|code)")
_DIMENSION = re.compile(r"(.+)_(\d+)")


def write_table(path: Path, suffix: str, blocks: Iterable[Table]) -> None:
    """Write the blocks of rows of a table to a file.

    Args:
        path: the file, whatever it is called.
        suffix: one of :data:`SUFFIXES`, the format.
        blocks: at least one, all with the same columns.

    Raises:
        UserError: Parquet is asked for, and pyarrow is not installed.
    """
    {".csv": _write_csv, ".npy": _write_npy, ".parquet": _write_parquet}[suffix](path, blocks)


def _write_csv(path: Path, blocks: Iterable[Table]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        for number, block in enumerate(blocks):
            if number == 0:
                rows.writerow(_headings(block))
            rows.writerows(zip(*(cells for column in block.values() for cells in _texts(column))))


def _headings(block: Table) -> Iterator[str]:
    for name, column in block.items():
        yield from (name,) if column.ndim == 1 else (f"{name}_{i}" for i in range(column.shape[1]))


def _texts(column: np.ndarray) -> Iterator[Sequence[str]]:
    """The cells of a column [n], or of every dimension of one [n, D]."""
    for values in (column,) if column.ndim == 1 else column.T:
        yield [f"{value:.9g}" for value in values.tolist()] if values.dtype.kind == "f" else values.astype(str).tolist()


def _write_npy(path: Path, blocks: Iterable[Table]) -> None:
    parts = list(blocks)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    dtype = [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]
    table = np.empty(len(next(iter(columns.values()))), np.dtype(dtype))
    for name, column in columns.items():
        table[name] = column
    with path.open("wb") as file:
        np.save(file, table)


def _write_parquet(path: Path, blocks: Iterable[Table]) -> None:
    arrow, parquet = (need(name, "to=….parquet", "parquet") for name in ("pyarrow", "pyarrow.parquet"))

    def converted(block: Table) -> object:
        return arrow.table({
            name: arrow.array(column) if column.ndim == 1
            else arrow.FixedSizeListArray.from_arrays(arrow.array(column.ravel()), column.shape[1])
            for name, column in block.items()
        })  # fmt: skip

    tables = (converted(block) for block in blocks)
    first = next(tables)
    with path.open("wb") as file, parquet.ParquetWriter(file, first.schema) as writer:  # type: ignore[attr-defined]
        for table in chain([first], tables):
            writer.write_table(table)


def read_codes(path: Path, start: str) -> tuple[np.ndarray, Table]:
    """Return the codes [N, D] of a file, all levels side by side, and its other columns that name images and y.

    A ``.npy`` file may also hold a plain array [N, D].

    Args:
        path: the file.
        start: the beginning of error messages, ``codes=x.csv``.

    Raises:
        UserError: the file cannot be read, or holds no codes.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{start}: codes are read from {', '.join(SUFFIXES)}, as vae-lab encode writes them")
    table = {".csv": _read_csv, ".npy": _read_npy, ".parquet": _read_parquet}[suffix](path, start)
    levels = [table[name] for name in table if _CODES.fullmatch(name)]
    if not levels:
        raise UserError(f"{start}: there are no columns mean_0, mean_1, … or code_0, …, as vae-lab encode writes them")
    if not all(len(level) for level in levels):
        raise UserError(f"{start}: there are no codes in it")
    matrix = np.concatenate([level.reshape(len(level), -1) for level in levels], 1)
    return matrix, {name: table[name] for name in ("file", "y") if name in table}


def _read_npy(path: Path, start: str) -> Table:
    array = np.asarray(arrays_of(path, start)[""].load())
    if array.dtype.names:
        return {name: array[name] for name in array.dtype.names}
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise UserError(f"{start}: {array.dtype} of {' × '.join(map(str, array.shape))}; codes are numbers [N, D]")
    return {"mean": array}


def _read_parquet(path: Path, start: str) -> Table:
    parquet = need("pyarrow.parquet", start, "parquet")
    try:
        table = parquet.read_table(path)
        return {
            name: np.asarray(column.to_pylist() if name == "file" else list(column.to_pylist()))
            for name, column in zip(table.column_names, table.columns)
        }
    except Exception as why:  # pyarrow raises many kinds of errors for a damaged file
        raise UserError(f"{start} is damaged or no .parquet file ({' '.join(str(why).split())[:120]})") from why


def _read_csv(path: Path, start: str) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            wanted = [i for i, name in enumerate(header) if _is_wanted(name)]
            rows = [_cells(row, header, wanted, f"{start}: line {lines.line_num}") for row in lines if row]
    except (UnicodeDecodeError, csv.Error) as why:
        raise UserError(f"{start} is damaged or no .csv file ({why})") from why
    columns = {header[i]: [row[place] for row in rows] for place, i in enumerate(wanted)}
    return _grouped(columns, start)


def _is_wanted(heading: str) -> bool:
    vector = _DIMENSION.fullmatch(heading)
    return heading in ("file", "y") or bool(vector and (vector[1] == "y" or _CODES.fullmatch(vector[1])))


def _cells(row: Sequence[str], header: Sequence[str], wanted: Sequence[int], start: str) -> list[str | float]:
    """The cells of a line that are read: names as text and everything else as numbers.

    Raises:
        UserError: the line has another number of cells than the header, or a cell is no number.
    """
    if len(row) != len(header):
        raise UserError(f"{start} has {len(row)} of {len(header)} cells")
    try:
        return [row[i] if header[i] in ("file", "y") else float(row[i]) for i in wanted]
    except ValueError as why:
        raise UserError(f"{start}: {str(why)[:60]}") from why


def _grouped(columns: Mapping[str, Sequence[str | float]], start: str) -> Table:
    """The columns ``mean_0``, ``mean_1``, … of a vector as one column [N, D]."""
    vectors: dict[str, dict[int, Sequence[str | float]]] = {}
    table: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        found = None if name in ("file", "y") else _DIMENSION.fullmatch(name)
        if found:
            vectors.setdefault(found[1], {})[int(found[2])] = column
        else:
            table[name] = np.asarray(column)
    for name, dimensions in vectors.items():
        missing = sorted(set(range(len(dimensions))) - set(dimensions))
        if missing:
            raise UserError(f"{start}: the column {name}_{missing[0]} is missing")
        table[name] = np.stack([np.asarray(dimensions[i], np.float64) for i in range(len(dimensions))], 1)
        if name.endswith("code"):
            table[name] = _whole(table[name], f"{start}: {name}")
    return table


def _whole(values: np.ndarray, start: str) -> np.ndarray:
    if not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise UserError(f"{start}: codes are whole numbers")
    return values.astype(np.int64)
