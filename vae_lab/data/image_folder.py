"""Any folder of images: with one folder per class, with ready ``train``/``test`` folders, or all in one heap.

``folder/*.png``; ``folder/<class>/*.png``; ``folder/train/…`` and ``folder/test/…`` with either of these inside. An
``attributes.csv`` in the folder takes the place of the class folders.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from pydantic import PositiveInt

from vae_lab.data.attributes import Attributes, read_attributes
from vae_lab.data.cache import cache_dir
from vae_lab.errors import UserError
from vae_lab.examples import Examples

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
_MODES = {1: "L", 3: "RGB"}


class ImageFolder:
    """Images read once into memory as bytes; where they do not fit, into a memory-mapped file in the cache.

    Args:
        path: the folder; relative to ``data_dir`` unless absolute or found from here.
        height, width: size to which images are scaled (bilinear, the short side first, then the centre is cut out);
            null takes the size of the images, which must then all be equal.
        channels: 1 (grey) or 3 (RGB); null takes that of the first image.
        test_share: part set aside for testing by a fixed shuffle, where there is no ``test`` folder.
        memory_gb: the most that is held in memory.
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
        self.path = Path(path).expanduser()
        self.size = (height or width, width or height)
        self.channels = channels
        self.test_share = test_share
        self.memory = int(memory_gb * 2**30)

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Train and test images."""
        folder = next((p for p in (self.path, root / self.path) if p.is_dir()), None)
        if folder is None:
            raise UserError(
                f"dataset=image_folder: there is no folder {self.path} here or in {root}; "
                "type dataset.source.path=<folder of images>"
            )
        shape, table = self._shape(image_files(folder)), read_attributes(folder)
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            train, test = (self._read(folder / part, shape, table) for part in ("train", "test"))
            if train.classes != test.classes:
                raise UserError(f"{folder}: train and test have different class folders; make them the same")
            return train, test
        everything = self._read(folder, shape, table)
        order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))
        cut = max(1, round(self.test_share * len(everything)))
        return everything.part(order[cut:].sort().values), everything.part(order[:cut].sort().values)

    def _shape(self, files: Sequence[Path]) -> tuple[int, int, int]:
        """C, H, W from the config, else from the first image."""
        if not files:
            raise UserError(f"dataset=image_folder: no image ({', '.join(sorted(SUFFIXES))}) in {self.path}")
        with opened(files[0]) as first:
            channels = self.channels or (1 if first.mode in ("1", "L", "I", "F", "I;16") else 3)
            height, width = self.size[0] or first.height, self.size[1] or first.width
        return channels, height, width

    def _read(self, folder: Path, shape: tuple[int, int, int], table: Attributes | None) -> Examples:
        files = image_files(folder)
        if not files:
            raise UserError(f"dataset=image_folder: no image in {folder}")
        if table is not None:
            known = table.of(files)  # before the images are read
            return Examples(self._pixels(files, shape), known, attributes=table.names)
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
            unfinished = cached.with_suffix(".part")
            self._decode(files, np.lib.format.open_memmap(unfinished, "w+", np.uint8, full))
            unfinished.rename(cached)
        return torch.from_numpy(np.load(cached, mmap_mode="c"))

    def _decode(self, files: Sequence[Path], out: np.ndarray) -> None:
        from rich.progress import track

        def one(i: int) -> None:
            out[i] = self._image(files[i], out.shape[1:])

        with ThreadPoolExecutor() as pool:  # decoding releases the interpreter lock
            for _ in track(pool.map(one, range(len(files))), "reading images", len(files), transient=True):
                pass

    def _image(self, file: Path, shape: Sequence[int]) -> np.ndarray:
        """One image as bytes [C, H, W]."""
        channels, height, width = shape
        with opened(file) as image:
            image = eight_bits(image).convert(_MODES[channels])
            if (image.height, image.width) != (height, width):
                if self.size[0] is None:
                    raise UserError(
                        f"{file} is {image.height}×{image.width}, the first image {height}×{width}; "
                        "type dataset.source.height=… dataset.source.width=… to scale all to one size"
                    )
                image = _fit(image, height, width)
            return np.asarray(image, np.uint8).reshape(height, width, channels).transpose(2, 0, 1)


def eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey to 8-bit: Pillow's own conversion would cut everything above 255 off."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image, np.uint32) // 257).astype(np.uint8))


def _fit(image: Image.Image, height: int, width: int) -> Image.Image:
    """Scale until the image just covers height × width, then cut out the centre."""
    from PIL import ImageOps

    return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)


def opened(file: Path) -> Image.Image:
    """An image, read whole.

    Raises:
        UserError: it cannot be read.
    """
    try:
        image = Image.open(file)
        image.load()
        return image
    except (OSError, UnidentifiedImageError, SyntaxError) as why:
        raise UserError(f"{file} cannot be read as an image ({why}); remove or repair it") from why


def image_files(folder: Path) -> list[Path]:
    """All images in a folder and the folders inside, by name."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return sorted(p for p in found if p.is_file())
