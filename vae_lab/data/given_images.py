"""Images given by the user: a folder of image files or an array, checked before any score is computed.

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

from vae_lab.data import image_folder
from vae_lab.data.array_file import SUFFIXES
from vae_lab.data.array_images import Wording, array_images
from vae_lab.data.array_layout import Sizes
from vae_lab.data.image_folder import eight_bits, image_files, opened
from vae_lab.data.value_range import Range, value_range
from vae_lab.errors import UserError
from vae_lab.types import Shape

Channels = Literal["grey", "rgb"]
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
        path: a folder with image files (also in its subfolders), or a ``.npy``, ``.npz``, ``.mat`` or HDF5 file.
        x_shape: C, H, W of the dataset that the images are compared with.
        range: the values that mean black and white, see :mod:`vae_lab.data.value_range`; None if the files make them
            clear.
        channels: 'grey' converts RGB to grey, 'rgb' repeats grey three times; None if no conversion is needed.
        array: the name of the array in a file of several.
        axes: the axes of the array, see :mod:`vae_lab.data.array_layout`; None if its shape makes them clear.

    Raises:
        UserError: the images do not suit the dataset, or it is unclear how to read them; the message says what to do.
    """

    def __init__(
        self,
        path: str,
        x_shape: Shape,
        range: Range | None = None,
        channels: Channels | None = None,
        array: str | None = None,
        axes: list[str] | None = None,
    ) -> None:
        place, start = Path(path).expanduser(), f"images={path}"
        if not place.exists():
            raise UserError(
                f"{start}: no such file or folder; type images=<folder of images>, or a file {', '.join(SUFFIXES)}"
            )
        of_files = place.is_dir()
        if of_files and (array or axes):
            raise UserError(f"{start}: a folder has no arrays; leave array= and axes= out")
        channels_, height, width = x_shape
        source: _Source = (
            _Folder(place)
            if of_files
            else array_images(place, array, axes, Sizes(height, width, channels_), Wording(start))
        )
        self._source, self.path = source, place
        self.range = value_range(source, start, "range=", range, of_files)
        self._convert = _conversion(source.shape, x_shape, path, channels)
        self.about = {"images": str(place), **source.about, "values": self.range.told, "sha256": source.digest()}
        if self._convert:
            self.about["channels"] = f"{source.shape[0]} turned into {x_shape[0]}"

    def __len__(self) -> int:
        return self._source.count

    def at(self, index: Tensor) -> Tensor:
        """Return the images at positions [n]: [n, C, H, W] in [0, 1]."""
        x = torch.from_numpy(self.range.unit(self._source.read(index.tolist())))
        if self._convert == "grey":
            return (x * _LUMA).sum(1, keepdim=True)
        return x.expand(-1, 3, -1, -1) if self._convert == "rgb" else x


class _Folder:
    """Image files in a folder, decoded when used; the headers of all files are read at once to check their sizes."""

    def __init__(self, folder: Path) -> None:
        self.files = image_files(folder)
        if not self.files:
            raise UserError(f"images={folder}: no image ({', '.join(sorted(image_folder.SUFFIXES))}) in this folder")
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


def _shown(shape: Shape) -> str:
    return f"{shape[1]}×{shape[2]} {'grey' if shape[0] == 1 else 'RGB'}"
