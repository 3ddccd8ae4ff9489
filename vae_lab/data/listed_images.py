"""Image files that a published dataset lists, scaled and decoded once, as those of a folder of images are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from vae_lab.data.image_bytes import READING, Background, ImageReader, pixels_of
from vae_lab.data.image_files import shown
from vae_lab.data.image_opening import for_each
from vae_lab.data.mapped_bytes import held_bytes, key_of
from vae_lab.data.value_range import Range
from vae_lab.errors import UserError


@dataclass(frozen=True)
class Decoding:
    """How image files become bytes [C, H, W].

    Args:
        channels: 1 (grey) or 3 (RGB).
        height, width: size in pixels. Images are scaled (bilinear) until they just cover it; the rest is cut off.
        crop: side of the square in the centre that is cut out first, in pixels; None: nothing is cut out.
        inverted: True turns black strokes on white into white strokes on black.
        memory_gb: images that take more than this many GiB are mapped from a file in the cache, where later runs find
            them.
        background, range: what to do with transparent images, and the values that mean black and white: see
            :class:`~vae_lab.data.image_bytes.ImageReader`. Only datasets whose files may need them have these options.
    """

    channels: int
    height: int
    width: int
    crop: int | None = None
    inverted: bool = False
    memory_gb: float = 1.0
    background: Background | None = None
    range: Range | None = None

    @property
    def memory(self) -> int:
        """The bytes that are held in memory at most."""
        return int(self.memory_gb * 2**30)

    @property
    def reader(self) -> ImageReader:
        """Reads a file with the options of the dataset for transparency and values."""
        return ImageReader("dataset.source.", self.background, self.range)

    @property
    def about(self) -> dict[str, Any]:
        """The crop, for protocols: scores of images that were cut differently are not comparable."""
        return {"crop": self.crop or "whole images"}

    def read(self, files: Sequence[Path]) -> Tensor:
        """Return images as uint8 [N, C, H, W].

        Raises:
            UserError: a file is missing or cannot be read.
        """
        for file in files:
            if not file.is_file():
                raise UserError(f"{file} is missing; complete the folder")
        full = (len(files), self.channels, self.height, self.width)
        options = (READING, replace(self, memory_gb=0))
        return held_bytes(full, self.memory, lambda: key_of(options, files), lambda out: self._decode(files, out))

    def cropped(self, image: Image.Image, file: Path) -> Image.Image:
        """Return the square in the centre of an image, or the whole image if nothing is to be cut out.

        Raises:
            UserError: the image is smaller than the square.
        """
        if self.crop is None:
            return image
        if self.crop > min(image.size):
            raise UserError(
                f"dataset.source.crop={self.crop}: {shown(file)} has only {image.width}×{image.height} pixels; type "
                f"dataset.source.crop={min(image.size)} or less, or null for whole images"
            )
        left, top = (image.width - self.crop) // 2, (image.height - self.crop) // 2
        return image.crop((left, top, left + self.crop, top + self.crop))

    def _decode(self, files: Sequence[Path], out: np.ndarray) -> None:
        reader = self.reader

        def decode(i: int) -> None:
            out[i] = self._bytes(self.cropped(reader.read(files[i]), files[i]))

        for_each(files, decode)

    def pixels(self, image: Image.Image, name: str) -> np.ndarray:
        """Return an image in mode ``L`` or ``RGB`` as bytes [C, H, W], for a model that was trained on such images.

        Raises:
            UserError: the square to cut out is larger than the image; the message begins with its name.
        """
        if self.crop is not None and self.crop > min(image.size):
            raise UserError(
                f"{name} is {image.height}×{image.width}, smaller than dataset.source.crop={self.crop}, the side "
                f"of the square that is cut out; give a larger image, or one of {self.height}×{self.width}"
            )
        return self._bytes(self.cropped(image, Path(name)))

    def _bytes(self, image: Image.Image) -> np.ndarray:
        pixels = pixels_of(image, self.channels, self.height, self.width)
        return 255 - pixels if self.inverted else pixels
