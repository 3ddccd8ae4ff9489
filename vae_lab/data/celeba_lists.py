"""The lists of CelebA, in the authors' layout (``.txt``) and in Kaggle's (``.csv``).

``list_attr_celeba.txt`` begins with the number of images and a line of the attributes' names; each further line has the
name of an image and a −1 or 1 for each attribute, with any number of spaces between them. ``list_eval_partition.txt``
has no header: each line is the name of an image and 0 (training), 1 (validation) or 2 (test). Kaggle's tables hold the
same with commas, and a header that begins with ``image_id``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vae_lab.data.image_files import shown
from vae_lab.errors import UserError


@dataclass(frozen=True)
class Table:
    """A list: names of columns, and a row of integers for each image.

    Args:
        file: the file.
        columns: their names; empty if the file has no header.
        rows: the values, by the name of the image.
    """

    file: Path
    columns: tuple[str, ...]
    rows: dict[str, list[int]]

    def of(self, images: list[str]) -> Tensor:
        """Return the values of images: long [N, columns].

        Raises:
            UserError: one of them has no row.
        """
        missing = [name for name in images if name not in self.rows]
        if missing:
            raise UserError(
                f"dataset=celeba: {shown(self.file)} has {len(self.rows):,} rows and none for {len(missing):,} of the "
                f"{len(images):,} images, the first being {shown(missing[0])}; download it again"
            )
        return torch.tensor([self.rows[name] for name in images])


def attributes(file: Path) -> Table:
    """Return the attributes of all images, −1 or 1, or 0 or 1.

    Raises:
        UserError: the file is damaged, or has not as many rows as it says.
    """
    table = _read(file, headed=True)
    if any(value not in (-1, 0, 1) for row in table.rows.values() for value in row):
        raise UserError(f"dataset=celeba: {shown(file)} has values other than −1, 0 and 1; download it again")
    return table


def partition(file: Path) -> Table:
    """Return the part of each image: 0 training, 1 validation, 2 test.

    Raises:
        UserError: the file is damaged.
    """
    table = _read(file, headed=file.suffix == ".csv")
    if any(len(row) != 1 or row[0] not in (0, 1, 2) for row in table.rows.values()):
        raise UserError(f"dataset=celeba: {shown(file)} has parts other than 0, 1 and 2; download it again")
    return table


def _read(file: Path, headed: bool) -> Table:
    lines = _lines(file)
    told: int | None = None
    columns: tuple[str, ...] = ()
    if headed and file.suffix == ".csv":
        columns = tuple(next(lines, (0, [""]))[1][1:])
    elif headed:
        told, columns = _number(next(lines, (0, [""]))[1]), tuple(next(lines, (0, []))[1])
    if headed and (not columns or (file.suffix == ".txt" and told is None)):
        start = "image_id and the names" if file.suffix == ".csv" else "the number of images and the names"
        raise UserError(f"dataset=celeba: {shown(file)} does not begin with {start} of attributes; download it again")
    twice = next((word for word in columns if columns.count(word) > 1), None)
    if twice is not None:
        raise UserError(f"dataset=celeba: {shown(file)} has two columns {twice[:40]!r}; download it again")
    rows: dict[str, list[int]] = {}
    for number, (name, *values) in lines:
        if name in rows:
            raise UserError(
                f"dataset=celeba: {shown(file)}, line {number}: {name[:40]!r} is there twice; download it again"
            )
        try:
            rows[name] = [int(value) for value in values]
        except ValueError:
            values = []
        if len(values) != (len(columns) or 1):
            wanted = len(columns) or 1
            raise UserError(
                f"dataset=celeba: {shown(file)}, line {number}: {name[:40]!r} and {wanted} number"
                f"{'s' if wanted > 1 else ''} are needed; download it again"
            )
    if not rows or (told is not None and told != len(rows)):
        says = "" if told is None else f"; its first line says {told:,}"
        raise UserError(f"dataset=celeba: {shown(file)} has {len(rows):,} rows{says}; download it again")
    return Table(file, columns, rows)


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the words of every line that is not empty."""
    separator = "," if file.suffix == ".csv" else None
    with file.open(encoding="utf-8-sig", errors="replace") as text:
        for number, line in enumerate(text, 1):
            if line.strip():
                yield number, [word.strip() for word in line.strip().split(separator)]


def _number(words: list[str]) -> int | None:
    return int(words[0]) if len(words) == 1 and words[0].isdecimal() else None
