"""Image files that a published dataset lists, scaled and decoded once, as those of a folder of images are."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from vae_lab.data.cache import cache_dir, made_array
from vae_lab.data.image_bytes import READING, ImageReader
from vae_lab.data.image_opening import for_each
from vae_lab.errors import UserError

_MODES = {1: "L", 3: "RGB"}


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
        full = (len(files), self.channels, self.height, self.width)
        if np.prod(full) <= self.memory_gb * 2**30:
            pixels = np.empty(full, np.uint8)
            self._decode(files, pixels)
            return torch.from_numpy(pixels)
        cached = cache_dir("images") / f"{self._key(files)}.npy"
        return made_array(cached, full, lambda out: self._decode(files, out))

    def _key(self, files: Sequence[Path]) -> str:
        """Return the name of the cached images, which depends on everything that their bytes depend on."""
        digest = hashlib.sha256(repr((READING, self)).encode())
        for file in files:
            if not file.is_file():
                raise UserError(f"{file} is missing; complete the folder")
            about = file.stat()
            digest.update(os.fsencode(file) + f"\n{about.st_mtime_ns}:{about.st_size}\n".encode())
        return digest.hexdigest()[:16]

    def _decode(self, files: Sequence[Path], out: np.ndarray) -> None:
        reader = ImageReader("dataset.source.")

        def decode(i: int) -> None:
            out[i] = self._bytes(reader.read(files[i]))

        for_each(files, decode)

    def _bytes(self, image: Image.Image) -> np.ndarray:
        image = image.convert(_MODES[self.channels])
        if self.crop is not None:
            left, top = (image.width - self.crop) // 2, (image.height - self.crop) // 2
            image = image.crop((left, top, left + self.crop, top + self.crop))
        image = ImageOps.fit(image, (self.width, self.height), Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.uint8).reshape(self.height, self.width, self.channels).transpose(2, 0, 1)
        return 255 - pixels if self.inverted else pixels
