"""A dataset read from a folder of images, with or without a folder per class and folders ``train`` and ``test``.

The layouts are ``folder/*.png``, ``folder/<class>/*.png``, and ``folder/train/…`` and ``folder/test/…`` with either of
these inside. If the folder has an ``attributes.csv``, class folders are ignored.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from pydantic import PositiveInt

from vae_lab.config.paths import expanded
from vae_lab.data.attributes import Attributes, read_attributes
from vae_lab.data.cache import cache_dir
from vae_lab.errors import UserError
from vae_lab.examples import Examples
from vae_lab.system.files import replaced

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
_MODES = {1: "L", 3: "RGB"}


class ImageFolder:
    """The images of a folder, decoded once into memory, or if they do not fit into a memory-mapped file in the cache.

    Args:
        path: the folder, absolute or relative to the working directory or to ``data_dir``.
        height, width: size in pixels. Images are scaled (bilinear) until they just cover it, and the centre is cut
            out. None: the size of the images, which must then be the same for all.
        channels: 1 (grey) or 3 (RGB); None: that of the first image.
        test_share: fraction of the images that is held out for testing by a fixed shuffle, if there are no folders
            ``train`` and ``test``.
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
        test_share: float = 0.1,
        memory_gb: float = 4.0,
    ) -> None:
        if channels not in (None, *_MODES):
            raise UserError(f"dataset.source.channels={channels}: an image has 1 (grey) or 3 (RGB) channels")
        if not 0 < test_share < 1:
            raise UserError(f"dataset.source.test_share={test_share} must lie between 0 and 1; type 0.1")
        self.path = expanded(path)
        self.size = (height or width, width or height)
        self.channels = channels
        self.test_share = test_share
        self.memory = int(memory_gb * 2**30)

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples.

        Raises:
            UserError: the folder is missing or has no images, or its files do not fit together.
        """
        folder = next((p for p in (self.path, root / self.path) if p.is_dir()), None)
        if folder is None:
            raise UserError(
                f"dataset=image_folder: there is no folder {self.path} here or in {root}; "
                "type dataset.source.path=<folder of images>"
            )
        shape, attributes = self._shape(image_files(folder)), read_attributes(folder)
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            train, test = (self._read(folder / part, shape, attributes) for part in ("train", "test"))
            if train.classes != test.classes:
                raise UserError(f"{folder}: train and test have different class folders; make them the same")
            return train, test
        examples = self._read(folder, shape, attributes)
        order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))
        cut = max(1, round(self.test_share * len(examples)))
        return examples.part(order[cut:].sort().values), examples.part(order[:cut].sort().values)

    def _shape(self, files: Sequence[Path]) -> tuple[int, int, int]:
        """Return C, H, W, from the config or from the first image."""
        if not files:
            raise UserError(f"dataset=image_folder: no image ({', '.join(sorted(SUFFIXES))}) in {self.path}")
        with opened(files[0]) as first:
            channels = self.channels or (1 if first.mode in ("1", "L", "I", "F", "I;16") else 3)
            height, width = self.size[0] or first.height, self.size[1] or first.width
        return channels, height, width

    def _read(self, folder: Path, shape: tuple[int, int, int], attributes: Attributes | None) -> Examples:
        files = image_files(folder)
        if not files:
            raise UserError(f"dataset=image_folder: no image in {folder}")
        if attributes is not None:
            targets = attributes.of(files)  # first, so that a missing row is reported before all images are decoded
            return Examples(self._pixels(files, shape), targets, attributes=attributes.names)
        classes = tuple(sorted({p.relative_to(folder).parts[0] for p in files if p.parent != folder}))
        labels = None
        if classes and all(p.parent != folder for p in files):
            labels = torch.tensor([classes.index(p.relative_to(folder).parts[0]) for p in files])
        return Examples(self._pixels(files, shape), labels, classes if labels is not None else ())

    def _pixels(self, files: Sequence[Path], shape: tuple[int, int, int]) -> torch.Tensor:
        full = (len(files), *shape)
        if np.prod(full) <= self.memory:
            pixels = np.empty(full, np.uint8)
            self._decode(files, pixels)
            return torch.from_numpy(pixels)
        stamps = [f"{p}:{p.stat().st_mtime_ns}:{p.stat().st_size}" for p in files]
        key = hashlib.sha256("\n".join([*stamps, str(shape), str(self.size)]).encode()).hexdigest()[:16]
        cached = cache_dir("images") / f"{key}.npy"
        if not cached.exists():
            with replaced(cached) as unfinished:
                self._decode(files, np.lib.format.open_memmap(unfinished, "w+", np.uint8, full))
        return torch.from_numpy(np.load(cached, mmap_mode="c"))

    def _decode(self, files: Sequence[Path], out: np.ndarray) -> None:
        from rich.progress import track

        def decode(i: int) -> None:
            out[i] = self._image(files[i], out.shape[1:])

        with ThreadPoolExecutor() as pool:  # threads help because decoding releases the global interpreter lock
            for _ in track(pool.map(decode, range(len(files))), "reading images", len(files), transient=True):
                pass

    def _image(self, file: Path, shape: Sequence[int]) -> np.ndarray:
        """Return one image as bytes [C, H, W]."""
        channels, height, width = shape
        with opened(file) as image:
            image = eight_bits(image).convert(_MODES[channels])
            if (image.height, image.width) != (height, width):
                if self.size[0] is None:
                    raise UserError(
                        f"{file} is {image.height}×{image.width}, the first image {height}×{width}; "
                        "type dataset.source.height=… dataset.source.width=… to scale all images to one size"
                    )
                image = _fit(image, height, width)
            return np.asarray(image, np.uint8).reshape(height, width, channels).transpose(2, 0, 1)


def eight_bits(image: Image.Image) -> Image.Image:
    """Return a 16-bit grey image with 8 bits. Pillow's conversion would set all values above 255 to 255."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image, np.uint32) // 257).astype(np.uint8))


def _fit(image: Image.Image, height: int, width: int) -> Image.Image:
    """Return the image scaled until it just covers height × width, and cropped to its centre."""
    from PIL import ImageOps

    return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)


def opened(file: Path) -> Image.Image:
    """Return an image, with its pixels read.

    Raises:
        UserError: the file cannot be read as an image.
    """
    try:
        image = Image.open(file)
        image.load()
        return image
    except (OSError, UnidentifiedImageError, SyntaxError) as why:
        raise UserError(f"{file} cannot be read as an image ({why}); remove or repair it") from why


def image_files(folder: Path) -> list[Path]:
    """Return all image files in a folder and its subfolders, sorted by path."""
    files = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return sorted(p for p in files if p.is_file())
