"""Images of an array as bytes: in memory, mapped from the file as they are, or mapped from a file in the cache."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vae_lab.data.array_images import ArrayImages
from vae_lab.data.cache import cache_dir, made_array
from vae_lab.data.value_range import ValueRange

_AT_ONCE = 2**24  # values that are converted in one step


def image_bytes(images: ArrayImages, values: ValueRange, order: np.ndarray | None, memory: int) -> Tensor:
    """Return the images as uint8 [N, C, H, W].

    Bytes in the right order are used as they are in the file; other values are scaled to 0–255 and rounded.

    Args:
        images: the images.
        values: the values that mean black and white.
        order: the positions in which the images are returned, [N]; None: as in the file.
        memory: images that take more bytes than this are mapped into memory.
    """
    full = (images.count, *images.shape)
    small = np.prod(full) <= memory
    whole = images.whole() if order is None and (values.black, values.white) == (0, 255) else None
    if whole is not None:
        return torch.from_numpy(np.array(whole) if small else whole)
    if small:
        pixels = np.empty(full, np.uint8)
        _convert(images, values, order, pixels)
        return torch.from_numpy(pixels)
    cached = cache_dir("images") / f"{_key(images, values, order)}.npy"
    return made_array(cached, full, lambda out: _convert(images, values, order, out))


def _convert(images: ArrayImages, values: ValueRange, order: np.ndarray | None, out: np.ndarray) -> None:
    from rich.progress import track

    order = np.arange(images.count) if order is None else order
    blocks = np.array_split(np.arange(images.count), -(-out.size // _AT_ONCE))
    for block in track(blocks, f"reading {images.file.name}", transient=True, disable=len(blocks) < 10):
        out[block] = np.rint(values.unit(images.read(order[block])) * 255).astype(np.uint8)


def _key(images: ArrayImages, values: ValueRange, order: np.ndarray | None) -> str:
    """Return the name of the cached images, which depends on everything that their bytes depend on."""
    about = Path(images.file).stat()
    parts = (
        images.file.resolve(),
        about.st_mtime_ns,
        about.st_size,
        images.name,
        images.layout,
        values.black,
        values.white,
    )
    digest = hashlib.sha256(repr(parts).encode())
    digest.update(b"" if order is None else order.tobytes())
    return digest.hexdigest()[:16]
