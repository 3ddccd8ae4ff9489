"""Image files that a published dataset lists, scaled and decoded once, as those of a folder of images are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from vae_lab.data.cache import held_bytes, key_of
from vae_lab.data.image_bytes import READING, ImageReader, pixels_of
from vae_lab.data.image_opening import for_each
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
    """

    channels: int
    height: int
    width: int
    crop: int | None = None
    inverted: bool = False
    memory_gb: float = 1.0

    def read(self, files: Sequence[Path]) -> Tensor:
        """Return images as uint8 [N, C, H, W].

        Raises:
            UserError: a file is missing or cannot be read.
        """
        for file in files:
            if not file.is_file():
                raise UserError(f"{file} is missing; complete the folder")
        full, memory = (len(files), self.channels, self.height, self.width), int(self.memory_gb * 2**30)
        return held_bytes(full, memory, lambda: key_of((READING, self), files), lambda out: self._decode(files, out))

    def _decode(self, files: Sequence[Path], out: np.ndarray) -> None:
        reader = ImageReader("dataset.source.")

        def decode(i: int) -> None:
            out[i] = self.pixels(reader.read(files[i]), str(files[i]))

        for_each(files, decode)

    def pixels(self, image: Image.Image, name: str) -> np.ndarray:
        """Return an image in mode ``L`` or ``RGB`` as bytes [C, H, W].

        Raises:
            UserError: the square to cut out is larger than the image; the message begins with its name.
        """
        if self.crop is not None:
            if self.crop > min(image.size):
                raise UserError(
                    f"{name} is {image.height}×{image.width}, smaller than dataset.source.crop={self.crop}, the side "
                    f"of the square that is cut out; give a larger image, or one of {self.height}×{self.width}"
                )
            left, top = (image.width - self.crop) // 2, (image.height - self.crop) // 2
            image = image.crop((left, top, left + self.crop, top + self.crop))
        pixels = pixels_of(image, self.channels, self.height, self.width)
        return 255 - pixels if self.inverted else pixels
