"""Atomic file writes."""

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from vae_lab.system.unfinished import unfinished


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield the path of an empty temporary file next to ``path``, for a library to write; it then replaces ``path``.

    ``path`` is the earlier file until the new one is complete and on the disk. When the block fails, the temporary file
    is removed; when the process is killed, the next one that writes into the folder removes it. Several processes can
    write the same file at once: the last one wins.

    The library must write into the file that is there, and not put another one in its place, as safetensors does.

    Raises:
        OSError: the file cannot be written; the error names ``path``.
    """
    try:
        with unfinished(path) as temporary:
            yield temporary
            _to_disk(temporary)
            temporary.replace(path)
    except OSError as why:
        if why.errno is None or (why.filename is not None and not _is_part_of(why.filename, path)):
            raise
        raise OSError(why.errno, why.strerror, str(path)) from why


def _is_part_of(filename: object, path: Path) -> bool:
    """Whether an error names a temporary file of ``path``."""
    return Path(os.fsdecode(filename)).name.startswith(f".{path.name}.") if isinstance(filename, str | bytes) else False


def _to_disk(path: Path) -> None:
    """Wait until a file is on the disk, so that after a power cut the name never refers to an incomplete file."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


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


def write_torch(path: Path, value: object) -> None:
    """Write tensors in torch's format, atomically.

    They are put together in memory first, because torch reports a full disk in words of its own.
    """
    import torch

    content = io.BytesIO()
    torch.save(value, content)
    with write_atomically(path, "wb") as file:
        file.write(content.getbuffer())


def write_csv(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """Write named columns of equal length as a CSV table, atomically.

    Raises:
        ValueError: the columns differ in length.
    """
    with write_atomically(path) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
