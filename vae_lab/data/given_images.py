"""Images given by the user: a folder of image files or an array, checked before any score is computed.

If the files leave open how they are to be read (values in 0–1 or 0–255, other channels than the dataset's), an error
asks the user for it; nothing is guessed.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from vae_lab.config.paths import expanded
from vae_lab.data.array_file import ARRAY
from vae_lab.data.array_images import Wording, array_images
from vae_lab.data.array_layout import Sizes
from vae_lab.data.given_folder import GivenFolder
from vae_lab.data.image_bytes import Background
from vae_lab.data.value_range import Range, ValueRange, value_range
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
        background: 'white' or 'black', over which transparent image files are laid; None if there are none.

    Attributes:
        names: the path of each file inside the folder, or the number of each image of an array, counted from 0.
        named_by: what the names are, 'file' or 'index'.

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
        background: Background | None = None,
    ) -> None:
        place, start = expanded(path), f"images={path}"
        if not place.exists():
            raise UserError(f"{start}: no such file or folder; type images=<folder of images>, or {ARRAY}")
        self.notes: list[str] = []
        source: _Source
        if place.is_dir():
            if array or axes:
                raise UserError(f"{start}: a folder has no arrays; leave array= and axes= out")
            source = GivenFolder(place, background, range)
            self.named_by, self.names = "file", [str(file.relative_to(place)) for file in source.files]
            self.notes, self.range = source.notes, ValueRange(0, 255, source.about["values"])
        else:
            if background:
                raise UserError(f"background={background}: an array has no transparency; leave it out")
            depth, height, width = x_shape
            source = array_images(place, array, axes, Sizes(height, width, depth), Wording(start))
            self.named_by, self.names = "index", list(map(str, np.arange(source.count)))
            self.range = value_range(source, start, "range=", range)
        self._source, self.path = source, place
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
