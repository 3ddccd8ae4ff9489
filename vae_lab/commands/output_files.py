"""The two files of a command that uses a run, an array or a table and a picture: neither takes the place of another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vae_lab.config.names import slug
from vae_lab.config.paths import expanded
from vae_lab.errors import UserError, one_of
from vae_lab.figures.saving import png_of_figure
from vae_lab.figures.style import Style
from vae_lab.runs.run import Run
from vae_lab.system.files import replaced


@dataclass(frozen=True)
class OutputFiles:
    """The file that ``to=`` names, and a picture beside it."""

    file: Path
    picture: Path

    @classmethod
    def of(cls, run: Run, to: str | None, folder: str, name: str, suffixes: Sequence[str] = (".npy",)) -> "OutputFiles":
        """Return the files of a command, of which none exists yet.

        Args:
            run: the run.
            to: the file that was typed; None: one in a folder of the run.
            folder: the name of that folder.
            name: what the file is called there.
            suffixes: the formats that the command writes; the first one is the default.

        Raises:
            UserError: one of the files exists, or the format is another.
        """
        file = expanded(to) if to else run.path / folder / f"{slug(name)}{suffixes[0]}"
        if file.suffix.lower() not in suffixes:
            raise UserError(f"to={to}: the name of the file must end in {one_of(suffixes)}")
        files = cls(file, file.with_suffix(".png"))
        for path in (files.file, files.picture):
            if path.exists():
                raise UserError(f"{path} already exists and is not overwritten; type to=<another file>")
        return files

    def write(self, write: Callable[[Path], object], figure: Callable[[], Figure]) -> None:
        """Write both files; they get their names when both are complete.

        Args:
            write: writes the file at a path.
            figure: draws the picture.

        Raises:
            UserError: the folder cannot be written to.
        """
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with replaced(self.file) as file, replaced(self.picture) as picture:
                write(file)
                picture.write_bytes(png_of_figure(figure(), Style()))
        except OSError as why:
            place = why.filename or self.file.parent
            raise UserError(f"{place} cannot be written ({why.strerror}); type to=<a writable file>") from why

    def __str__(self) -> str:
        """The names of the files, one per line."""
        return f"{self.file}\n{self.picture}"


def npy_writer(array: np.ndarray) -> Callable[[Path], None]:
    """Return a function that writes an array as a ``.npy`` file, whatever the file is called."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, array)

    return write
