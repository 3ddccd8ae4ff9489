"""``attributes.csv`` beside the images of a folder: what is known of each, as numbers.

The first column is called ``file`` and holds paths within the folder; each further column is an attribute and its head
the name. Numbers are taken as they are; about −1 … 1 suits a network best.
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
    """The table, row by file."""

    folder: Path
    names: tuple[str, ...]
    rows: dict[str, list[float]]

    def of(self, files: Sequence[Path]) -> Tensor:
        """Of these images: float [M, A].

        Raises:
            UserError: an image has no row.
        """
        places = [file.relative_to(self.folder).as_posix() for file in files]
        missing = next((place for place in places if place not in self.rows), None)
        if missing is not None:
            raise UserError(f"{self.folder / FILE} has no row for {missing}; add it, or take the image away")
        return torch.tensor([self.rows[place] for place in places])


def read_attributes(folder: Path) -> Attributes | None:
    """The table of a folder; None where it has none.

    Raises:
        UserError: it has no column ``file``, no attribute, or what is no number.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8-sig") as file:
        head, *lines = list(csv.reader(file)) or [[]]
    if head[:1] != ["file"] or len(head) < 2:
        raise UserError(f"{path} must begin with the line file,<attribute>,…; it begins with {','.join(head)[:60]!r}")
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
