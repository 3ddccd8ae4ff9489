"""A dataset read from a folder of images, with or without folders for classes and for splits.

``image_layout.py`` says which folders are classes and splits. If the folder has an ``attributes.csv``, class folders
are ignored.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pydantic import PositiveInt

from vae_lab.config.paths import expanded
from vae_lab.data.attributes import Attributes, read_attributes
from vae_lab.data.cache import cache_dir
from vae_lab.data.held_out import held_out, refuse_share
from vae_lab.data.image_bytes import READING, Background, ImageReader, pixels_of
from vae_lab.data.image_files import image_files, shown
from vae_lab.data.image_layout import Layout, layout
from vae_lab.data.image_opening import for_each, without_warnings
from vae_lab.data.mapped_bytes import key_of, made_array
from vae_lab.data.value_range import Range
from vae_lab.errors import UserError
from vae_lab.examples import Examples
from vae_lab.system.files import write_json


class ImageFolder:
    """The images of a folder, decoded once into memory, or if they do not fit into a memory-mapped file in the cache.

    Args:
        path: the folder, absolute or relative to the working directory or to ``data_dir``.
        height, width: size in pixels. Images are scaled (bilinear) until they just cover it, and the centre is cut
            out. None: the size of the images, which must then be the same for all.
        channels: 1 (grey) or 3 (RGB); None: that of the first image.
        background: 'white' or 'black', over which transparent images are laid; None: they are refused.
        range: the pixel values that mean black and white, or white alone if 0 means black; None: 0 and 255, or 0 and
            65,535 in images of 16 bits.
        test_share: fraction of the images that is held out for testing by a fixed shuffle, if there is no folder
            ``test``.
        memory_gb: images that take more than this many GiB are read from a memory-mapped file.

    Raises:
        UserError: an option has a value that is not allowed.
    """

    def __init__(
        self,
        path: str,
        height: PositiveInt | None = None,
        width: PositiveInt | None = None,
        channels: PositiveInt | None = None,
        background: Background | None = None,
        range: Range | None = None,
        test_share: float = 0.1,
        memory_gb: float = 4.0,
    ) -> None:
        if channels not in (None, 1, 3):
            raise UserError(f"dataset.source.channels={channels}: an image has 1 (grey) or 3 (RGB) channels")
        refuse_share("dataset.source.test_share", test_share)
        self.path = expanded(path)
        self.size = (height or width, width or height)
        self.channels = channels
        self.reader = ImageReader("dataset.source.", background, range)
        self.test_share = test_share
        self.memory = int(memory_gb * 2**30)

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples. The images of a folder ``val`` are training examples with a mark.

        Raises:
            UserError: the folder is missing or has no images, its files do not fit together, or one cannot be read.
        """
        folder = next((p for p in (self.path, root / self.path) if p.is_dir()), None)
        if folder is None:
            raise UserError(
                f"dataset=image_folder: there is no folder {shown(self.path)} here or in {root}; "
                "type dataset.source.path=<folder of images>"
            )
        found, attributes = image_files(folder, "dataset=image_folder"), read_attributes(folder)
        divided = layout(found, labelled=attributes is None)
        examples, positions = self._read(divided, attributes), _positions(divided)
        examples = replace(examples, notes=(*found.notes, *divided.notes, *examples.notes))
        train, val = positions["train"], positions.get("val", torch.tensor([], dtype=torch.long))
        if "test" in positions:
            return examples.part(torch.cat([train, val])), examples.part(positions["test"])
        kept, test = held_out(len(train), self.test_share, "dataset.source.test_share")
        return examples.part(torch.cat([train[kept], val])), examples.part(train[test].sort().values)

    def _read(self, divided: Layout, attributes: Attributes | None) -> Examples:
        """Return the images of all splits, in the order of the splits."""
        files = [path for split in divided.splits.values() for path in split.images]
        classes = tuple(sorted(set(divided.labels.values())))
        if attributes is not None:
            targets = attributes.of(files)  # first, so that a missing row is reported before all images are decoded
        elif classes:
            number = {name: i for i, name in enumerate(classes)}
            targets = torch.tensor([number[divided.labels[path]] for path in files])
        else:
            targets = None
        pixels, notes = self._pixels(files, self._shape(files[0]))
        for_validation = None
        if "val" in divided.splits:
            for_validation = torch.zeros(len(files), dtype=torch.bool)
            for_validation[_positions(divided)["val"]] = True
        names = attributes.names if attributes else ()
        return Examples(pixels, targets, classes, attributes=names, for_validation=for_validation, notes=tuple(notes))

    def _shape(self, first: Path) -> tuple[int, int, int]:
        """Return C, H, W, from the config or from the first image."""
        with without_warnings():
            image = self.reader.read(first)
        return self.channels or len(image.getbands()), self.size[0] or image.height, self.size[1] or image.width

    def _pixels(self, files: Sequence[Path], shape: tuple[int, int, int]) -> tuple[torch.Tensor, list[str]]:
        """Return the images as bytes [N, C, H, W], and sentences about them."""
        full = (len(files), *shape)
        if np.prod(full) <= self.memory:
            decoded = np.empty(full, np.uint8)
            notes = self._decode(files, decoded)
            return torch.from_numpy(decoded), notes
        options = (READING, shape, self.size, self.channels, self.reader.background, self.reader.ends)
        cached = cache_dir("images") / f"{key_of(options, files)}.npy"
        about = cached.with_suffix(".json")  # the sentences; written before the images are complete
        if not about.exists():
            cached.unlink(missing_ok=True)
        pixels = made_array(cached, full, lambda out: write_json(about, self._decode(files, out)))
        return pixels, json.loads(about.read_text(encoding="utf-8"))

    def _decode(self, files: Sequence[Path], out: np.ndarray) -> list[str]:
        """Read the images into an array [N, C, H, W] of bytes, and return sentences about them."""

        def decode(i: int) -> None:
            out[i] = self._bytes(self.reader.read(files[i]), files, i, out.shape[1:])

        for_each(files, decode)
        return self.reader.notes(self.path)

    def _bytes(self, image: Image.Image, files: Sequence[Path], i: int, shape: Sequence[int]) -> np.ndarray:
        """Return one image as bytes [C, H, W]."""
        channels, height, width = shape
        if self.channels is None and channels == 1 and image.mode == "RGB":
            raise UserError(
                f"{shown(files[i])} has colours, and the first image, {shown(files[0])}, is grey; "
                "type dataset.source.channels=3 to keep the colours, or dataset.source.channels=1"
            )
        if self.size[0] is None and (image.height, image.width) != (height, width):
            raise UserError(
                f"{shown(files[i])} is {image.height}×{image.width}, the first image {height}×{width}; "
                "type dataset.source.height=… dataset.source.width=… to scale all images to one size"
            )
        return pixels_of(image, channels, height, width)


def _positions(divided: Layout) -> dict[str, torch.Tensor]:
    """Return the positions of each split in a list of the images of all splits."""
    sizes = {name: len(split.images) for name, split in divided.splits.items()}
    parts = torch.arange(sum(sizes.values())).split(list(sizes.values()))
    return dict(zip(sizes, parts))
