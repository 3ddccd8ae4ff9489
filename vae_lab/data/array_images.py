"""An array of images in a file, read a block at a time; the dataset ``arrays`` and ``vae-lab score`` share it."""

import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vae_lab.data.array_choice import image_array
from vae_lab.data.array_file import NamedArray, arrays_of, damage_told
from vae_lab.data.array_layout import Sizes, layout_of
from vae_lab.errors import UserError


@dataclass(frozen=True)
class Wording:
    """How error messages speak of the file and of the options.

    Args:
        start: the beginning of error messages, ``images=x.npz``.
        prefix: what stands before the names of options, ``dataset.source.`` or nothing.
    """

    start: str
    prefix: str = ""


class ArrayImages:
    """N images of one shape in an array.

    Args:
        file: the file.
        array: the array, one of the file's.
        axes: its axes as they were typed; None: derived from its shape.
        known: the sizes of the images that are known.
        words: the wording of error messages.

    Raises:
        UserError: the array does not hold images, or it is not clear how.
    """

    def __init__(self, file: Path, array: NamedArray, axes: Sequence[str] | None, known: Sizes, words: Wording) -> None:
        if not array.numeric:
            raise UserError(f"{words.start}: numbers are needed, not {array.dtype}")
        self.layout = layout_of(array.shape, axes, known, words.start, words.prefix)
        self.file, self.name, self.shape, self.start = file, array.name, self.layout.x_shape, words.start
        self.dtype = array.dtype
        self.count = array.shape[self.layout.images]
        if self.count == 0 or 0 in self.shape:
            raise UserError(f"{words.start}: there is no image in it")
        self.rows = array.rows(self.layout.images)
        self.about = {"kind": f"{array.dtype} array of {' × '.join(map(str, array.shape))} ({self.layout})"}

    def read(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the images at positions [n] as [n, C, H, W], with the values of the file."""
        with damage_told(self.start, f"no {self.file.suffix} file"):
            return self.layout.arranged(np.asarray(self.rows[np.asarray(index)]))

    def whole(self) -> np.ndarray | None:
        """Return all images as they are in the file, if they are bytes in the order [N, C, H, W]; else None."""
        rows = self.rows
        if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or not rows.flags.c_contiguous:
            return None
        images = self.layout.arranged(rows)
        return images if images.flags.c_contiguous else None

    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        with self.file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def array_images(
    file: Path,
    name: str | None,
    axes: Sequence[str] | None,
    known: Sizes,
    words: Wording,
    used: Container[str | None] = (),
) -> ArrayImages:
    """Return the images of a file, for callers who need no other array of it.

    Args:
        file, axes, known, words: see :class:`ArrayImages`.
        name: the name of the array; None: the only one that can be meant.
        used: names of arrays with another purpose.
    """
    arrays = arrays_of(file, words.start)
    chosen = image_array(arrays, name, words.start, f"{words.prefix}array=", used)
    return ArrayImages(file, arrays[chosen], axes, known, words)
