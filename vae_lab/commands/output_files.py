"""The two files of a command that uses a run, an array or a table and a picture: neither takes the place of another."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from vae_lab.config.names import slug
from vae_lab.config.paths import expanded
from vae_lab.errors import UserError, one_of
from vae_lab.runs.run import Run
from vae_lab.system.files import replaced
from vae_lab.types import Shape


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

    def write(self, write: Callable[[Path], object], picture: Callable[[], bytes]) -> None:
        """Write both files; they get their names when both are complete.

        Args:
            write: writes the file at a path.
            picture: returns the content of a PNG file.

        Raises:
            UserError: the folder cannot be written to.
        """
        parent = self.file.parent
        made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
        try:
            parent.mkdir(parents=True, exist_ok=True)
            with replaced(self.file) as file, replaced(self.picture) as image:
                write(file)
                image.write_bytes(picture())
        except OSError as why:
            raise UserError(
                f"{why.filename or parent} cannot be written ({why.strerror}); type to=<a writable file>"
            ) from why
        finally:
            if not self.file.exists():  # it failed, and leaves no folder either
                for folder in made:
                    with suppress(OSError):
                        folder.rmdir()

    def __str__(self) -> str:
        """The names of the files, one per line."""
        return f"{self.file}\n{self.picture}"


def write_npy(path: Path, shape: Shape, blocks: Iterable[Tensor]) -> None:
    """Write a float32 array as a ``.npy`` file, a block at a time, so that it need not fit into memory.

    Args:
        path: the file, whatever it is called.
        shape: of the whole array.
        blocks: its rows.
    """
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for block in blocks:
            file.write(np.ascontiguousarray(block.numpy(), "<f4").data)
