"""Images given by the user: a folder of image files or a ``.npy`` array, checked before any score is computed.

If the files leave open how they are to be read (values in 0–1 or 0–255, other channels than the dataset's), an error
asks the user for it; nothing is guessed.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from vae_lab.config.paths import expanded
from vae_lab.data.image_folder import SUFFIXES, eight_bits, image_files, opened
from vae_lab.errors import UserError
from vae_lab.types import Shape

Channels = Literal["grey", "rgb"]
BLOCK = 1000  # images that are checked at a time
ROUNDING = 1e-5  # how far values may lie outside their range and still count as rounding errors
CLEARLY_BYTES = 32  # if the largest value is above this, the range cannot be 0–1

_LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)  # ITU-R BT.601, as in Pillow


class _Source(Protocol):
    """N images of one shape."""

    count: int
    shape: Shape  # C, H, W
    about: dict[str, str]  # entries for the protocol

    def read(self, index: Sequence[int]) -> np.ndarray:
        """Return the images at these positions [n, C, H, W], with the values of the file."""

    def digest(self) -> str:
        """Return the SHA-256 of the files."""


class GivenImages:
    """The images of a file or folder as floats in [0, 1], in the shape of a dataset's images.

    Args:
        path: a folder with image files (also in its subfolders), or a ``.npy`` file [N, H, W], [N, C, H, W] or
            [N, H, W, C].
        x_shape: C, H, W of the dataset that the images are compared with.
        largest: the value that means white, 1 or 255; None if the files make it clear.
        channels: 'grey' converts RGB to grey, 'rgb' repeats grey three times; None if no conversion is needed.

    Raises:
        UserError: the images do not suit the dataset, or it is unclear how to read them; the message says what to do.
    """

    def __init__(self, path: str, x_shape: Shape, largest: int | None = None, channels: Channels | None = None) -> None:
        place = expanded(path)
        if not place.exists():
            raise UserError(f"images={path}: no such file or folder; type images=<folder of images> or <file>.npy")
        source: _Source = _Folder(place) if place.is_dir() else _Array(place, x_shape)
        self._source, self.path = source, place
        self.largest, values = _white(source, path, largest)
        self._convert = _conversion(source.shape, x_shape, path, channels)
        self.about = {"images": str(place), **source.about, "values": values, "sha256": source.digest()}
        if self._convert:
            self.about["channels"] = f"{source.shape[0]} turned into {x_shape[0]}"

    def __len__(self) -> int:
        return self._source.count

    def at(self, index: Tensor) -> Tensor:
        """Return the images at positions [n]: [n, C, H, W] in [0, 1]."""
        x = torch.from_numpy(self._source.read(index.tolist()).astype(np.float32)) / self.largest
        x = x.clamp(0, 1)
        if self._convert == "grey":
            return (x * _LUMA).sum(1, keepdim=True)
        return x.expand(-1, 3, -1, -1) if self._convert == "rgb" else x


class _Folder:
    """Image files in a folder, decoded when used; the headers of all files are read at once to check their sizes."""

    def __init__(self, folder: Path) -> None:
        self.files = image_files(folder)
        if not self.files:
            raise UserError(f"images={folder}: no image ({', '.join(sorted(SUFFIXES))}) in this folder")
        sizes = {file: _header(file) for file in self.files}
        first = sizes[self.files[0]]
        for file, size in sizes.items():
            if size != first:
                raise UserError(
                    f"images={folder}: {file.name} is {_shown(size)}, {self.files[0].name} is {_shown(first)}; "
                    "make all images one size and one kind"
                )
        self.count, self.shape = len(self.files), first
        self.about = {"kind": f"{self.count:,} image files of {_shown(first)}"}

    def read(self, index: Sequence[int]) -> np.ndarray:
        with ThreadPoolExecutor() as pool:  # threads help because decoding releases the global interpreter lock
            return np.stack(list(pool.map(self._decoded, index)))

    def _decoded(self, i: int) -> np.ndarray:
        with opened(self.files[i]) as image:
            pixels = np.asarray(eight_bits(image).convert("L" if self.shape[0] == 1 else "RGB"), np.uint8)
        return pixels[None] if self.shape[0] == 1 else pixels.transpose(2, 0, 1)

    def digest(self) -> str:
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(file.read_bytes())
        return digest.hexdigest()


def _header(file: Path) -> Shape:
    """Return C, H, W of an image file without decoding it."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode == "F":
                raise UserError(f"{file} has floating-point values, which would be cut off; save the images as .npy")
            grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
            return (1 if grey else 3, image.height, image.width)
    except (OSError, SyntaxError) as why:
        raise UserError(f"{file} cannot be read as an image ({why}); remove or repair it") from why


