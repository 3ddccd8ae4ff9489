"""dSprites (Matthey et al. 2017), read from the published file: 737,280 black-and-white images of 64×64 pixels.

Factors and their numbers of values: shape 3, scale 6, orientation 40, x 32, y 32, with y changing fastest. The sixth
factor of the file, colour, has a single value. The first and the last orientation are the same angle. The file is read
as a stream and packed to one bit per pixel. The packed images (377 MB) are stored in the cache and mapped into memory;
an image is unpacked when it is used.
"""

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from vae_lab.data.cache import cache_dir
from vae_lab.data.mapped_bytes import made_array
from vae_lab.data.sprites import NAMES, Known, factor_images
from vae_lab.errors import UserError
from vae_lab.examples import Examples

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
SIZES = (3, 6, 40, 32, 32)
SIDE = 64
_AT_ONCE = 8192  # images that are packed in one step


class DSprites:
    """The dSprites images and their factors.

    Args:
        labels: 'shape': the shape is the class label; 'factors': all factors are attributes, without class labels.
    """

    def __init__(self, labels: Known = "shape") -> None:
        self.labels = labels

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training and the test examples, which share their memory.

        Raises:
            UserError: the file is missing, damaged or not the published one.
        """
        places = (root / FILE, root / "dsprites" / FILE)
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise UserError(
                f"dataset=dsprites: there is no {FILE} in {root} or {root / 'dsprites'}; put the published file there, "
                "or type data_dir=<folder that has it>, or dataset=sprites, which needs no file"
            )
        angles = torch.linspace(0, 2 * math.pi, SIZES[2]) if self.labels == "factors" else None
        return factor_images(PackedPixels(_packed(file), SIDE), SIZES, f"dSprites ({FILE})", angles)


class PackedPixels:
    """Black-and-white images stored as bits and unpacked when used; implements :class:`vae_lab.examples.Stored`.

    Args:
        bits: uint8 [M, side² / 8], the first pixel in the highest bit.
        side: height and width.
    """

    def __init__(self, bits: Tensor, side: int) -> None:
        self.bits, self.side = bits, side
        self.shape = torch.Size([len(bits), 1, side, side])
        self._shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)

    @property
    def device(self) -> torch.device:
        """The device that holds the bits."""
        return self.bits.device

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the packed images take."""
        return self.bits.nbytes

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return the images at positions, long [N], as uint8 [N, 1, side, side] of 0 or 255."""
        bits = self.bits[index].unsqueeze(-1) >> self._shifts & 1
        return (bits * 255).reshape(*bits.shape[:-2], 1, self.side, self.side)

    def to(self, device: torch.device) -> "PackedPixels":
        """Return the same images on another device."""
        return PackedPixels(self.bits.to(device), self.side)


def _packed(file: Path) -> Tensor:
    """Return the bits of all images; the file is packed only if the cache does not have it yet."""
    about = file.stat()
    cached = cache_dir("images") / f"dsprites-{about.st_size}-{about.st_mtime_ns}.npy"
    try:
        return made_array(cached, (math.prod(SIZES), SIDE**2 // 8), lambda bits: _pack(file, bits))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as why:
        raise UserError(
            f"dataset=dsprites: {file} is truncated, corrupt or not the published file "
            f"({' '.join(str(why).split())[:160]}); put the published file there, or type dataset=sprites, "
            "which needs no file"
        ) from why


def _pack(file: Path, bits: np.ndarray) -> None:
    """Write the bits of all images in the archive into an array, a few thousand images at a time."""
    from rich.progress import track

    total, values = math.prod(SIZES), SIDE**2
    with zipfile.ZipFile(file) as archive:
        _check_order(archive)
        with archive.open("imgs.npy") as stream:
            _check_header(stream, (total, SIDE, SIDE))
            for start in track(range(0, total, _AT_ONCE), "packing dSprites", transient=True):
                part = np.frombuffer(stream.read(values * min(_AT_ONCE, total - start)), np.uint8)
                bits[start : start + _AT_ONCE] = np.packbits(part.reshape(-1, values), axis=1)


def _check_order(archive: zipfile.ZipFile) -> None:
    """Check that the factors' values count up like the digits of a number; positions are computed from them.

    Raises:
        ValueError: they do not.
    """
    with archive.open("latents_classes.npy") as stream:
        classes = np.lib.format.read_array(stream, allow_pickle=False)
    expected = np.stack(np.unravel_index(np.arange(math.prod(SIZES)), SIZES), 1)
    if classes.shape != (len(expected), 1 + len(NAMES)) or not np.array_equal(classes[:, 1:], expected):
        raise ValueError("latents_classes does not count through colour, shape, scale, orientation, x and y")


def _check_header(stream: IO[bytes], shape: tuple[int, ...]) -> None:
    """Check that the array has this shape and holds bytes in C order.

    Raises:
        ValueError: it does not.
    """
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    actual_shape, fortran_order, dtype = read(stream)
    if actual_shape != shape or fortran_order or dtype != np.uint8:
        raise ValueError(f"imgs is {dtype} {actual_shape} instead of uint8 {shape}")
