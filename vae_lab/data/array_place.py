"""Where the arrays of a set of examples are: the images in a file, labels or factors in the same file or in another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vae_lab.config.paths import expanded
from vae_lab.data.array_choice import image_array, listed
from vae_lab.data.array_file import SUFFIXES, NamedArray, arrays_of
from vae_lab.data.array_images import ArrayImages, Wording
from vae_lab.data.array_layout import Sizes
from vae_lab.errors import UserError

PREFIX = "dataset.source."


@dataclass(frozen=True)
class Place:
    """The file of the training or the test images, and what was typed about it.

    Args:
        path: the file as it was typed.
        path_option: the option that gave it, ``path`` or ``test_path``.
        file: the file.
        arrays: its arrays.
        root: the folder that holds datasets.
        array: the name of the array of images; None: the only one that can be meant.
        labels: the name of the array of labels, or another file; None: there are none.
        option: what precedes the names of the other options: nothing or ``test_``.
    """

    path: str
    path_option: str
    file: Path
    arrays: Mapping[str, NamedArray]
    root: Path
    array: str | None
    labels: str | None
    option: str = ""

    @property
    def start(self) -> str:
        """The beginning of error messages."""
        return f"{PREFIX}{self.path_option}={self.path}"

    def images(self, axes: Sequence[str] | None, sizes: Sizes, used: set[str | None]) -> ArrayImages:
        """Return the images.

        Args:
            axes, sizes: see :class:`ArrayImages`.
            used: names of arrays with another purpose.
        """
        name = image_array(self.arrays, self.array, self.start, f"{PREFIX}{self.option}array=", used)
        start = f"{self.start}, {name}" if name else self.start
        return ArrayImages(self.file, self.arrays[name], axes, sizes, Wording(start, PREFIX))

    def beside(self, word: str, start: str) -> np.ndarray:
        """Return an array of the same file, or the only array of another file.

        Args:
            word: the name of the array or the path of the file.
            start: the beginning of error messages, ``dataset.source.labels=y``.

        Raises:
            UserError: there is neither such an array nor such a file, or the array is damaged.
        """
        array = self.arrays.get(word)
        if array is None:
            path = expanded(word)
            found = next((p for p in (path, self.root / path, self.file.parent / path) if p.is_file()), None)
            if found is None or word == "":
                known = "has one array" if "" in self.arrays else f"has {listed(self.arrays)}"
                raise UserError(f"{start} is neither a file nor an array of {self.path}, which {known}")
            arrays = arrays_of(found, start)
            if len(arrays) != 1:
                raise UserError(f"{start} has several arrays, {listed(arrays)}; save the one that is meant as .npy")
            array = next(iter(arrays.values()))
        return np.asarray(replace(array, start=start).load())


def found(path: str, root: Path, option: str) -> Path:
    """Return the file at a path from here or from ``root``.

    Raises:
        UserError: there is none.
    """
    place = expanded(path)
    file = next((p for p in (place, root / place) if p.exists()), None)
    if file is None:
        raise UserError(f"{PREFIX}{option}={path}: no such file here or in {root}; type a file {', '.join(SUFFIXES)}")
    if file.is_dir():
        raise UserError(f"{PREFIX}{option}={path} is a folder; for image files, type dataset=image_folder")
    return file