class _Array:
    """A ``.npy`` file, mapped into memory and read a block at a time."""

    def __init__(self, file: Path, x_shape: Shape) -> None:
        if file.suffix != ".npy":
            raise UserError(f"images={file}: neither a folder nor a .npy file; save the array with numpy.save")
        try:
            self.array = np.load(file, mmap_mode="r", allow_pickle=False)
            if not isinstance(self.array, np.ndarray):
                raise ValueError("an archive of several arrays")
        except (ValueError, OSError, EOFError) as why:
            raise UserError(f"images={file} is damaged or no array of numbers; save one with numpy.save") from why
        if self.array.dtype.kind not in "buif":
            raise UserError(f"images={file}: numbers are needed, not {self.array.dtype}")
        self.file, self.layout, self.shape = file, *_layout(file, self.array.shape, x_shape)
        self.count = len(self.array)
        if self.count == 0:
            raise UserError(f"images={file}: there is no image in it")
        self.about = {"kind": f"{self.array.dtype} array of {' × '.join(map(str, self.array.shape))} ({self.layout})"}

    def read(self, index: Sequence[int]) -> np.ndarray:
        part = np.asarray(self.array[np.asarray(index)])
        if self.layout == "N, H, W":
            return part[:, None]
        return part.transpose(0, 3, 1, 2) if self.layout == "N, H, W, C" else part

    def digest(self) -> str:
        with self.file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _layout(file: Path, shape: Shape, x_shape: Shape) -> tuple[str, Shape]:
    """Return the names of the axes, and C, H, W.

    Raises:
        UserError: the array does not have 3 or 4 axes, or its axis of channels is unclear.
    """
    if len(shape) == 3:
        return "N, H, W", (1, *shape[1:])
    if len(shape) == 4:
        first, last = shape[1] in (1, 3), shape[3] in (1, 3)
        if shape[1:] == x_shape or (first and not last):
            return "N, C, H, W", shape[1:]
        if last and not first:
            return "N, H, W, C", (shape[3], *shape[1:3])
    raise UserError(
        f"images={file}: an array of {' × '.join(map(str, shape)) or 'one number'}; N × {_axes(x_shape)} is needed "
        f"({'N × H × W or ' if x_shape[0] == 1 else ''}N × H × W × C will do)"
    )


def _white(source: _Source, path: str, asked: int | None) -> tuple[int, str]:
    """Return the value that means white, and a description of the values. All images are checked.

    Args:
        source: the images.
        path: the path as the user typed it, for messages.
        asked: 1 or 255, as the user typed it; None: derived from the values.

    Raises:
        UserError: a value is not finite, or the range of the values is wrong or unclear.
    """
    low, high, outside, integers = float("inf"), -float("inf"), 0, True
    for index in np.array_split(np.arange(source.count), -(-source.count // BLOCK)):
        part = source.read(index.tolist())
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            bad = int(index[~np.isfinite(part).reshape(len(part), -1).all(1)][0])
            raise UserError(f"images={path}: image {bad} has values that are NaN or infinite; repair or remove it")
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        integers = integers and part.dtype.kind in "bui"
        outside += int(((part < -ROUNDING) | (part > (asked or np.inf) * (1 + ROUNDING))).sum())
    span = f"values from {low:g} to {high:g}"
    if asked is None and low < -ROUNDING:
        raise UserError(
            f"images={path}: {span}, but 0 must mean black; rescale them, or type range=1 or range=255 to clamp them"
        )
    if asked is None:
        asked = _evident(path, source, span, high, integers)
    if outside:
        span += f" ({outside:,} outside 0–{asked} clamped)"
    return asked, f"{span}, read as 0–{asked}"


def _evident(path: str, source: _Source, span: str, high: float, integers: bool) -> int:
    """Return the value that means white, 1 or 255, if the values make it clear.

    Raises:
        UserError: they do not, or they lie in neither range.
    """
    if high > (1 if isinstance(source, _Folder) else CLEARLY_BYTES):
        if high <= 255 * (1 + ROUNDING):
            return 255
        raise UserError(f"images={path}: {span}; 0–1 or 0–255 is needed: rescale them")
    if high <= 1 + ROUNDING and (not integers or (isinstance(source, _Array) and source.array.dtype.kind == "b")):
        return 1
    raise UserError(f"images={path}: {span} may mean 0–1 or 0–255; type range=1 or range=255")


def _conversion(shape: Shape, x_shape: Shape, path: str, asked: Channels | None) -> Channels | None:
    """Return the conversion of channels that the images need, which the user must have asked for.

    Raises:
        UserError: height, width or channels do not suit the dataset.
    """
    if shape[1:] != x_shape[1:]:
        raise UserError(
            f"images={path}: images of {shape[1]}×{shape[2]}, the dataset's are {x_shape[1]}×{x_shape[2]}; "
            "scale them first, or type another dataset="
        )
    needed: Channels | None = None
    if shape[0] != x_shape[0]:
        if (shape[0], x_shape[0]) not in ((3, 1), (1, 3)):
            raise UserError(f"images={path}: {shape[0]} channels, the dataset has {x_shape[0]}")
        needed = "grey" if x_shape[0] == 1 else "rgb"
    if needed and asked != needed:
        raise UserError(
            f"images={path}: {shape[0]} channel{'s' if shape[0] > 1 else ''}, the dataset has {x_shape[0]}; "
            f"type channels={needed} to {'turn them grey' if needed == 'grey' else 'repeat the grey one'}"
        )
    if asked and not needed:
        raise UserError(f"channels={asked}: the images have {shape[0]} channels like the dataset's; leave it out")
    return needed


def _axes(shape: Shape) -> str:
    return " × ".join(map(str, shape))


def _shown(shape: Shape) -> str:
    return f"{shape[1]}×{shape[2]} {'grey' if shape[0] == 1 else 'RGB'}"
