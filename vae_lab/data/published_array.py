"""Images that are published as one array of bytes, which people have in files of several kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vae_lab.data.array_choice import image_array
from vae_lab.data.array_file import SUFFIXES, NamedArray, arrays_of
from vae_lab.data.array_images import ArrayImages, Wording
from vae_lab.data.array_layout import Sizes
from vae_lab.data.by_hand import ByHand
from vae_lab.data.image_files import shown
from vae_lab.errors import UserError


@dataclass(frozen=True)
class PublishedArray:
    """Grey images of one size, in any of the files in which a dataset goes around.

    Args:
        where: the folders and the page of the dataset.
        stems: the names of its files without suffixes, in order of preference.
        height, width: size of the images in pixels.
        columns: the order of the pixels where every column of a matrix is an image: ``HW`` row by row, ``WH`` column by
            column. Where every row is an image, they come row by row.
    """

    where: ByHand
    stems: tuple[str, ...]
    height: int
    width: int
    columns: str

    def read(self, root: Path) -> tuple[Tensor, Mapping[str, NamedArray], str]:
        """Return the images, uint8 [N, 1, H, W], all arrays of their file, and the beginning of messages about it.

        Raises:
            UserError: there is no such file, or it is damaged or holds other images.
        """
        suffixes = sorted(SUFFIXES, key=lambda suffix: suffix != ".mat")  # first as it was published
        file = self.where.file(root, [f"{stem}{suffix}" for stem in self.stems for suffix in suffixes])
        start = f"{self.where.option}: {shown(file)}"
        arrays = arrays_of(file, start)
        array = arrays[image_array(arrays, None, start, "dataset=arrays dataset.source.array=")]
        sizes = Sizes(self.height, self.width, 1)
        images = ArrayImages(file, array, self._axes(array, start), sizes, Wording(start))
        pixels = images.read(np.arange(images.count))
        if pixels.dtype != np.uint8:  # of the values: MATLAB may store bytes under the name of another type
            raise UserError(
                f"{start}: its images are {pixels.dtype}, and bytes are needed; type dataset=arrays to read it"
            )
        return torch.from_numpy(np.ascontiguousarray(pixels)), arrays, start

    def _axes(self, array: NamedArray, start: str) -> list[str]:
        """Return the axes of the array of images."""
        pixels, shape = self.height * self.width, array.shape
        if shape[1:] == (self.height, self.width):
            return ["N", "H", "W"]
        if len(shape) == 2 and pixels in shape:
            return [self.columns, "N"] if shape[0] == pixels else ["N", "HW"]
        raise UserError(
            f"{start} has an array of {' × '.join(map(str, shape))}, and images of {self.height}×{self.width} are "
            "needed; type dataset=arrays to read another one"
        )
