"""Reads ``attributes.csv``, the file in an image folder that gives numeric attributes of each image.

The first column is called ``file`` and holds paths relative to the folder. Each of the other columns is an attribute,
named by its header. The numbers are used without scaling; values between about −1 and 1 suit a network best.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vae_lab.errors import UserError

FILE = "attributes.csv"


@dataclass
class Attributes:
    """The attributes of all images in a folder, by file."""

    folder: Path
    names: tuple[str, ...]
    rows: dict[str, list[float]]  # path relative to the folder -> values

    def of(self, files: Sequence[Path]) -> Tensor:
        """Return the attributes of these images: float [M, A].

        Raises:
            UserError: an image has no row in the file.
        """
        places = [file.relative_to(self.folder).as_posix() for file in files]
        missing = next((place for place in places if place not in self.rows), None)
        if missing is not None:
            raise UserError(f"{self.folder / FILE} has no row for {missing}; add one, or remove the image")
        return torch.tensor([self.rows[place] for place in places])


def read_attributes(folder: Path) -> Attributes | None:
    """Return the attributes of a folder's images, or None if it has no ``attributes.csv``.

    Raises:
        UserError: the file has no column ``file``, no attribute or one twice, or a value that is not a finite number.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            head, *lines = list(csv.reader(file)) or [[]]
    except (UnicodeDecodeError, csv.Error) as why:
        raise UserError(f"{path} is no table of text in UTF-8 ({' '.join(str(why).split())[:80]}); repair it") from why
    if head[:1] != ["file"] or len(head) < 2:
        raise UserError(f"{path} must begin with the line file,<attribute>,…; it begins with {','.join(head)[:60]!r}")
    twice = next((name for name in head if head.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{path} has two columns {twice[:40]!r}; each name is needed once")
    rows: dict[str, list[float]] = {}
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        try:
            place, *values = line
            rows[place] = [float(value) for value in values]
            if len(values) != len(head) - 1 or not torch.tensor(rows[place]).isfinite().all():
                raise ValueError
        except ValueError as why:
            raise UserError(
                f"{path}, line {number}: {','.join(line)[:60]!r} is not a file and {len(head) - 1} finite numbers"
            ) from why
    return Attributes(folder, tuple(head[1:]), rows)
