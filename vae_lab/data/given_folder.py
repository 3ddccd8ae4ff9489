"""Image files in a folder as images to score. All are read once to check them, and again when they are used."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from vae_lab.data.image_bytes import Background, ImageReader
from vae_lab.data.image_files import digest_of, image_files, shown
from vae_lab.data.image_opening import for_each, without_warnings
from vae_lab.data.value_range import Range
from vae_lab.errors import UserError
from vae_lab.types import Shape


class GivenFolder:
    """The image files in a folder and in the folders inside it, sorted by path; all must have the same size and kind.

    Args:
        folder: the folder.
        background: 'white' or 'black', over which transparent images are laid; None: they are refused.
        range: the pixel values that mean black and white, or white alone if 0 means black; None: 0 and 255, or 0 and
            65,535 in images of 16 bits.

    Raises:
        UserError: there is no image, one cannot be read, or they differ in size or kind.
    """

    def __init__(self, folder: Path, background: Background | None = None, range: Range | None = None) -> None:
        found = image_files(folder, f"images={shown(folder)}")
        self.files, self.count = found.images, len(found.images)
        self._reader = ImageReader("", background, range)
        with without_warnings():
            self.shape = self._shape_of(0)
        for_each(self.files, self._check)
        self.notes = [*found.notes, *self._reader.notes(folder)]
        black, white = self._reader.ends or (0, 255)
        self.about = {
            "kind": f"{self.count:,} image files of {_described(self.shape)}",
            "values": f"read as {black:g}–{white:g}",
            **({"notes": " ".join(self.notes)} if self.notes else {}),
        }

    def _shape_of(self, i: int) -> Shape:
        image = self._reader.read(self.files[i])
        return (len(image.getbands()), image.height, image.width)

    def _check(self, i: int) -> None:
        shape, first = self._shape_of(i), self.files[0]
        if shape != self.shape:
            raise UserError(
                f"images={shown(first.parent)}: {shown(self.files[i].name)} is {_described(shape)}, "
                f"{shown(first.name)} is {_described(self.shape)}; make all images one size and one kind"
            )

    def read(self, index: Sequence[int]) -> np.ndarray:
        """Return the images at these positions: bytes [n, C, H, W]."""
        with without_warnings(), ThreadPoolExecutor() as pool:
            return np.stack(list(pool.map(self._decoded, index)))

    def _decoded(self, i: int) -> np.ndarray:
        pixels = np.asarray(self._reader.read(self.files[i]), np.uint8)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    def digest(self) -> str:
        """Return the SHA-256 of the files."""
        return digest_of(self.files)


def _described(shape: Shape) -> str:
    return f"{shape[1]}×{shape[2]} {'grey' if shape[0] == 1 else 'RGB'}"
